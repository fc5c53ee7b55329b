"""The chosen model meets the test split, with the best of the other kind beside it: once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from xautolm_core.records.methods import is_cheap
from xautolm_core.search.asking import Asking
from xautolm_core.search.asking import score_on_test
from xautolm_core.search.contract import ModelComparison
from xautolm_core.search.models import model_folder
from xautolm_core.search.records import choose_alternative
from xautolm_core.tasks.grouped import gain_interval
from xautolm_core.tasks.grouped import group_rows
from xautolm_core.tasks.scores import RARE_ROWS
from xautolm_core.tasks.scores import classification_scores

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Sequence

    from xautolm_core.search.asking import TestedModel
    from xautolm_core.search.contract import TestReport
    from xautolm_core.search.contract import TrialRecord
    from xautolm_core.search.setup import SearchSetup
    from xautolm_core.tasks.task import Task

_LEAST_LIMIT_SECONDS = 300.0
_TIMES_EXPECTED = 5.0
# Of the budget: a comparison may end so much after it.
_LATE_SHARE = 0.02


_LEVEL = 0.95


def compare(
    first: TrialRecord,
    second: TrialRecord,
    *,
    truth: np.ndarray,
    first_answers: np.ndarray,
    second_answers: np.ndarray,
    labels: Sequence[str],
    seed: int = 0,
) -> ModelComparison:
    """Compare a language model with a cheap candidate on the rows that both have answered.

    Args:
        first: One of both trials; the order does not matter.
        second: The other one.
        truth: Class index of each row.
        first_answers: Class index that the first model gave to each row.
        second_answers: Likewise the second one.
        labels: Class names in their order.
        seed: Of the bootstrap.

    Raises:
        ValueError: There are no rows, or both have answered different numbers of them.
    """
    if is_cheap(first.configuration.method):
        first, second = second, first
        first_answers, second_answers = second_answers, first_answers
    groups = group_rows(truth, second_answers, first_answers)
    low, high = gain_interval(groups, "macro_f1", np.random.default_rng(seed), level=_LEVEL)
    rows = np.bincount(np.asarray(truth, dtype=np.int64), minlength=len(labels))
    return ModelComparison(
        language_model=first.number,
        cheap=second.number,
        language_model_macro_f1=classification_scores(truth, first_answers, labels).macro_f1,
        cheap_macro_f1=classification_scores(truth, second_answers, labels).macro_f1,
        low=low,
        high=high,
        rare_classes={
            name: int(count)
            for name, count in zip(labels, rows, strict=True)
            if 0 < count < RARE_ROWS
        },
    )


def evaluate_best(
    setup: SearchSetup,
    records: Sequence[TrialRecord],
    best: TrialRecord,
    seconds_of: Callable[[TrialRecord], float],
) -> None:
    """Evaluate the chosen model on the test split and keep the report in the state.

    The best model of the other kind answers the same rows, for the question whether a language
    model was worth it; it cannot be chosen any more. Models that have met the test split before are
    not tested again. An interrupt during the evaluation ends it; the budget does not: a search
    without its test is worth less than one that is a little late. The comparison is left out where
    the budget has no time for it.

    Args:
        setup: The search.
        records: Its trials.
        best: The chosen one.
        seconds_of: Returns what the test of a trial's model should take; it is given up after
            several times that.
    """
    state = setup.state
    other = choose_alternative(records, best)
    trials = [record.number for record in (best, other) if record is not None]
    if state.test is not None and state.test_trials == trials:
        return
    if not model_folder(setup.out_folder, best).is_dir():
        setup.note("The model of the best trial is not there: no test", warning=True)
        return
    setup.observer.phase("test", f"{len(setup.task.test)} rows")
    with setup.clock.phase("test"):
        report, problem = run_test(
            best,
            other,
            task=setup.task,
            evaluate=lambda record: _evaluate(setup, record, best, seconds_of(record)),
            seed=setup.spec.seed,
        )
    if problem:
        setup.note(problem, warning=True)
    if report is None:
        return
    state.test = asdict(report)
    # A comparison that is missing is made up for when the search is resumed.
    state.test_trials = trials if report.comparison is not None else trials[:1]
    setup.save_state()


def run_test(
    best: TrialRecord,
    other: TrialRecord | None,
    *,
    task: Task,
    evaluate: Callable[[TrialRecord], tuple[TestedModel | None, str]],
    seed: int,
) -> tuple[TestReport | None, str]:
    """Let the chosen model answer the test split, and the best one of the other kind beside it.

    Args:
        best: The chosen trial.
        other: The best trial of the other kind; None for no comparison.
        task: Holds the split.
        evaluate: Evaluates a trial's model on the split: what it came to, or None and why not.
        seed: Of the comparison's bootstrap.

    Returns:
        The report, None if the chosen model could not be evaluated; and what did not succeed, in
        words, empty if everything did.
    """
    chosen, problem = evaluate(best)
    if chosen is None:
        return None, f"The test of the best model did not succeed: {problem}"
    if other is None:
        return chosen.report, ""
    beside, problem = evaluate(other)
    if beside is None:
        return chosen.report, f"Trial {other.number} could not be compared: {problem}"
    compared = compare(
        best,
        other,
        truth=np.asarray(task.test.labels),
        first_answers=chosen.answers,
        second_answers=beside.answers,
        labels=task.labels,
        seed=seed,
    )
    return replace(chosen.report, comparison=compared), ""


def no_time(
    expected_seconds: float, budget_seconds: float | None, *, elapsed_seconds: float
) -> str:
    """Return why a comparison is left out, in words; empty if there is time for it.

    Args:
        expected_seconds: What the test of the other model should take.
        budget_seconds: Of the search; None for as long as it takes.
        elapsed_seconds: Of the search so far.
    """
    if budget_seconds is None:
        return ""
    left_seconds = budget_seconds - elapsed_seconds
    if expected_seconds <= left_seconds + _LATE_SHARE * budget_seconds:
        return ""
    return (
        f"its test would take {expected_seconds:.0f} s, and {max(left_seconds, 0.0):.0f} s of the"
        " budget are left"
    )


def _evaluate(
    setup: SearchSetup, record: TrialRecord, best: TrialRecord, expected_seconds: float
) -> tuple[TestedModel | None, str]:
    if record is not best:
        budget_seconds = setup.policy.effective_budget_seconds
        elapsed_seconds = setup.clock.elapsed_seconds
        problem = no_time(expected_seconds, budget_seconds, elapsed_seconds=elapsed_seconds)
        if problem:
            return None, problem
    interrupts_before = setup.interrupts.count
    return score_on_test(
        model_folder(setup.out_folder, record),
        setup.task_folder,
        setup.out_folder,
        Asking(
            threads=setup.threads * setup.spec.workers,
            limit_seconds=max(_LEAST_LIMIT_SECONDS, _TIMES_EXPECTED * expected_seconds),
            give_up=lambda: setup.interrupts.count > interrupts_before,
        ),
        task=setup.task,
    )
