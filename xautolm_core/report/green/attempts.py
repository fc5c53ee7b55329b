"""What a Green AI report is made of: each attempt of each trial, with its joules."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from xautolm_core.experience.codec import canonical
from xautolm_core.experience.codec import digest_of
from xautolm_core.records.outcome import Outcome
from xautolm_core.report.wording import method_words
from xautolm_core.space.screening import is_screening
from xautolm_core.tasks.task_type import primary_score

if TYPE_CHECKING:
    from xautolm_core.records.energy import EnergyReading
    from xautolm_core.records.experience import Experience

GPU_DEVICE = "cuda"


@dataclass(frozen=True)
class Attempt:
    """One attempt of one trial, as an experience tells it.

    Attributes:
        identity: Id of the experience.
        digest: SHA-256 of its canonical JSON: what the store keeps beside an experience of this
            version.
        tenant: Whose it is.
        search_id: Its search.
        trial_number: Within the search.
        attempt: Of the trial.
        task_name: The task.
        task_fingerprint: Its content.
        outcome: How it ended.
        failure_kind: Class of the error, limit or signal; empty if it ended ok.
        model: The model's id; ``none`` for a method without one.
        parameters: How many it has; None if that is not known.
        pretrained: False for random weights.
        method: How it was fine-tuned, or which cheap one it is.
        macro_f1: Primary score on validation data; None without one.
        train_seconds: None if it never trained.
        evaluate_seconds: Likewise.
        wall_seconds: From its start to its end.
        concurrent_trials: Trials that ran beside it, with it.
        device: ``cpu`` or ``cuda``.
        hardware: Name of the GPU that it held, else of the processor.
        energy: Its readings; empty if nothing could be read, which is not 0.
        dropped_readings: Readings of 0 joules, which cannot be and are left out.
        versions: Of software.
        ended_at: UTC.
        is_screening: Whether it compared its model with others on a few rows.
    """

    identity: str
    digest: str
    tenant: str
    search_id: str
    trial_number: int
    attempt: int
    task_name: str
    task_fingerprint: str
    outcome: Outcome
    failure_kind: str
    model: str
    parameters: int | None
    pretrained: bool
    method: str
    macro_f1: float | None
    train_seconds: float | None
    evaluate_seconds: float | None
    wall_seconds: float
    concurrent_trials: int
    device: str
    hardware: str
    energy: tuple[EnergyReading, ...]
    dropped_readings: int
    versions: tuple[tuple[str, str], ...]
    ended_at: datetime
    is_screening: bool = False

    @property
    def made(self) -> str:
        """How its classifier was made, in words."""
        words = method_words(self.method, self.model)
        return f"{words}, screening" if self.is_screening else words

    @property
    def joules(self) -> float | None:
        """All its joules; None if nothing could be read."""
        return sum(one.joules for one in self.energy) if self.energy else None

    @property
    def has_worked(self) -> bool:
        """Whether it got so far that it must have used energy that a meter would have seen."""
        return self.train_seconds is not None

    @property
    def is_evaluated(self) -> bool:
        """Whether it came to a model with a score: one evaluated pipeline."""
        return self.outcome is Outcome.OK and self.macro_f1 is not None

    @property
    def machine_seconds(self) -> float:
        """Its part of the time for which a machine was held: trials side by side share it."""
        return self.wall_seconds / max(self.concurrent_trials, 1)

    @property
    def gpu_seconds(self) -> float:
        """Seconds for which it held a GPU."""
        return self.wall_seconds if self.device == GPU_DEVICE else 0.0


def attempts_of(experiences: Iterable[Experience]) -> list[Attempt]:
    """Return the attempts, ordered by search, trial and attempt.

    Imported experiences are left out: nobody metered them here.

    Args:
        experiences: In any order.
    """
    found = [_attempt(experience) for experience in experiences if experience.origin == "trial"]
    return sorted(found, key=lambda a: (a.search_id, a.trial_number, a.attempt))


def _attempt(experience: Experience) -> Attempt:
    sound = tuple(one for one in experience.energy if one.joules > 0)
    descriptor = experience.model_descriptor or {}
    parameters = descriptor.get("parameters")
    score = primary_score(experience.scores)
    return Attempt(
        identity=experience.id,
        digest=digest_of(canonical(experience.model_dump(mode="json"))),
        tenant=experience.tenant,
        search_id=experience.search_id,
        trial_number=experience.trial_number,
        attempt=experience.attempt,
        task_name=experience.task_name,
        task_fingerprint=experience.task_fingerprint,
        outcome=experience.outcome,
        failure_kind=experience.failure.kind if experience.failure else "",
        model=experience.configuration.model_label,
        parameters=int(parameters) if isinstance(parameters, int | float) else None,
        pretrained=bool(descriptor.get("pretrained", True)),
        method=experience.configuration.method,
        macro_f1=score.value if score is not None and math.isfinite(score.value) else None,
        train_seconds=experience.seconds.get("train"),
        evaluate_seconds=experience.seconds.get("evaluate"),
        wall_seconds=experience.held_seconds,
        concurrent_trials=experience.concurrent_trials,
        device=experience.device,
        hardware=_hardware(experience),
        energy=sound,
        dropped_readings=len(experience.energy) - len(sound),
        versions=tuple(sorted(experience.versions.items())),
        ended_at=experience.ended_at,
        is_screening=is_screening(experience.configuration),
    )


def _hardware(experience: Experience) -> str:
    facts = experience.system_features.facts
    if experience.device == GPU_DEVICE:
        return facts.get("gpu_name") or "GPU of unknown name"
    return facts.get("cpu_name") or "processor of unknown name"
