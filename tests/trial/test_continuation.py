"""Trials that go on from a checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.trial.tiny import validation_scores
from xautolm_core.records.attempt import TrialResult
from xautolm_core.records.outcome import Outcome
from xautolm_core.trial.checkpoint_manifest import MANIFEST_FILE
from xautolm_core.trial.checkpoint_manifest import TENSORS_FILE
from xautolm_core.trial.checkpoint_manifest import read_manifest
from xautolm_core.trial.contract import TrialBudget
from xautolm_core.trial.contract import TrialSpec
from xautolm_core.trial.endings import unfinished
from xautolm_core.trial.plan import Deadline
from xautolm_core.trial.plan import StepPace
from xautolm_core.trial.plan import TrainingPlan
from xautolm_core.trial.run import run_trial
from xautolm_core.trial.training import FineTuning

MakeSpec = Callable[..., TrialSpec]
# 96 rows are 12 steps an epoch.
COMMON = {"batch_size": 8, "dropout_rate": 0.2, "learning_rate": 3e-3, "lora_dropout": 0.2}
LONG = TrialBudget(soft_deadline_seconds=10_000)


class Watch:
    """Notes losses and learning rates by step, and ends a training after some steps."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.losses: dict[int, float] = {}
        self.rates: dict[int, float] = {}
        self.cut_after: int | None = None
        is_finite, must_end = FineTuning._is_finite, Deadline.must_end
        watch = self

        def noted(self: FineTuning, loss: torch.Tensor) -> bool:
            step = self._state.steps + 1
            watch.losses[step] = float(loss)
            watch.rates[step] = self._optimizer.param_groups[0]["lr"]
            return is_finite(self, loss)

        def cut(
            self: Deadline, plan: TrainingPlan, pace: StepPace, step: int, reserve: float = 0.0
        ) -> Any:
            due = step == watch.cut_after
            return "deadline" if due else must_end(self, plan, pace, step, reserve)

        monkeypatch.setattr(FineTuning, "_is_finite", noted)
        monkeypatch.setattr(Deadline, "must_end", cut)

    def run(self, spec: TrialSpec, *, cut_after: int | None = None) -> TrialResult:
        self.cut_after = cut_after
        result = run_trial(spec)
        assert result.outcome is Outcome.OK, result.failure
        assert result.cut_by == ("deadline" if cut_after else None)
        return result


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    return Watch(monkeypatch)


@pytest.fixture
def make(make_spec: MakeSpec, tmp_path: Path) -> MakeSpec:
    """Makes the specs of a chain of trials, each in a folder of its number."""

    def make(number: int, epochs: int, *, method: str = "full", **others: Any) -> TrialSpec:
        if number > 0:
            before = tmp_path / str(number - 1) / "checkpoint"
            others = {"continues": number - 1, "resume_from": before, **others}
        parameters = {**COMMON, "epochs": epochs, **others.pop("parameters", {})}
        return make_spec(
            method,
            parameters,
            **{
                "trial_number": number,
                "out_folder": tmp_path / str(number),
                "keep_checkpoint": True,
                "budget": LONG,
                **others,
            },
        )

    return make


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        ("full", {}),
        ("full", {"optimizer": "sgd", "gradient_accumulation_steps": 2, "batch_size": 4}),
        ("lora", {"init_lora_weights": "pissa", "lr_scheduler": "cosine"}),
        ("partial", {"optimizer": "adagrad", "num_trainable_layers": 1}),
        ("head", {}),
    ],
)
def test_a_continuation_equals_the_uninterrupted_training(
    method: str, parameters: dict[str, Any], watch: Watch, make: MakeSpec, tmp_path: Path
) -> None:
    """Cut in the middle of an epoch, and at the end of one."""
    options: dict[str, Any] = {"method": method, "parameters": parameters}
    whole = watch.run(make(0, 4, out_folder=tmp_path / "whole", keep_checkpoint=False, **options))
    losses, rates = dict(watch.losses), dict(watch.rates)
    watch.losses.clear()
    watch.run(make(0, 4, **options), cut_after=17)
    watch.run(make(1, 4, **options), cut_after=24)
    last = watch.run(make(2, 4, **options))
    assert watch.losses == pytest.approx(losses, abs=1e-4)
    assert watch.rates == pytest.approx(rates)
    assert list(watch.losses) == list(range(1, 49))
    assert last.progress.steps == whole.progress.steps == 48
    assert last.progress.padded_tokens == whole.progress.padded_tokens
    assert last.scores["macro_f1"].value >= whole.scores["macro_f1"].value - 1e-6
    assert not (tmp_path / "whole" / "checkpoint").exists()


