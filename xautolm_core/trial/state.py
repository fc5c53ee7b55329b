"""The state of a running trial: the source of heartbeats and of the result."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import field
from datetime import UTC
from datetime import datetime
from pathlib import Path
from typing import Any

from xautolm_core.energy.meter import EnergyMeter
from xautolm_core.records.attempt import CutBy
from xautolm_core.records.attempt import TrialEvaluation
from xautolm_core.records.attempt import TrialProgress
from xautolm_core.records.attempt import TrialResult
from xautolm_core.records.energy import EnergyReading
from xautolm_core.records.outcome import Failure
from xautolm_core.records.outcome import Outcome
from xautolm_core.records.scores import Score
from xautolm_core.trial.checkpoint_manifest import chain_facts
from xautolm_core.trial.contract import TrialSpec


class PhaseClock:
    """Wall-clock seconds by phase. A phase within a phase stops the outer one's time."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}
        self._stack: list[str] = []
        self._since = time.perf_counter()

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Count the time within the block to a phase."""
        self._settle()
        self._seconds.setdefault(name, 0.0)
        self._stack.append(name)
        try:
            yield
        finally:
            self._settle()
            self._stack.pop()

    @property
    def current(self) -> str:
        """The phase that runs now; empty between phases."""
        stack = self._stack
        return stack[-1] if stack else ""

    def seconds(self) -> dict[str, float]:
        """Return seconds by phase so far, that of the running phase included."""
        found = dict(self._seconds)
        if current := self.current:
            found[current] = found.get(current, 0.0) + time.perf_counter() - self._since
        return found

    def _settle(self) -> None:
        now = time.perf_counter()
        if self._stack:
            self._seconds[self._stack[-1]] += now - self._since
        self._since = now


@dataclass
class TrialState:
    """Everything that becomes part of the result, kept up to date as the trial goes.

    Attributes:
        spec: What was asked.
        best_score: Best primary score on validation so far.
        decoding: What the best evaluation chose beside the weights, for the saved model's card.
        meter: Meters training and evaluation; None before.
        The others are those of ``TrialResult`` and ``TrialProgress``.
    """

    spec: TrialSpec
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    clock: PhaseClock = field(default_factory=PhaseClock)
    rows: int = 0
    planned_steps: int = 0
    scheduled_steps: int = 0
    steps: int = 0
    epochs: float = 0.0
    best_epoch: int = 0
    best_score: float | None = None
    tokens: int = 0
    padded_tokens: int = 0
    evaluations: list[TrialEvaluation] = field(default_factory=list)
    scores: dict[str, Score] = field(default_factory=dict)
    decoding: dict[str, float] = field(default_factory=dict)
    saved_scores: dict[str, Score] = field(default_factory=dict)
    cut_by: CutBy | None = None
    reused_seconds: float = 0.0
    reused_joules: float | None = None
    latency_ms: float | None = None
    peak_gpu_bytes: int | None = None
    model_folder: str | None = None
    checkpoint_folder: str | None = None
    device: str = "cpu"
    precision: str = "float32"
    versions: dict[str, str] = field(default_factory=dict)
    first_step_at: datetime | None = None
    meter: EnergyMeter | None = None

    def energy(self) -> tuple[EnergyReading, ...]:
        """Return what training and evaluation have used; empty where nothing can be read."""
        return () if self.meter is None else self.meter.readings()

    def joules(self) -> float | None:
        """Return the joules of training and evaluation so far; None if nothing can be read."""
        readings = self.energy()
        return sum(reading.joules for reading in readings) if readings else None

    def note_evaluation(self, score: float) -> None:
        """Keep the primary score that an evaluation has found, with the costs up to now."""
        seconds, joules = self.clock.seconds(), self.joules()
        own = seconds.get("train", 0.0) + seconds.get("evaluate", 0.0)
        chain = chain_facts(self.spec, seconds, joules)
        self.evaluations.append(
            TrialEvaluation(
                epoch=round(self.epochs, 4),
                score=score,
                seconds=chain.get("cumulative_seconds", own + self.reused_seconds),
                joules=chain.get("cumulative_joules") if chain else joules,
            )
        )

    def progress(self) -> TrialProgress:
        """Return how much of the training was done."""
        return TrialProgress(
            rows=self.rows,
            planned_steps=self.planned_steps,
            scheduled_steps=self.scheduled_steps,
            steps=self.steps,
            epochs=round(self.epochs, 4),
            best_epoch=self.best_epoch,
            tokens=self.tokens,
            padded_tokens=self.padded_tokens,
        )

    def heartbeat(self) -> dict[str, Any]:
        """Return what an observer sees of a running trial."""
        return {
            "at": datetime.now(UTC).isoformat(),
            "started_at": self.started_at.isoformat(),
            "phase": self.clock.current,
            "step": self.steps,
            "scheduled_steps": self.scheduled_steps,
            "epoch": round(self.epochs, 4),
            "best_score": self.best_score,
            "evaluations": [one.model_dump(mode="json") for one in list(self.evaluations)],
            "seconds": self.clock.seconds(),
            "rss_bytes": _status_bytes("VmRSS"),
            "energy": [reading.model_dump(mode="json") for reading in self.energy()],
        }

    def result(self, outcome: Outcome, failure: Failure | None = None) -> TrialResult:
        """Return the result as of now; a trial that did not end ok has only saved scores."""
        ok = outcome is Outcome.OK
        seconds, energy = self.clock.seconds(), self.energy()
        joules = sum(one.joules for one in energy) if energy else None
        return TrialResult(
            search_id=self.spec.search_id,
            trial_number=self.spec.trial_number,
            attempt=self.spec.attempt,
            outcome=outcome,
            cut_by=self.cut_by if ok else None,
            scores=dict(self.scores) if ok else {},
            saved_scores={} if ok else dict(self.saved_scores),
            seconds=seconds,
            reused_seconds=self.reused_seconds,
            reused_joules=self.reused_joules,
            latency_ms=self.latency_ms,
            progress=self.progress(),
            evaluations=tuple(self.evaluations),
            peak_host_bytes=_status_bytes("VmHWM"),
            peak_gpu_bytes=self.peak_gpu_bytes,
            energy=energy,
            failure=failure,
            model_folder=self.model_folder,
            checkpoint_folder=self.checkpoint_folder,
            device=self.device,
            precision=self.precision,
            threads=self.spec.threads,
            versions=dict(self.versions),
            started_at=self.started_at,
            first_step_at=self.first_step_at,
            ended_at=datetime.now(UTC),
            **chain_facts(self.spec, seconds, joules),
        )


def _status_bytes(name: str) -> int | None:
    """Return a memory figure of this process from ``/proc`` (``VmRSS``, ``VmHWM``), in bytes."""
    try:
        text = Path("/proc/self/status").read_text(encoding="utf-8")
    except OSError:
        return None
    for line in text.splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return None
