"""A launcher whose trials are over at once: a double of the launcher's contract for loop tests."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from collections.abc import Sequence
from datetime import UTC
from datetime import datetime
from pathlib import Path

from xautolm_core.launch.contract import TrialHandle
from xautolm_core.records.attempt import TrialEvaluation
from xautolm_core.records.attempt import TrialProgress
from xautolm_core.records.attempt import TrialResult
from xautolm_core.records.outcome import Outcome
from xautolm_core.records.scores import Score
from xautolm_core.search.runner import run_search
from xautolm_core.trial.contract import HEARTBEAT_FILE
from xautolm_core.trial.contract import SPEC_FILE
from xautolm_core.trial.contract import TrialSpec
from xautolm_core.trial.endings import with_pruned
from xautolm_core.trial.files import delete_checkpoint
from xautolm_core.whole_files import write_json


def analytic_result(spec: TrialSpec) -> TrialResult:
    """Return what a configuration comes to: decided by the configuration alone."""
    configuration = spec.configuration
    digest = hashlib.sha256(repr(sorted(configuration.parameters.items())).encode()).digest()
    epochs = configuration.parameters.get("epochs", 1)
    assert isinstance(epochs, int | float)
    failed = configuration.parameters.get("batch_size") == 64
    common = {
        "search_id": spec.search_id,
        "trial_number": spec.trial_number,
        "attempt": spec.attempt,
        "ended_at": datetime.now(UTC),
        "threads": spec.threads,
    }
    if failed:
        return TrialResult(outcome=Outcome.OOM_HOST, seconds={"train": 1.0}, **common)
    return TrialResult(
        outcome=Outcome.OK,
        scores={
            "macro_f1": Score(value=0.5 + digest[0] / 1000 + 0.02 * float(epochs)),
            "accuracy": Score(value=0.5),
        },
        seconds={"train": float(epochs) + digest[1] / 256, "evaluate": 0.1},
        progress=TrialProgress(rows=10, planned_steps=10, scheduled_steps=5, steps=5, epochs=1.0),
        latency_ms=1.0 + digest[2] / 256 if spec.measure_latency else None,
        model_folder="model",
        **common,
    )


def write_model(spec: TrialSpec, result: TrialResult) -> None:
    """Write something in the place of a model, if there is to be one."""
    if result.model_folder is not None:
        folder = spec.out_folder / result.model_folder
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "model.safetensors").write_text(str(spec.trial_number))
        (folder / "config.json").write_text("{}")


class InstantLauncher:
    """Ends every trial by its second poll, with the result of a function of its spec."""

    def __init__(self, result: Callable[[TrialSpec], TrialResult] = analytic_result) -> None:
        self.result = result
        self.submitted: list[TrialSpec] = []
        self.cancelled: list[int] = []
        self.most_at_once = 0
        self._running: dict[str, TrialSpec] = {}

    def submit(self, spec: TrialSpec) -> TrialHandle:
        write_json(spec.out_folder / SPEC_FILE, spec)
        self.submitted.append(spec)
        handle = TrialHandle.of(spec, str(spec.out_folder))
        self._running[handle.native_id] = spec
        self.most_at_once = max(self.most_at_once, len(self._running))
        return handle

    def poll(self, handle: TrialHandle) -> TrialResult | None:
        spec = self._running.pop(handle.native_id)
        result = self.result(spec)
        write_model(spec, result)
        write_json(Path(spec.out_folder) / "result.json", result)
        return result

    def wait(self, handles: Sequence[TrialHandle], timeout_seconds: float) -> None:
        assert handles
        assert timeout_seconds <= 1

    def begin_cancel(
        self, handles: Sequence[TrialHandle], *, grace_seconds: float = 5.0, pruned: str = ""
    ) -> None:
        """Do nothing."""

    def cancel(self, handle: TrialHandle, *, grace_seconds: float = 5.0) -> TrialResult:
        spec = self._running.pop(handle.native_id)
        self.cancelled.append(spec.trial_number)
        result = TrialResult(
            search_id=spec.search_id,
            trial_number=spec.trial_number,
            attempt=spec.attempt,
            outcome=Outcome.CANCELLED,
        )
        write_json(Path(spec.out_folder) / "result.json", result)
        return result

    def adopt(self, spec: TrialSpec) -> TrialHandle | None:
        return None

    def discard_checkpoint(self, out_folder: Path) -> None:
        delete_checkpoint(out_folder)

    def close(self) -> None:
        self._running.clear()


class EpochsLauncher(InstantLauncher):
    """Trains every trial by one epoch a poll. The higher its number, the worse and slower it is."""

    EPOCHS = 4

    def __init__(self) -> None:
        super().__init__()
        self._stopped: dict[str, str] = {}
        self._evaluations: dict[str, list[TrialEvaluation]] = {}

    def poll(self, handle: TrialHandle) -> TrialResult | None:
        spec = self._running[handle.native_id]
        told = self._evaluations.setdefault(handle.native_id, [])
        stopped, number = self._stopped.get(handle.native_id, ""), spec.trial_number
        if stopped or len(told) == self.EPOCHS:
            progress = TrialProgress(rows=10, planned_steps=4, scheduled_steps=4, steps=len(told))
            score = {"macro_f1": Score(value=told[-1].score)}
            result = TrialResult(
                search_id=spec.search_id,
                trial_number=number,
                attempt=spec.attempt,
                outcome=Outcome.CANCELLED if stopped else Outcome.OK,
                scores={} if stopped else score,
                saved_scores=score if stopped else {},
                seconds={"train": told[-1].seconds},
                progress=progress,
                evaluations=tuple(told),
                model_folder="model",
                ended_at=datetime.now(UTC),
            )
            self.result = lambda _: with_pruned(result, stopped)
            return super().poll(handle)
        epoch = len(told) + 1
        told.append(
            TrialEvaluation(
                epoch=epoch,
                score=0.9 - 0.05 * number + 0.01 * epoch,
                seconds=(number + 1) * epoch,
            )
        )
        heartbeat = {
            "phase": "train",
            "step": epoch,
            "scheduled_steps": self.EPOCHS,
            "evaluations": [one.model_dump() for one in told],
        }
        write_json(spec.out_folder / HEARTBEAT_FILE, heartbeat)
        return None

    def begin_cancel(
        self, handles: Sequence[TrialHandle], *, grace_seconds: float = 5.0, pruned: str = ""
    ) -> None:
        self._stopped |= {handle.native_id: pruned for handle in handles}


class Silent:
    """An observer that remembers what it was told."""

    def __init__(self) -> None:
        self.phases: list[str] = []
        self.notes: list[str] = []
        self.reports: list = []
        self.started: list[int] = []
        self.ended: list = []
        self.ticks = 0

    def phase(self, name: str, detail: str = "") -> None:
        self.phases.append(name)

    def note(self, text: str, *, warning: bool = False) -> None:
        self.notes.append(text)

    def warm_started(self, report) -> None:
        self.reports.append(report)

    def trial_started(self, number, configuration, why) -> None:
        self.started.append(number)

    def trial_ended(self, record, front, best) -> None:
        self.ended.append(record)

    def tick(self, seconds_left, running) -> None:
        self.ticks += 1


def search(spec, out, launcher=None, observer=None, *, resume=False):
    """Run or resume a search whose trials end at once, without its final test."""
    return run_search(
        spec,
        out,
        launcher=launcher or InstantLauncher(),
        observer=observer or Silent(),
        resume=resume,
        with_test=False,
    )
