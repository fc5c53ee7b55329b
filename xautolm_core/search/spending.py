"""What the trials of a search use up: GPU hours, energy, money and carbon, against its limits.

A search ends before a limit is broken: a trial that runs, and the next one, are expected to use as
much as the largest attempt so far; before one has ended, as much as the cheapest known one of
earlier searches. The cheap candidates use up what they use, but tell nothing of what a language
model will.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import BaseModel
from pydantic import ConfigDict
from pydantic import Field
from pydantic import model_validator

from xautolm_core.energy.carbon import JOULES_PER_KWH
from xautolm_core.energy.intensity import LARGEST_GRAMS_PER_KWH
from xautolm_core.records.methods import has_model
from xautolm_core.records.methods import is_cheap

if TYPE_CHECKING:
    from xautolm_core.records.attempt import TrialResult
    from xautolm_core.search.contract import SearchSpec
    from xautolm_core.search.resume import ResumedTrial

_SECONDS_PER_HOUR = 3600.0
_MOST_UNMETERED = 20
_ROUNDING = 1e-9
"""Of a limit: three thirds are not more than all of it."""


class SpendingLimits(BaseModel):
    """What the trials of a search may use up, and what it costs.

    No trial is started that would go beyond a limit if it used as much as the largest so far; one
    that uses more still may.

    Attributes:
        gpu_hours: Hours of GPUs, from a trial's start to its end.
        energy_kwh: Energy that the trials' meters read; trials without a reading count as nothing.
        cost: Money, in ``currency``.
        carbon_grams: CO2e of that energy, location-based.
        gpus_per_trial: GPUs that one trial holds.
        price_per_gpu_hour: Of one GPU.
        price_per_trial_hour: Of all else that a trial holds.
        price_per_kwh: Of the energy that the trials' meters read.
        currency: What prices and cost are in.
        grams_per_kwh: CO2e of the grid.
        intensity_source: Where that is from, such as a table with zone and year.
        pue: Power usage effectiveness: what cost and carbon are of is drawn so many times; the
            limit on energy is of the trials' own.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    gpu_hours: float | None = Field(default=None, gt=0)
    energy_kwh: float | None = Field(default=None, gt=0)
    cost: float | None = Field(default=None, gt=0)
    carbon_grams: float | None = Field(default=None, gt=0)
    gpus_per_trial: int = Field(default=0, ge=0)
    price_per_gpu_hour: float = Field(default=0.0, ge=0)
    price_per_trial_hour: float = Field(default=0.0, ge=0)
    price_per_kwh: float = Field(default=0.0, ge=0)
    currency: str = Field(default="USD", pattern=r"^[A-Z]{3}$")
    grams_per_kwh: float = Field(default=0.0, ge=0, le=LARGEST_GRAMS_PER_KWH)
    intensity_source: str = ""
    pue: float = Field(default=1.0, ge=1, allow_inf_nan=False)

    @model_validator(mode="after")
    def _check_countable(self) -> SpendingLimits:
        if self.gpu_hours is not None and not self.gpus_per_trial:
            raise ValueError("gpu_hours limits nothing, because trials hold no GPU")
        if self.cost is not None and not self._price_per_hour + self.price_per_kwh:
            raise ValueError("cost limits nothing, because all prices are 0")
        if self.carbon_grams is not None and not self.grams_per_kwh:
            raise ValueError("carbon limits nothing, because no intensity of the grid is given")
        return self

    @property
    def is_limited(self) -> bool:
        """Whether anything is limited at all."""
        limits = (self.gpu_hours, self.energy_kwh, self.cost, self.carbon_grams)
        return any(limit is not None for limit in limits)

    @property
    def needs_energy(self) -> bool:
        """Whether a limit holds only if the trials' energy can be read."""
        by_energy = self.cost is not None and self.price_per_kwh > 0
        return self.energy_kwh is not None or self.carbon_grams is not None or by_energy

    @property
    def limits_time(self) -> bool:
        """Whether a limit is reached in the end, whatever can be read."""
        return self.gpu_hours is not None or (self.cost is not None and self._price_per_hour > 0)

    @property
    def _price_per_hour(self) -> float:
        return self.price_per_gpu_hour * self.gpus_per_trial + self.price_per_trial_hour


@dataclass(frozen=True)
class Use:
    """What an attempt has used so far.

    Attributes:
        seconds: Since its start, without queueing.
        joules: As far as they were read; None if nothing was.
        holds_gpu: Whether it was given the GPUs of a trial.
    """

    seconds: float
    joules: float | None = None
    holds_gpu: bool = True


