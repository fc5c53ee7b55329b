"""The last heartbeat of a trial that has no result of its own."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from datetime import UTC
from datetime import datetime
from typing import Any
from typing import TypeVar

from pydantic import BaseModel
from pydantic import ValidationError

from xautolm_core.records.attempt import TrialEvaluation
from xautolm_core.records.attempt import TrialProgress
from xautolm_core.records.energy import EnergyReading

WAITS_FOR = "waits_for"
"""Key of what a trial waits for that has not begun, where its launcher knows that."""

_Part = TypeVar("_Part", bound=BaseModel)


def waits_for(heartbeat: Mapping[str, Any] | None) -> str:
    """Return what a trial waits for that has not begun; empty if nothing is known of that."""
    return str((heartbeat or {}).get(WAITS_FOR) or "")


def seconds_of(heartbeat: Mapping[str, Any]) -> dict[str, float]:
    """Return the seconds by phase; empty if it does not say."""
    seconds = heartbeat.get("seconds")
    if not isinstance(seconds, Mapping):
        return {}
    return {str(phase): float(v) for phase, v in seconds.items() if isinstance(v, (int, float))}


def started_at_of(heartbeat: Mapping[str, Any]) -> datetime | None:
    """Return when the trial itself began (UTC); None if it had not, or does not say."""
    try:
        found = datetime.fromisoformat(str(heartbeat.get("started_at")))
    except ValueError:
        return None
    return as_utc(found)


def as_utc(moment: datetime) -> datetime:
    """Return a moment with its zone; one without is UTC."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def progress_of(heartbeat: Mapping[str, Any]) -> TrialProgress:
    """Return how far the training was."""
    names = {"step": "steps", "scheduled_steps": "scheduled_steps", "epoch": "epochs"}
    told = {field: heartbeat[name] for name, field in names.items() if name in heartbeat}
    try:
        return TrialProgress.model_validate(told)
    except ValidationError:
        return TrialProgress()


def energy_of(heartbeat: Mapping[str, Any]) -> tuple[EnergyReading, ...]:
    """Return the energy used so far; empty if it has none. Invalid readings are left out."""
    return _parts_of(heartbeat, "energy", EnergyReading)


def evaluations_of(heartbeat: Mapping[str, Any]) -> tuple[TrialEvaluation, ...]:
    """Return the evaluations so far; empty if it has none. Invalid ones are left out."""
    return _parts_of(heartbeat, "evaluations", TrialEvaluation)


def joules_of(heartbeat: Mapping[str, Any]) -> float | None:
    """Return the joules used so far; None if nothing was read."""
    readings = energy_of(heartbeat)
    return sum(one.joules for one in readings) if readings else None


def _parts_of(heartbeat: Mapping[str, Any], name: str, kind: type[_Part]) -> tuple[_Part, ...]:
    told = heartbeat.get(name)
    parts: list[_Part] = []
    for one in told if isinstance(told, (list, tuple)) else ():
        with contextlib.suppress(ValidationError):
            parts.append(kind.model_validate(one))
    return tuple(parts)
