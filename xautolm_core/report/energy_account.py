"""The energy that the trials of a search used, and the part that failed trials wasted."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xautolm_core.records.outcome import Outcome

if TYPE_CHECKING:
    from xautolm_core.search.contract import TrialRecord


@dataclass(frozen=True)
class EnergyAccount:
    """Joules of training and evaluation, of the last attempt of each trial.

    Attributes:
        joules: Total; None if nothing could be metered, which is not 0.
        wasted_joules: Part of trials that did not end ok; None likewise.
        by_component: ``gpu``, ``cpu``, ``dram``, ``other`` to joules.
        by_quality: A, B, C to joules: sums of different classes are as uncertain as the worst.
        unmetered_trials: Trials that trained without any reading.
    """

    joules: float | None
    wasted_joules: float | None
    by_component: Mapping[str, float]
    by_quality: Mapping[str, float]
    unmetered_trials: int


def account_energy(trials: Iterable[TrialRecord]) -> EnergyAccount:
    """Return the energy that trials used.

    Args:
        trials: All trials of a search, whatever their outcome.
    """
    by_component: dict[str, float] = {}
    by_quality: dict[str, float] = {}
    wasted = 0.0
    unmetered = 0
    for record in trials:
        result = record.result
        unmetered += result.is_unmetered
        for one in result.energy:
            by_component[one.component] = by_component.get(one.component, 0.0) + one.joules
            by_quality[one.quality] = by_quality.get(one.quality, 0.0) + one.joules
            wasted += one.joules if result.outcome is not Outcome.OK else 0.0
    return EnergyAccount(
        joules=sum(by_component.values()) if by_component else None,
        wasted_joules=wasted if by_component else None,
        by_component=dict(sorted(by_component.items())),
        by_quality=dict(sorted(by_quality.items())),
        unmetered_trials=unmetered,
    )