def limit_shares(limits: SpendingLimits, use: Use) -> dict[str, float]:
    """Return which share of each limit a use is.

    Args:
        limits: What a search may use; and the prices and intensity.
        use: What was used; joules that were not read count as nothing.

    Returns:
        ``gpu_hours``, ``energy``, ``cost`` and ``carbon``, as far as they are limited, to a share.
    """
    hours = use.seconds / _SECONDS_PER_HOUR
    gpu_hours = hours * limits.gpus_per_trial if use.holds_gpu else 0.0
    kwh = (use.joules or 0.0) / JOULES_PER_KWH
    drawn_kwh = kwh * limits.pue
    cost = gpu_hours * limits.price_per_gpu_hour + hours * limits.price_per_trial_hour
    cost += drawn_kwh * limits.price_per_kwh
    amounts = {
        "gpu_hours": (gpu_hours, limits.gpu_hours),
        "energy": (kwh, limits.energy_kwh),
        "cost": (cost, limits.cost),
        "carbon": (drawn_kwh * limits.grams_per_kwh, limits.carbon_grams),
    }
    return {name: amount / most for name, (amount, most) in amounts.items() if most is not None}


class Spending:
    """Adds up what attempts took, whatever they came to.

    Args:
        limits: What the search may use.
        resumed: Trials of an earlier process.
        expected: Share of each limit that an attempt is expected to use, until one has ended.
    """

    def __init__(
        self,
        limits: SpendingLimits,
        resumed: Iterable[ResumedTrial] = (),
        *,
        expected: Mapping[str, float] | None = None,
    ) -> None:
        self._limits = limits
        self._expected = dict(expected or {})
        self._ended: dict[str, float] = limit_shares(limits, Use(0.0))
        self._largest: dict[str, float] = {}
        self._unmetered = 0
        self._unmetered_in_a_row = 0
        for one in resumed:
            for attempt in one.attempts:
                if attempt.result is not None:
                    self.add(attempt.result, one.proposal.configuration.method)

    @property
    def unmetered_attempts(self) -> int:
        """How many attempts trained without any reading of their energy."""
        return self._unmetered

    def add(self, result: TrialResult, method: str) -> None:
        """Take note of an attempt that has ended.

        Args:
            result: What it came to.
            method: Of its configuration.
        """
        use = Use(result.held_seconds, result.energy_joules, has_model(method))
        for name, share in limit_shares(self._limits, use).items():
            self._ended[name] += share
            if not is_cheap(method):
                self._largest[name] = max(self._largest.get(name, 0.0), share)
        self._unmetered_in_a_row = 0 if result.energy else self._unmetered_in_a_row + 1
        self._unmetered += result.is_unmetered

    def shares(self, running: Iterable[Use] = ()) -> dict[str, float]:
        """Return which share of each limit is used so far, with what runs."""
        parts = [limit_shares(self._limits, use) for use in running]
        return {
            name: ended + sum(part[name] for part in parts) for name, ended in self._ended.items()
        }

    def reached(self, running: Iterable[Use] = (), *, is_bounded: bool = True) -> str | None:
        """Return which limit leaves no room for a trial; None if none does.

        Returns:
            ``gpu_hours``, ``energy``, ``cost`` or ``carbon``; ``unmetered`` if nothing but energy
            bounds the search, and of many attempts in a row none could be read, so that it would
            never end.

        Args:
            running: What each of the trials that run has used so far.
            is_bounded: Whether something else ends the search too.
        """
        limits = self._limits
        parts = [limit_shares(limits, use) for use in running]
        for name, ended in self._ended.items():
            largest = (self._largest or self._expected).get(name, 0.0)
            committed = ended + sum(max(part[name], largest) for part in parts)
            if committed >= 1 - _ROUNDING or committed + largest > 1 + _ROUNDING:
                return name
        endless = limits.needs_energy and not (limits.limits_time or is_bounded)
        return "unmetered" if endless and self._unmetered_in_a_row >= _MOST_UNMETERED else None


def unmetered_warnings(spec: SearchSpec) -> list[str]:
    """Return what a user should know of trials that ran without any reading of their energy."""
    from xautolm_core.search.contract import Objective

    found = []
    if spec.spending.needs_energy:
        found.append("The limit on energy cannot be held: trials ran without any energy reading")
    if Objective.ENERGY in spec.objectives:
        found.append(
            "Energy is an objective: trials without any energy reading have no place in it"
        )
    return found
