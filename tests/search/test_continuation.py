from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace

import pytest

from tests.search.instant import InstantLauncher
from tests.search.instant import Silent
from tests.search.instant import analytic_result
from xautolm_core.records.attempt import TrialProgress
from xautolm_core.records.attempt import TrialResult
from xautolm_core.records.configuration import Configuration
from xautolm_core.records.outcome import Outcome
from xautolm_core.records.scores import Score
from xautolm_core.search.checkpoints import without_checkpoints
from xautolm_core.search.clock import Clock
from xautolm_core.search.continuation import Room
from xautolm_core.search.continuation import plan_continuation
from xautolm_core.search.continuation import worth_a_checkpoint
from xautolm_core.search.contract import TrialRecord
from xautolm_core.search.folders import trial_folder
from xautolm_core.search.forecast import Forecast
from xautolm_core.search.runner import run_search
from xautolm_core.space.parameters import Integer

EPOCH_SECONDS = 100.0


def record(
    number: int = 3,
    *,
    epochs: float = 1.0,
    score: float = 0.8,
    method: str = "full",
    checkpoint: str | None = "checkpoint",
    continues: int | None = None,
) -> TrialRecord:
    configuration = Configuration(branch=method, model="m", method=method, parameters={"epochs": 1})
    result = TrialResult(
        search_id="s",
        trial_number=number,
        outcome="ok",
        scores={"macro_f1": Score(value=score)},
        seconds={"train": 90 * epochs, "evaluate": 10 * epochs},
        progress=TrialProgress(
            rows=1000, planned_steps=100, steps=int(100 * epochs), epochs=epochs
        ),
        model_folder="model",
        checkpoint_folder=checkpoint,
        continues=continues,
    )
    values = {"f1": score, "time": 100.0 * epochs}
    return TrialRecord(number, configuration, result, "", values)


class FourEpochs:
    """A space whose branches all have up to four epochs."""

    def branch(self, name):
        epochs = Integer(name="epochs", low=1, high=4, handle=f"{name}.epochs")
        return SimpleNamespace(parameter=lambda _: epochs)


def plan(*records, left=120.0, usual=150.0, running=()):
    return plan_continuation(
        FourEpochs(),
        list(records),
        running=running,
        room=Room(left, usual),
        forecast=lambda _: Forecast(90.0, 1.0, 10.0, 0.1),
        validation_rows=400,
        training_rows=1000,
    )


def test_the_best_goes_on_when_no_other_would_fit_in_before():
    found = plan(record())
    assert found is not None
    assert (found.continues, found.configuration.parameters["epochs"]) == (3, 2)
    assert found.soft_deadline_seconds == pytest.approx(110)
    assert plan(record(), left=300.0) is None
    # Where no other comes any more there is nothing to wait for.
    assert plan(record(), left=1e6, usual=math.inf).continues == 3


def test_it_doubles_its_training_as_far_as_time_and_space_allow():
    assert plan(record(epochs=2.0), left=200.0).configuration.parameters["epochs"] == 4
    assert plan(record(epochs=3.0), left=200.0).configuration.parameters["epochs"] == 4
    assert plan(record(epochs=4.0)) is None
    # One that was cut in its first epoch has the rest of it, and what fits of the next.
    assert plan(record(epochs=0.5), left=40.0).configuration.parameters["epochs"] == 1
    assert plan(record(epochs=0.5), left=120.0).configuration.parameters["epochs"] == 2
    assert plan(record(), left=20.0) is None


def test_of_those_that_are_as_good_the_one_with_less_training_goes_on():
    longer, shorter = record(1, epochs=3.0), record(5, epochs=1.0, score=0.785)
    assert plan(longer, shorter).continues == 5
    # A standard error of .8 on 400 rows is .02.
    assert plan(longer, replace(shorter, values={"f1": 0.775, "time": 1.0})).continues == 1


def test_nothing_is_continued_twice_or_without_a_checkpoint():
    first, second = record(1), record(2, score=0.81, continues=1, epochs=2.0)
    assert plan(first, second).continues == 2
    assert plan(first, second, running=[2]) is None
    failed = replace(
        record(2, continues=1),
        values={},
        result=record(2, continues=1).result.model_copy(
            update={"outcome": Outcome.INFRA, "model_folder": None}
        ),
    )
    assert plan(first, failed) is None
    assert plan(record(checkpoint=None)) is None


def test_two_checkpoints_are_kept():
    space = FourEpochs()
    records = [record(n, score=s) for n, s in enumerate((0.7, 0.9, 0.8, 0.6))]
    assert worth_a_checkpoint(space, records) == {1, 2}
    assert worth_a_checkpoint(space, [*records, record(4, score=0.5, continues=1)]) == {2, 0}
    # One that has all the epochs that the space admits has nothing to continue.
    whole = record(5, score=0.95, epochs=4.0)
    assert worth_a_checkpoint(space, [*records, whole]) == {1, 2}


def test_only_what_has_kept_its_checkpoint_is_continued():
    longer = [record(1, epochs=3.0, score=0.9), record(2, epochs=3.0, score=0.895)]
    shorter = record(3, epochs=1.0, score=0.89)
    # Within a standard error and with the least training, but its checkpoint has made room.
    assert plan(*longer, shorter, left=60.0).continues == 1
    gone = without_checkpoints([*longer, shorter], ["0001-0", "0002-0"])
    assert plan(*gone, left=60.0).continues == 3


