"""Which rows a trial uses: the share that its budget allows, and that it asks for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from xautolm_core.records.configuration import Configuration
from xautolm_core.trial.contract import TrialBudget
from xautolm_core.trial.rows import choose_stratified


def _spec(*, seed: int = 0, budget: float = 1.0, **parameters: Any) -> Any:
    configuration = Configuration(branch="b", model="m", method="full", parameters=parameters)
    limits = TrialBudget(data_fraction=budget)
    return SimpleNamespace(budget=limits, seed=seed, configuration=configuration)


def _rows(**changes: Any) -> np.ndarray:
    labels = np.repeat([0, 1], [300, 100])
    found = choose_stratified(labels, labels[:50], _spec(**changes))
    assert len(found.validation) == 50
    return found.train


@pytest.mark.parametrize("share", [0.25, 0.5])
def test_a_trial_is_trained_on_the_share_that_it_asks_for_with_all_classes(share: float) -> None:
    rows = _rows(data_fraction=share)
    assert len(rows) == len(set(rows.tolist())) == share * 400
    assert (rows >= 300).sum() == share * 100
    np.testing.assert_array_equal(rows, _rows(data_fraction=share))
    assert set(rows.tolist()) != set(_rows(data_fraction=share, seed=1).tolist())


def test_it_multiplies_that_of_the_budget() -> None:
    assert len(_rows(data_fraction=0.5, budget=0.5)) == 100
    assert len(_rows(data_fraction=1.0, budget=0.5)) == len(_rows(budget=0.5)) == 200
    # A wrong value is refused with the other hyper-parameters, not here.
    assert len(_rows(data_fraction="some")) == len(_rows(data_fraction=0)) == 400