def test_a_longer_schedule_is_laid_out_to_its_new_end(watch: Watch, make: MakeSpec) -> None:
    watch.run(make(0, 1))
    assert watch.rates[12] < 1e-3
    result = watch.run(make(1, 3, keep_checkpoint=False))
    # Linear to zero at step 36, as if it had been planned so from the first step on.
    assert watch.rates[13] == pytest.approx(3e-3 * 24 / 34, rel=0.01)
    assert watch.rates[36] == pytest.approx(3e-3 / 34, rel=0.01)
    progress = result.progress
    assert (progress.steps, progress.scheduled_steps, progress.epochs) == (36, 36, 3)
    assert result.checkpoint_folder is None


def test_costs_are_its_own_and_cumulative(watch: Watch, make: MakeSpec) -> None:
    results = [watch.run(make(number, number + 1)) for number in range(3)]
    assert [r.continues for r in results] == [None, 0, 1]
    assert results[0].cumulative_seconds is None
    for number in (1, 2):
        spent = [r.time_seconds or 0.0 for r in results[: number + 1]]
        assert results[number].cumulative_seconds == pytest.approx(sum(spent), abs=0.05)
    # Each trial tells its own evaluations, at what the chain had cost by then.
    told = [one for result in results for one in result.evaluations]
    assert [one.epoch for one in told] == [1, 2, 3]
    for one, result in zip(told, results, strict=True):
        own = result.time_seconds or 0.0
        end = result.cumulative_seconds or own
        assert end - own < one.seconds <= end
    joules = [r.energy_joules for r in results]
    if None not in joules:
        total = sum(j for j in joules if j is not None)
        # What a trial uses while its checkpoint is written belongs to no chain; one of the three
        # left out would be a third of the total.
        assert results[2].cumulative_joules == pytest.approx(total, rel=0.2)
    # One that is killed before it says anything still names what it continues.
    lost = unfinished(make(2, 3), Outcome.INFRA, None, {"seconds": {"train": 5.0}})
    before = results[1].cumulative_seconds or 0.0
    assert lost.continues == 1 and lost.cumulative_seconds == pytest.approx(before + 5.0, abs=0.05)


@pytest.mark.parametrize("cut_after", [12, 13])
def test_the_best_state_of_the_chain_is_handed_over(
    cut_after: int, watch: Watch, make: MakeSpec
) -> None:
    """Also where the continuation ruins the model, and the best weights are not the last ones.

    Where the first trial was cut at its best evaluation, and a step after that.
    """
    first = watch.run(make(0, 2, parameters={"lr_scheduler": "constant"}), cut_after=cut_after)
    best = first.scores["macro_f1"].value
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "xautolm_core.trial.optimisation.LearningRate.set",
            lambda self, step: [g.update(lr=10.0) for g in self._optimizer.param_groups],
        )
        spec = make(1, 2, parameters={"lr_scheduler": "constant"})
        second = watch.run(spec)
    assert second.scores["macro_f1"].value >= best
    assert second.model_folder == "model"
    saved = validation_scores(spec.out_folder / "model", spec.task_folder)
    assert saved.macro_f1 == pytest.approx(second.scores["macro_f1"].value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seed": 2}, "another seed"),
        ({"parameters": {"learning_rate": 1e-3}}, "another hyper-parameters"),
        ({"budget": TrialBudget(data_fraction=0.5)}, "another training rows"),
        ({"search_id": "other"}, "another search"),
        ({"epochs": 1}, "no step"),
    ],
)
def test_what_does_not_fit_is_told(
    change: dict[str, Any], words: str, watch: Watch, make: MakeSpec
) -> None:
    watch.run(make(0, 1))
    change = dict(change)
    result = run_trial(make(1, change.pop("epochs", 2), **change))
    assert result.outcome is Outcome.INFRA
    assert result.failure is not None and words in result.failure.message


@pytest.mark.parametrize("damage", ["gone", "torn", "torn manifest", "other weights"])
def test_a_damaged_checkpoint_is_told(
    damage: str, watch: Watch, make: MakeSpec, tmp_path: Path
) -> None:
    watch.run(make(0, 1))
    folder = tmp_path / "0" / "checkpoint"
    tensors, manifest = folder / TENSORS_FILE, folder / MANIFEST_FILE
    assert read_manifest(folder) is not None
    if damage == "gone":
        tensors.unlink()
    elif damage == "torn":
        tensors.write_bytes(tensors.read_bytes()[:-1])
    elif damage == "torn manifest":
        manifest.write_text(manifest.read_text()[:-9])
    else:
        tensors.write_bytes(bytes(tensors.stat().st_size))
    result = run_trial(make(1, 2))
    assert result.outcome is Outcome.INFRA and not result.scores
    assert result.failure is not None and "checkpoint" in result.failure.message


def test_a_continuation_names_both(make: MakeSpec, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="resume_from"):
        make(0, 1, continues=3)
    with pytest.raises(ValueError, match="continues"):
        make(0, 1, resume_from=tmp_path)