def test_a_continuation_that_was_ended_from_outside_is_due_again():
    first = record(1)
    cancelled = replace(
        record(2, continues=1),
        values={},
        result=record(2, continues=1).result.model_copy(update={"outcome": Outcome.CANCELLED}),
    )
    assert worth_a_checkpoint(FourEpochs(), [first, cancelled]) == {1}


def twelve_seconds_a_trial(observer: Silent, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trials of the double are over at once: only their number moves the clock."""
    monkeypatch.setattr(Clock, "elapsed_seconds", property(lambda _: 12.0 * len(observer.ended)))


def continuable(spec):
    """Return what a trial comes to that tells epochs of 5 s and leaves a checkpoint."""
    found = analytic_result(spec)
    if found.outcome is not Outcome.OK:
        return found
    (spec.out_folder / "checkpoint").mkdir()
    score = found.scores["macro_f1"].value + (0.2 if spec.continues is not None else 0.0)
    epochs = float(spec.configuration.parameters["epochs"])
    return found.model_copy(
        update={
            "scores": {"macro_f1": Score(value=score), "accuracy": Score(value=score)},
            "seconds": {"train": 5.0 * epochs, "evaluate": 0.1},
            "progress": TrialProgress(rows=84, planned_steps=9, steps=9, epochs=epochs),
            "checkpoint_folder": "checkpoint",
            "continues": spec.continues,
            "cumulative_seconds": None if spec.continues is None else 11.0,
        }
    )


def test_a_search_ends_by_continuing_the_best_with_its_rows_and_seed(
    make_spec, tmp_path, monkeypatch
):
    launcher, observer = InstantLauncher(continuable), Silent()
    twelve_seconds_a_trial(observer, monkeypatch)
    done = run_search(
        make_spec(budget_seconds=90.0, max_trials=None, seed=3),
        tmp_path / "run",
        launcher=launcher,
        observer=observer,
        with_test=False,
    )
    continued = [t for t in done.trials if t.result.continues is not None]
    assert continued
    for trial in continued:
        parent = next(t for t in done.trials if t.number == trial.result.continues)
        spec, before = launcher.submitted[trial.number], launcher.submitted[parent.number]
        assert f"trial {parent.number} continued" in trial.why
        assert spec.seed == before.seed
        assert spec.budget.data_fraction == before.budget.data_fraction
        assert spec.resume_from == trial_folder(done.out_folder, parent.number, 0) / "checkpoint"
        assert spec.configuration.parameters["epochs"] > before.configuration.parameters["epochs"]
        assert trial.values["time"] == 11.0
    assert not list((tmp_path / "run").rglob("checkpoint"))
    # Who ends early says why.
    assert done.seconds == 84
    assert done.notes[-1] == (
        "The search ended 6 s before its budget: what was left was too little for another trial"
    )


def test_a_space_that_is_used_up_leaves_its_time_to_continuations(
    make_spec, tmp_path, monkeypatch, space_file
):
    small = tmp_path / "small.yaml"
    text = space_file.read_text()
    text = text[: text.index("  tiny-head:")]
    text = text.replace("[8, 16, 32, 64]", "[8]").replace("[32, 64]", "[32]")
    small.write_text(text.replace("[1e-4, 1e-3, 1e-2]", "[1e-3]"))
    observer = Silent()
    twelve_seconds_a_trial(observer, monkeypatch)
    spec = make_spec(space=str(small), budget_seconds=900.0, max_trials=None, sampler="random")
    done = run_search(
        spec,
        tmp_path / "run",
        launcher=InstantLauncher(continuable),
        observer=observer,
        with_test=False,
    )
    assert done.stopped_by == "exhausted"
    last = [t.result.continues is not None for t in done.trials]
    assert any(last) and last == sorted(last)
    # The draw that found nothing has a number, too: what came after it is there after a resume.
    numbers = [t.number for t in done.trials]
    assert numbers != list(range(len(numbers)))
    launcher = InstantLauncher(continuable)
    again = run_search(
        spec, tmp_path / "run", launcher=launcher, observer=observer, resume=True, with_test=False
    )
    assert [t.number for t in again.trials][: len(numbers)] == numbers
    assert again.best == done.best


class KilledAtAContinuation(InstantLauncher):
    """Stands for a search that is killed when a continued trial is in flight."""

    def submit(self, spec):
        handle = super().submit(spec)
        if spec.continues is not None:
            raise KilledError
        return handle


class KilledError(BaseException):
    """Stands for SIGKILL: nothing may catch it."""


def test_a_continued_trial_in_flight_is_continued_again_after_a_resume(
    make_spec, tmp_path, monkeypatch
):
    spec, out = make_spec(budget_seconds=90.0, max_trials=None, seed=3), tmp_path / "run"
    killed, observer = KilledAtAContinuation(continuable), Silent()
    twelve_seconds_a_trial(observer, monkeypatch)
    with pytest.raises(KilledError):
        run_search(spec, out, launcher=killed, observer=observer, with_test=False)
    lost = killed.submitted[-1]
    launcher = InstantLauncher(continuable)
    done = run_search(spec, out, launcher=launcher, observer=observer, resume=True, with_test=False)
    again = launcher.submitted[0]
    assert (again.trial_number, again.attempt) == (lost.trial_number, lost.attempt + 1)
    assert (again.continues, again.resume_from) == (lost.continues, lost.resume_from)
    assert (again.seed, again.configuration) == (lost.seed, lost.configuration)
    trial = next(t for t in done.trials if t.number == lost.trial_number)
    assert trial.result.continues == lost.continues
    assert trial.result.outcome is Outcome.OK
