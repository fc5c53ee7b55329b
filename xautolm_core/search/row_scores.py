"""Tests of models whose score is a mean over rows: their comparison, and which rows are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xautolm_core.records.methods import is_cheap
from xautolm_core.search.test_report import INTERVAL_LEVEL
from xautolm_core.search.test_report import ModelComparison
from xautolm_core.tasks.grouped import mean_gain_interval

if TYPE_CHECKING:
    from xautolm_core.search.contract import TrialRecord
    from xautolm_core.search.final_test_kinds import TestedModel

SHOWN_EXAMPLES = 6
"""Right answers, and wrong ones, that a report has."""


def compare_means(
    trials: tuple[TrialRecord, TrialRecord], models: tuple[TestedModel, TestedModel], *, seed: int
) -> ModelComparison:
    """Compare a language model with a cheap candidate on the rows that both have answered.

    The interval of the gain is that of a paired bootstrap over rows.

    Args:
        trials: Both trials, in either order.
        models: What their models came to; ``answers`` is what each row adds to the score.
        seed: Of the bootstrap.
    """
    if is_cheap(trials[0].configuration.method):
        trials, models = trials[::-1], models[::-1]
    language_model, cheap = (model.answers for model in models)
    generator = np.random.default_rng(seed)
    low, high = mean_gain_interval(cheap, language_model, generator, level=INTERVAL_LEVEL)
    return ModelComparison(
        language_model=trials[0].number,
        cheap=trials[1].number,
        language_model_score=float(language_model.mean()),
        cheap_score=float(cheap.mean()),
        low=low,
        high=high,
    )


def mean_interval(scores: np.ndarray, *, seed: int) -> tuple[float, float]:
    """Return the 95 % interval of a mean over rows, by a bootstrap over them.

    Args:
        scores: What each row adds to the score; one row at least.
        seed: Of the bootstrap.
    """
    generator = np.random.default_rng(seed)
    return mean_gain_interval(np.zeros_like(scores), scores, generator, level=INTERVAL_LEVEL)


def right_and_wrong_rows(f1: np.ndarray, exact: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a few rows that were answered as accepted, and a few that were not.

    Both are evenly spread over their order by F1, the worst first.

    Args:
        f1: F1 of each row.
        exact: Above 0 for each row whose answer is an accepted one.
    """
    order = np.argsort(f1, kind="stable")
    is_right = exact[order] > 0
    return _spread(order[is_right]), _spread(order[~is_right])


def _spread(rows: np.ndarray) -> np.ndarray:
    places = np.linspace(0, len(rows) - 1, min(len(rows), SHOWN_EXAMPLES)).round().astype(int)
    chosen: np.ndarray = rows[places]
    return chosen
