"""Sums over attempts: joules with their uncertainty, grouped by a key."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Hashable
from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from xautolm_core.records.energy import EnergyReading
from xautolm_core.records.energy import Quality
from xautolm_core.records.energy import total
from xautolm_core.records.outcome import Outcome
from xautolm_core.report.green.attempts import Attempt

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class EnergySum:
    """Joules of some readings.

    Attributes:
        joules: Their sum.
        uncertainty: Relative. Errors of one kind of meter are correlated, so they are added up and
            not averaged out: ``sum(u_i * J_i) / sum(J_i)``.
        worst_quality: The worst class among them.
    """

    joules: float
    uncertainty: float
    worst_quality: Quality

    @property
    def low_joules(self) -> float:
        """Lower end of the interval."""
        return self.joules * max(0.0, 1 - self.uncertainty)

    @property
    def high_joules(self) -> float:
        """Upper end of the interval."""
        return self.joules * (1 + self.uncertainty)


@dataclass(frozen=True)
class AttemptGroup:
    """The attempts with one value of a key.

    Attributes:
        attempts: Number of attempts.
        unmetered: Attempts that trained without any reading, which ``energy`` does not include.
        wall_seconds: From start to end, added up.
        energy: None if nothing was metered.
        share: Of all metered joules, in [0, 1]; None if nothing was metered.
    """

    attempts: int
    unmetered: int
    wall_seconds: float
    energy: EnergySum | None
    share: float | None


def energy_sum(readings: Iterable[EnergyReading]) -> EnergySum | None:
    """Return the sum of readings; None without readings, which is not 0."""
    found = list(readings)
    whole = total(found)
    return None if whole is None else EnergySum(*whole, max(one.quality for one in found))


def energy_of(attempts: Iterable[Attempt]) -> EnergySum | None:
    """Return the energy of attempts; None if nothing was metered."""
    return energy_sum(one for attempt in attempts for one in attempt.energy)


def readings_by(
    attempts: Iterable[Attempt], key: Callable[[EnergyReading], Key]
) -> dict[Key, EnergySum]:
    """Return the joules by a key of the readings, the most first.

    Args:
        attempts: The attempts.
        key: Gives the group of a reading, such as its component or quality class.
    """
    groups: dict[Key, list[EnergyReading]] = {}
    for attempt in attempts:
        for one in attempt.energy:
            groups.setdefault(key(one), []).append(one)
    sums = {name: energy_sum(group) for name, group in groups.items()}
    known = {name: found for name, found in sums.items() if found is not None}
    return dict(sorted(known.items(), key=lambda item: -item[1].joules))


def attempts_by(
    attempts: Sequence[Attempt], key: Callable[[Attempt], Key]
) -> dict[Key, AttemptGroup]:
    """Return the attempts by a key, the group with the most joules first.

    Args:
        attempts: All of them.
        key: Gives the group of an attempt, such as its outcome.
    """
    whole = energy_of(attempts)
    groups: dict[Key, list[Attempt]] = {}
    for attempt in attempts:
        groups.setdefault(key(attempt), []).append(attempt)
    found = {name: _group(group, whole) for name, group in groups.items()}
    return dict(
        sorted(
            found.items(),
            key=lambda item: (
                -(item[1].energy.joules if item[1].energy else 0.0),
                -item[1].wall_seconds,
            ),
        )
    )


def wasted(attempts: Iterable[Attempt]) -> list[Attempt]:
    """Return the attempts that did not end ok."""
    return [attempt for attempt in attempts if attempt.outcome is not Outcome.OK]


def is_unmetered(attempt: Attempt) -> bool:
    """Whether an attempt must have used energy, and nothing was metered."""
    return attempt.has_worked and not attempt.energy


def _group(attempts: Sequence[Attempt], whole: EnergySum | None) -> AttemptGroup:
    energy = energy_of(attempts)
    share = None if whole is None else (energy.joules if energy else 0.0) / whole.joules
    return AttemptGroup(
        attempts=len(attempts),
        unmetered=sum(map(is_unmetered, attempts)),
        wall_seconds=sum(attempt.wall_seconds for attempt in attempts),
        energy=energy,
        share=share,
    )
