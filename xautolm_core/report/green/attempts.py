"""The rows of a Green AI report: each attempt of each trial, with its joules."""

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
from xautolm_core.tasks.task_type import primary_title

if TYPE_CHECKING:
    from xautolm_core.records.energy import EnergyReading
    from xautolm_core.records.experience import Experience

GPU_DEVICE = "cuda"


@dataclass(frozen=True)
class Attempt:
    """One attempt of one trial, taken from its experience.

    Attributes:
        identity: Id of the experience.
        digest: SHA-256 of its canonical JSON: what the store keeps beside an experience of this
            version.
        tenant: Owner of the experience.
        search_id: Id of its search.
        trial_number: Number of the trial within the search.
        attempt: Number of the attempt within the trial.
        task_name: Name of the task.
        task_fingerprint: Fingerprint of the task's content.
        outcome: How it ended.
        failure_kind: Class of the error, limit or signal; empty if it ended ok.
        model: The model's id; ``none`` for a method without one.
        parameters: Number of parameters; None if unknown.
        pretrained: False for random weights.
        method: The method of fine-tuning, or of the cheap candidate.
        score: Primary score on validation data; None without one.
        score_title: What people call that score.
        train_seconds: None if it never trained.
        evaluate_seconds: Likewise.
        wall_seconds: From its start to its end.
        concurrent_trials: Trials that ran beside it, with it.
        device: ``cpu`` or ``cuda``.
        hardware: Name of the GPU that it used, else of the processor.
        energy: Its readings; empty if nothing could be metered, which is not 0.
        dropped_readings: Number of impossible readings (0 joules), which are left out.
        versions: Versions of the software.
        ended_at: UTC.
        is_screening: Whether it is a screening trial, on a few rows.
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
    score: float | None
    score_title: str
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
        """All its joules; None if nothing could be metered."""
        return sum(one.joules for one in self.energy) if self.energy else None

    @property
    def has_worked(self) -> bool:
        """Whether it ran long enough that a meter would have read energy."""
        return self.train_seconds is not None

    @property
    def is_evaluated(self) -> bool:
        """Whether it gave a model with a score: one evaluated pipeline."""
        return self.outcome is Outcome.OK and self.score is not None

    @property
    def machine_seconds(self) -> float:
        """Its share of the time that it used the machine, split with concurrent trials."""
        return self.wall_seconds / max(self.concurrent_trials, 1)

    @property
    def gpu_seconds(self) -> float:
        """Seconds for which it used a GPU."""
        return self.wall_seconds if self.device == GPU_DEVICE else 0.0


def attempts_of(experiences: Iterable[Experience]) -> list[Attempt]:
    """Return the attempts, ordered by search, trial and attempt.

    Imported experiences are left out, as they were not metered here.

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
        score=score.value if score is not None and math.isfinite(score.value) else None,
        score_title=primary_title(experience.scores),
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
