"""The tables and histories of the replay benchmark."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import numpy as np
import pytest

from benchmarks.replay import synthetic_space
from benchmarks.replay.model_selection import ModelSelectionTable
from benchmarks.replay.portfolio import portfolio
from benchmarks.replay.regimes import REGIMES
from benchmarks.replay.regimes import history_of
from benchmarks.replay.regimes import sources
from benchmarks.replay.synthetic import SyntheticTable
from benchmarks.replay.synthetic import as_configuration
from benchmarks.replay.synthetic import as_tuple
from xautolm_core.records.outcome import Outcome
from xautolm_core.search.samplers.encoding import distributions
from xautolm_core.space.draw import encode

TABLE = SyntheticTable()


def test_the_synthetic_space_is_the_one_that_was_measured() -> None:
    """Figures in the documents are of these outcomes; they are those of the reference."""
    found = []
    for index in (0, 7):
        task = synthetic_space.SyntheticTask(index)
        drawn = np.random.RandomState(index)
        found += [task.evaluate(synthetic_space.random_configuration(drawn)) for _ in range(4)]
    assert [(outcome, score and round(score, 6), round(t, 4)) for outcome, score, t in found] == (
        GOLDEN
    )


GOLDEN = [
    ("ok", 0.46205, 11.2126),
    ("ok", 0.390795, 22.4777),
    ("diverged", None, 2.9811),
    ("ok", 0.469216, 19.7345),
    ("diverged", None, 2.531),
    ("oom_gpu", None, 20.0),
    ("oom_gpu", None, 6.1231),
    ("oom_gpu", None, 15.6358),
]


def test_configurations_go_back_and_forth() -> None:
    drawn = np.random.RandomState(1)
    known = distributions(TABLE.space)
    for _ in range(50):
        x = synthetic_space.random_configuration(drawn)
        configuration = as_configuration(x)
        assert as_tuple(configuration) == x
        assert set(encode(TABLE.space, configuration)) <= set(known)


def test_estimates_tell_which_configurations_will_not_fit() -> None:
    problem = TABLE.problem(TABLE.tasks[3])
    assert problem.load is not None
    loads: dict[Outcome, list[float]] = {}
    for trial in TABLE.source(TABLE.tasks[3], 5):
        load = problem.load(trial.configuration)
        loads.setdefault(trial.observed.outcome, []).append(load.log_memory)
    assert min(loads[Outcome.OOM_GPU]) > np.median(loads[Outcome.OK])


@pytest.mark.parametrize("regime", REGIMES)
def test_no_history_holds_the_task_that_is_searched_on(regime: str) -> None:
    task = TABLE.tasks[2]
    found = sources(TABLE, regime, task, seed=4)
    assert task not in found
    again = sources(TABLE, regime, task, seed=4)
    assert found == again
    count = {"none": 0, "scarce1": 1, "scarce3": 3, "scarce5": 5}.get(regime, 11)
    assert len(found) == count


def test_regimes_change_what_they_say_and_nothing_else() -> None:
    task, other = TABLE.tasks[0], TABLE.tasks[5]
    true = sources(TABLE, "normal", task, 1)[other]
    hostile = sources(TABLE, "hostile", task, 1)[other]
    scores = [one.observed.score for one in true if one.observed.score is not None]
    mirrored = [one.observed.score for one in hostile if one.observed.score is not None]
    assert np.argsort(scores).tolist() == np.argsort(mirrored)[::-1].tolist()
    assert (min(mirrored), max(mirrored)) == pytest.approx((min(scores), max(scores)))
    shuffled = sources(TABLE, "shuffled", task, 1)[other]
    assert [one.configuration for one in shuffled] == [one.configuration for one in true]
    assert [one.observed for one in shuffled] != [one.observed for one in true]
    by_time = [sorted(one.observed.seconds for one in trials) for trials in (shuffled, true)]
    assert by_time[0] == by_time[1]
    family = sources(TABLE, "family", task, 1)
    kept = {one.configuration.model for trials in family.values() for one in trials}
    assert len(kept) == synthetic_space.MODELS - 3


def test_samplers_read_the_history_with_failures_and_limits() -> None:
    found = sources(TABLE, "scarce3", TABLE.tasks[0], 0)
    history = history_of(TABLE, found)
    assert len(history) == 3 * 40
    outcomes = [tuple(Outcome)[code] for code in history.outcomes]
    failed = [outcome.is_failure for outcome in outcomes]
    expected = [one.observed.score is None for trials in found.values() for one in trials]
    assert sum(failed) == sum(expected) > 10
    assert np.isfinite(history.log_memory_load).all()
    assert np.isfinite(history.log_time_load).all()


def test_the_portfolio_begins_with_what_covers_most() -> None:
    found = {name: TABLE.source(name, 0) for name in TABLE.tasks[:3]}
    chosen = portfolio(found, dict.fromkeys(found, 1.0), size=10)
    assert len({one.model_dump_json() for one in chosen}) == 10
    failed = {
        trial.configuration.model_dump_json()
        for trials in found.values()
        for trial in trials
        if trial.observed.score is None
    }
    assert not failed & {one.model_dump_json() for one in chosen}


def test_model_selection_reads_its_files(tmp_path: Path) -> None:
    rows = [
        (task, "" if model == "a__3" else "rus-Cyrl", model, 0.3 + 0.01 * i, 1.5 + i)
        for task in ("One", "Two")
        for i, model in enumerate(
            [*(f"a__{j}" for j in range(40)), *(f"b__{j}" for j in range(25))]
        )
        if not (task == "Two" and model == "b__0")
    ]
    rows.append(("Few", "eng-Latn", "a__0", 0.5, 1.0))
    _write(tmp_path / "evaluations.csv.gz", "task,lang,model,f1,time", rows)
    described = [("a__0", "1e8", "512", "inf", "", "['rus-Cyrl']"), ("b__1", "", "", "", "", "[]")]
    head = "model,n_parameters,embed_dim,max_tokens,n_embedding_parameters,languages"
    _write(tmp_path / "models.csv.gz", head, described)
    table = ModelSelectionTable(tmp_path)
    assert table.tasks == ("One", "Two")
    assert table.left_out == ("Few",)
    problem = table.problem("Two")
    assert problem.task_features.values == {"language_rus": 1.0}
    assert problem.infeasible is not None
    trials = table.source("One", 0)
    assert len({one.configuration.model for one in trials}) == 40
    refused = [one for one in trials if problem.infeasible(one.configuration)]
    assert {one.configuration.model for one in refused} <= {"b__0"}
    assert "b__0" in table.space.models
    assert "b__0" not in problem.offered.models
    assert table.space.models["a__0"].descriptor.languages == ("rus",)
    assert table.space.models["a__0"].descriptor.max_length == 0
    assert table.family(np.random.default_rng(0)) in (
        frozenset(f"a__{j}" for j in range(40)),
        frozenset(f"b__{j}" for j in range(25)),
    )


def _write(path: Path, head: str, rows: list[tuple[object, ...]]) -> None:
    with gzip.open(path, "wt", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(head.split(","))
        writer.writerows(rows)
