"""The reading of a trial's end, case by case."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies

from xautolm_core.records.attempt import TrialResult
from xautolm_core.records.configuration import Configuration
from xautolm_core.records.outcome import Failure
from xautolm_core.records.outcome import Outcome
from xautolm_core.space.model import ModelReference
from xautolm_core.trial.contract import TrialSpec
from xautolm_core.trial.endings import EndedBy
from xautolm_core.trial.endings import ProcessEnd
from xautolm_core.trial.endings import result_of_end
from xautolm_core.trial.endings import with_launch
from xautolm_core.trial.files import belongs_to
from xautolm_core.trial.saved_state import SavedState

LAUNCHED_AT = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
ENDED_AT = LAUNCHED_AT + timedelta(seconds=30)
SPEC = TrialSpec(
    search_id="s",
    trial_number=4,
    attempt=1,
    task_folder="/t",
    out_folder="/o",
    cache_folder="/c",
    configuration=Configuration(branch="b", model="m", method="full", parameters={}),
    model=ModelReference(id="m"),
    seed=0,
    threads=2,
)


def written(outcome: Outcome = Outcome.OK, **changes: object) -> TrialResult:
    values = {"search_id": "s", "trial_number": 4, "attempt": 1, "outcome": outcome, **changes}
    return TrialResult.model_validate(values)


def read(
    end: ProcessEnd | None,
    result: TrialResult | None = None,
    saved: SavedState | None = None,
    **heartbeat: object,
) -> TrialResult:
    return with_launch(
        result_of_end(SPEC, end, result, heartbeat, saved, ended_at=ENDED_AT),
        launched_at=LAUNCHED_AT,
        ended_at=ENDED_AT,
        concurrent_trials=3,
        peak_bytes=None if end is None else end.peak_bytes,
    )


def ended(**facts: object) -> ProcessEnd:
    return ProcessEnd.model_validate(facts)


@dataclass(frozen=True)
class Case:
    """An end, and how it is to be read."""

    name: str
    end: ProcessEnd | None
    outcome: Outcome
    kind: str | None
    result: TrialResult | None = None


CASES = [
    Case("wall limit, by SIGTERM", ended(ended_by="wall_limit", signal="SIGTERM"),
         Outcome.TIMEOUT, "WallLimit"),
    Case("wall limit, by SIGKILL", ended(ended_by="wall_limit", signal="SIGKILL"),
         Outcome.TIMEOUT, "WallLimit"),
    Case("wall limit, told as cancelled", ended(ended_by="wall_limit", exit_code=0),
         Outcome.TIMEOUT, "WallLimit", written(Outcome.CANCELLED)),
    Case("wall limit, but done before", ended(ended_by="wall_limit", signal="SIGKILL"),
         Outcome.OK, None, written()),
    Case("watchdog", ended(ended_by="memory", signal="SIGKILL", limit_was_hit=True),
         Outcome.OOM_HOST, "MemoryLimit"),
    Case("kernel, group's limit", ended(signal="SIGKILL", oom_kills=1, limit_was_hit=True),
         Outcome.OOM_HOST, "MemoryLimit"),
    Case("kernel, whole machine", ended(signal="SIGKILL", oom_kills=1),
         Outcome.OOM_HOST, "MachineMemory"),
    Case("helper taken, told as infra", ended(exit_code=0, oom_kills=1, limit_was_hit=True),
         Outcome.OOM_HOST, "MemoryLimit", written(Outcome.INFRA)),
    Case("helper taken, told as invalid", ended(exit_code=0, oom_kills=1, limit_was_hit=True),
         Outcome.OOM_HOST, "MemoryLimit", written(Outcome.INVALID)),
    Case("helper taken, ok nevertheless", ended(exit_code=0, oom_kills=1, limit_was_hit=True),
         Outcome.OK, None, written()),
    Case("another's memory kill, own fault", ended(signal="SIGSEGV", oom_kills=1),
         Outcome.INFRA, "SIGSEGV"),
    Case("another's memory kill, own verdict", ended(exit_code=0, oom_kills=1),
         Outcome.INVALID, None, written(Outcome.INVALID)),
    Case("SIGKILL without evidence", ended(signal="SIGKILL"), Outcome.INFRA, "SIGKILL"),
    Case("SIGTERM from outside", ended(signal="SIGTERM"), Outcome.PREEMPTED, "SIGTERM"),
    Case("SIGTERM from outside, handled", ended(exit_code=143), Outcome.PREEMPTED, "SIGTERM"),
    Case("SIGTERM from outside, told", ended(exit_code=0),
         Outcome.PREEMPTED, "SIGTERM", written(Outcome.CANCELLED)),
    Case("server told to end", ended(ended_by="shutdown", signal="SIGKILL"),
         Outcome.PREEMPTED, "SIGTERM"),
    Case("cancelled", ended(ended_by="cancel", signal="SIGKILL"),
         Outcome.CANCELLED, "Cancelled"),
    Case("cancelled, told", ended(ended_by="cancel", exit_code=0),
         Outcome.CANCELLED, None, written(Outcome.CANCELLED)),
    Case("cancelled, but done before", ended(ended_by="cancel", signal="SIGTERM"),
         Outcome.OK, None, written()),
    Case("lingering, but done", ended(ended_by="lingering", signal="SIGKILL"),
         Outcome.OK, None, written()),
    Case("lingering with a torn result", ended(ended_by="lingering", signal="SIGKILL"),
         Outcome.INFRA, "NoResult"),
    Case("lingering with a torn result, by SIGTERM", ended(ended_by="lingering", signal="SIGTERM"),
         Outcome.INFRA, "NoResult"),
    Case("lingering after an exception",
         ended(ended_by="lingering", signal="SIGKILL", failure=Failure(kind="KeyError")),
         Outcome.INFRA, "KeyError"),
    Case("helper taken, without a result", ended(exit_code=1, oom_kills=1, limit_was_hit=True),
         Outcome.OOM_HOST, "MemoryLimit"),
    Case("segmentation fault", ended(signal="SIGSEGV"), Outcome.INFRA, "SIGSEGV"),
    Case("segmentation fault at the exit", ended(signal="SIGSEGV"), Outcome.OK, None, written()),
    Case("no result", ended(exit_code=0), Outcome.INFRA, "NoResult"),
    Case("status", ended(exit_code=3), Outcome.INFRA, "Exit3"),
    Case("exception", ended(exit_code=70, failure=Failure(kind="KeyError")),
         Outcome.INFRA, "KeyError"),
    Case("not started", ended(), Outcome.INFRA, "NotStarted"),
    Case("server lost", None, Outcome.INFRA, "ForkServerLost"),
    Case("server lost, but done before", None, Outcome.OK, None, written()),
    Case("another attempt's result", ended(exit_code=0),
         Outcome.INFRA, "NoResult", written(attempt=0)),
    Case("another trial's result", ended(exit_code=0),
         Outcome.INFRA, "NoResult", written(trial_number=5)),
    Case("another search's result", ended(signal="SIGKILL"),
         Outcome.INFRA, "SIGKILL", written(search_id="t")),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_end_is_read_right(case: Case) -> None:
    result = read(case.end, case.result)
    assert result.outcome is case.outcome
    assert (result.failure.kind if result.failure else None) == case.kind
    assert (result.search_id, result.trial_number, result.attempt) == ("s", 4, 1)
    assert result.launched_at == LAUNCHED_AT
    assert result.concurrent_trials == 3


@given(
    exit_code=strategies.none() | strategies.integers(0, 255),
    signal=strategies.sampled_from([None, "SIGKILL", "SIGTERM", "SIGSEGV", "SIG40"]),
    ended_by=strategies.sampled_from([None, *get_args(EndedBy)]),
    oom_kills=strategies.integers(0, 2),
    limit_was_hit=strategies.booleans(),
    has_supervisor=strategies.booleans(),
)
def test_without_a_result_nothing_is_ok(**facts: object) -> None:
    result = read(ended(**facts))
    assert result.outcome is not Outcome.OK
    assert result.failure is not None
    assert not result.scores


def test_what_the_trial_measured_is_kept_and_the_rest_is_filled_in() -> None:
    result = read(
        ended(exit_code=0, peak_bytes=123),
        written(
            seconds={"train": 5.0},
            started_at=LAUNCHED_AT + timedelta(seconds=0.25),
            ended_at=LAUNCHED_AT + timedelta(seconds=20),
        ),
    )
    assert result.seconds == {"train": 5.0, "startup": 0.25}
    assert result.peak_host_bytes == 123
    assert result.ended_at == LAUNCHED_AT + timedelta(seconds=20)
    measured = read(ended(exit_code=0, peak_bytes=123), written(peak_host_bytes=99))
    assert measured.peak_host_bytes == 99


def test_the_last_heartbeat_tells_how_far_a_killed_trial_came() -> None:
    end = ended(ended_by="wall_limit", signal="SIGKILL")
    result = read(end, seconds={"train": 12.5}, step=40, scheduled_steps=90, epoch=1.5)
    assert result.seconds == {"train": 12.5}
    assert (result.progress.steps, result.progress.scheduled_steps) == (40, 90)
    assert result.progress.epochs == 1.5
    assert result.threads == 2
    assert result.ended_at == ENDED_AT
    odd = read(end, seconds=[1], step="many")
    assert odd.outcome is Outcome.TIMEOUT
    assert odd.seconds == {}


SAVED = SavedState(
    result=written(
        scores={"macro_f1": {"value": 0.7}},
        seconds={"load_model": 1.0, "train": 9.0},
        progress={"rows": 96, "planned_steps": 90, "steps": 30, "best_epoch": 2},
        energy=[{"component": "cpu", "joules": 40.0, "source": "s", "quality": "C"}],
        versions={"torch": "2"},
        started_at=LAUNCHED_AT,
    ),
    files={"model.safetensors": 7},
)
SAVED_ENDS = [
    ("wall limit, by SIGKILL", ended(ended_by="wall_limit", signal="SIGKILL"), None, Outcome.OK),
    ("wall limit, told as cancelled", ended(ended_by="wall_limit", exit_code=0),
     written(Outcome.CANCELLED), Outcome.OK),
    ("memory", ended(ended_by="memory", signal="SIGKILL"), None, Outcome.OOM_HOST),
    ("told lack of memory", ended(exit_code=0), written(Outcome.OOM_GPU), Outcome.OOM_GPU),
    ("cancelled", ended(ended_by="cancel", exit_code=0), written(Outcome.CANCELLED),
     Outcome.CANCELLED),
    ("SIGTERM", ended(signal="SIGTERM"), None, Outcome.PREEMPTED),
    ("server lost", None, None, Outcome.INFRA),
]  # fmt: skip


@pytest.mark.parametrize(
    ("end", "told", "outcome"), [case[1:] for case in SAVED_ENDS], ids=[c[0] for c in SAVED_ENDS]
)
def test_a_saved_state_is_handed_over_or_named(
    end: ProcessEnd | None, told: TrialResult | None, outcome: Outcome
) -> None:
    result = read(end, told, saved=SAVED, step=40, seconds={"train": 12.5})
    cut = outcome is Outcome.OK
    assert (result.outcome, result.cut_by) == (outcome, "wall" if cut else None)
    assert (result.failure is None) == (cut or told is not None)
    assert result.model_folder == "model"
    scores, others = result.scores, result.saved_scores
    assert (scores if cut else others)["macro_f1"].value == 0.7
    assert not (others if cut else scores)
    if told is None:
        # The heartbeat's facts, and the state's where it has none.
        assert result.seconds == {"load_model": 1.0, "train": 12.5, "startup": 0.0}
        assert (result.progress.steps, result.progress.best_epoch) == (40, 2)
        assert result.progress.scheduled_steps == (40 if cut else 0)
        assert result.energy_joules == 40.0 and result.versions == {"torch": "2"}


def test_belongs_to() -> None:
    assert belongs_to(written(), SPEC)
    assert not belongs_to(written(attempt=0), SPEC)
