"""What screening trials say of models, as samplers read it."""

from __future__ import annotations

import numpy as np
import optuna
import pytest

from tests.search import spaces
from xautolm_core.records.configuration import Configuration
from xautolm_core.search.contract import Objective
from xautolm_core.search.history import History
from xautolm_core.search.samplers.screening import past_screening_scores
from xautolm_core.search.samplers.screening import screening_scores
from xautolm_core.search.samplers.selection import SearchContext
from xautolm_core.search.samplers.selection import select_usable


def probe(model: str, *, screening: bool = True) -> Configuration:
    parameters = {"max_length": 128, **({"screening_rows": 1_000} if screening else {})}
    method = "linear_probe"
    return Configuration(branch=method, model=model, method=method, parameters=parameters)


def test_a_probe_that_was_cut_short_is_no_evidence():
    study = optuna.create_study(directions=["maximize", "minimize"])

    def add(model: str, score: float, rows: int, **attributes: int) -> None:
        told = {"method": "linear_probe", "model": model, "rows": rows, **attributes}
        study.add_trial(optuna.trial.create_trial(values=[score, 1.0], user_attrs=told))

    add("a", 0.9, 640)
    assert screening_scores(study) == {}
    add("b", 0.5, 1_000, screening_rows=1_000)
    assert screening_scores(study) == {"b": 0.5}
    # Where screening trials had as few rows, these are all that there are.
    study = optuna.create_study(directions=["maximize", "minimize"])
    add("a", 0.9, 640)
    add("b", 0.5, 640, screening_rows=1_000)
    assert screening_scores(study) == {"a": 0.9, "b": 0.5}


def test_past_scores_are_of_the_same_task_and_model():
    tried = spaces.configuration(model_name="a")

    def past(number: int, one: Configuration, f1: float, task: str, rows: float = 9_000):
        found = spaces.experience(one, number=number, f1=f1, task_name=task)
        vector = found.task_features.model_copy(update={"values": {"n_instances": rows}})
        return found.model_copy(update={"task_features": vector})

    history = History.of(
        [
            past(0, probe("a"), 0.5, "first"),
            past(1, probe("a"), 0.7, "first"),
            past(2, tried, 0.9, "first"),
            past(3, tried, 0.9, "second"),
            past(4, probe("b", screening=False), 0.3, "first"),
            past(5, probe("b", screening=False), 0.3, "small", rows=400),
            past(6, spaces.configuration(model_name="b"), 0.8, "small", rows=400),
            past(7, spaces.configuration(model_name="b"), 0.8, "first"),
        ]
    )
    expected = [0.6, 0.6, 0.6, np.nan, np.nan, 0.3, 0.3, np.nan]
    assert past_screening_scores(history) == pytest.approx(expected, nan_ok=True)
    drawn = history.take(np.asarray([2, 3, 6, 7]))
    found = past_screening_scores(history, drawn)
    assert found == pytest.approx([0.6, np.nan, 0.3, np.nan], nan_ok=True)
    assert len(past_screening_scores(History.empty())) == 0


def test_screenings_are_no_rivals_of_what_was_trained_on_all_rows():
    past = [
        spaces.experience(spaces.configuration(), number=0, f1=0.6),
        spaces.experience(probe("a", screening=False), number=1, f1=0.7),
        spaces.experience(probe("b"), number=2, f1=0.4),
    ]
    context = SearchContext(
        spaces.space(),
        (Objective.F1, Objective.TIME),
        "text-classification",
        spaces.task_features(0.0, 0.0),
        spaces.system_features(2.0),
    )
    usable, _ = select_usable(History.of(past), context)
    assert usable.rival_scores.tolist() == [0.7]
