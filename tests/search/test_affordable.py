"""Limits that leave no room for one trial, as experiences tell."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tests.experience.samples import sample
from tests.search.instant import InstantLauncher
from tests.search.instant import Silent
from tests.search.instant import analytic_result
from xautolm_core.errors import ConfigError
from xautolm_core.experience.folder import FolderStore
from xautolm_core.records.attempt import TrialResult
from xautolm_core.records.energy import EnergyReading
from xautolm_core.records.outcome import Outcome
from xautolm_core.search.affordable import cheapest_shares
from xautolm_core.search.affordable import past_of
from xautolm_core.search.folders import read_state
from xautolm_core.search.runner import run_search
from xautolm_core.search.spending import SpendingLimits
from xautolm_core.search.spending import Use
from xautolm_core.trial.contract import TrialSpec

KWH = 3.6e6
CARBON = SpendingLimits(carbon_grams=100, grams_per_kwh=400)


def _append(store: FolderStore, number: int, kwh: float | None, **changes: object) -> None:
    energy = EnergyReading(component="cpu", joules=(kwh or 1) * KWH, source="rapl", quality="A")
    fields = {
        "tenant": "default",
        "task_name": "moods",
        "outcome": Outcome.OK,
        "device": "cpu",
        "energy": () if kwh is None else (energy,),
        "seconds": {"startup": 100.0, "train": 30.0, "evaluate": 6.0},
    }
    store.append(sample("earlier", number, **(fields | changes)))


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    """Trials of two tasks, tenants and devices; the first ones are in a segment."""
    found = FolderStore(tmp_path / "store")
    _append(found, 0, 2.0)
    _append(found, 1, 1.0)
    _append(found, 2, 0.1, outcome=Outcome.OOM_HOST)
    _append(found, 3, 0.2, tenant="other")
    found.compact(grace=timedelta(0))
    _append(found, 4, 0.3, device="cuda")
    _append(found, 5, 0.5, task_name="reviews")
    _append(found, 6, None)
    return found


def _past(store: FolderStore, task: str = "moods", tenant: str | None = "default"):
    kind = next(iter(store.scan())).task_type
    return past_of(store.view(), tenant=tenant, device="cpu", task_name=task, task_type=kind)


def test_trials_of_the_task_that_ended_well_on_such_a_machine_count(store: FolderStore) -> None:
    past = _past(store)
    assert past.of_task
    found = sorted(past.uses, key=lambda use: use.joules or 0)
    assert found == [Use(36.0, None), Use(36.0, KWH), Use(36.0, 2 * KWH)]
    assert cheapest_shares(CARBON, past) == {"carbon": 4.0}
    assert cheapest_shares(SpendingLimits(cost=1, price_per_trial_hour=1), past) == {
        "cost": pytest.approx(0.01)
    }
    assert len(_past(store, tenant=None).uses) == 4


def test_of_a_new_task_those_of_its_kind_count(store: FolderStore) -> None:
    past = _past(store, "never seen")
    assert (past.of_task, len(past.uses)) == (False, 4)
    assert cheapest_shares(CARBON, past) == {"carbon": 2.0}
    assert cheapest_shares(CARBON, _past(store, tenant="nobody")) == {}


def test_only_trials_of_the_wanted_methods_count(store: FolderStore) -> None:
    kind = next(iter(store.scan())).task_type
    wanted = {"tenant": None, "device": "cpu", "task_name": "moods", "task_type": kind}
    assert past_of(store.view(), **wanted, methods=("tfidf",)).uses == ()
    assert len(past_of(store.view(), **wanted, methods=("full", "lora")).uses) == 4


def test_an_empty_store_tells_nothing(tmp_path: Path) -> None:
    view = FolderStore(tmp_path / "store").view()
    assert past_of(view, tenant=None, device="cpu", task_name="a", task_type="b").uses == ()


def test_what_was_forgotten_does_not_count(store: FolderStore) -> None:
    store.forget(tenant="other")
    assert len(_past(store, tenant=None).uses) == 3


def test_what_others_used_bounds_how_many_begin_at_once(make_spec, store, tmp_path: Path) -> None:
    task_type = next(iter(store.scan())).task_type
    limits = SpendingLimits(carbon_grams=1_000, grams_per_kwh=400)
    spec = make_spec(store=str(store.root), sampler="xautolm", spending=limits, workers=4)
    for number in range(10, 13):
        _append(store, number, 1.0, task_name=spec.task.name, task_type=task_type)

    def metered(trial: TrialSpec) -> TrialResult:
        energy = EnergyReading(component="cpu", joules=KWH, source="rapl", quality="A")
        return analytic_result(trial).model_copy(update={"energy": (energy,)})

    launcher = InstantLauncher(metered)
    result = run_search(
        spec,
        tmp_path / "run",
        launcher=launcher,
        observer=Silent(),
        with_test=False,
    )
    # Two of 400 grams fit, four do not.
    assert len(launcher.submitted) == launcher.most_at_once == 2
    assert result.stopped_by == "carbon"
    state = read_state(tmp_path / "run")
    assert state is not None
    assert state.expected_shares == {"carbon": 0.4}


@pytest.mark.parametrize("sampler", ["xautolm", "random"])
def test_such_a_limit_is_refused_before_anything_is_written(
    make_spec, store: FolderStore, tmp_path: Path, sampler: str
) -> None:
    task_type = next(iter(store.scan())).task_type
    spec = make_spec(store=str(store.root), max_trials=2, sampler=sampler, spending=CARBON)
    for number in range(10, 13):
        _append(store, number, 1.5, task_name=spec.task.name, task_type=task_type)

    def run() -> object:
        return run_search(
            spec,
            tmp_path / "run",
            launcher=InstantLauncher(),
            observer=Silent(),
            with_test=False,
        )

    if sampler == "random":  # which does not look at history
        run()
        return
    with pytest.raises(ConfigError) as caught:
        run()
    assert caught.value.problem.startswith("a limit of 100 gCO2e leaves no room for one trial")
    assert "used 400 gCO2e" in caught.value.problem or "used 600 gCO2e" in caught.value.problem
    assert "--cold" in caught.value.hint
    assert not (tmp_path / "run").exists()
