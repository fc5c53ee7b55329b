"""Energy of a GPU by NVML: its energy counter, or its power, sampled and integrated."""

from __future__ import annotations

import contextlib
from typing import Any

from xautolm_core.energy.accumulate import CounterSum
from xautolm_core.energy.accumulate import PowerIntegral
from xautolm_core.energy.nvml_device import NvmlDevice
from xautolm_core.records import energy as flag
from xautolm_core.records.energy import EnergyReading
from xautolm_core.records.energy import Quality
from xautolm_core.records.energy import make_reading

COUNTER_PERIOD_SECONDS = 1.0
POWER_PERIOD_SECONDS = 0.1
# The counter is updated about ten times a second.
_RESOLUTION_SECONDS = 0.1
_LIMIT_WATTS = 3_000.0
_MILLI = 1e-3
# After this many samples without an answer the GPU counts as lost.
_LOST_AFTER = 5


class NvmlProvider:
    """Energy of a trial's GPU, or the trial's share of it.

    Energy and power are those of the whole board. Of a MIG device the share of its compute slices
    counts, of a GPU on which ``n`` processes compute a fraction ``1 / n`` of each interval; either
    is flagged and of the next lower class.

    Args:
        device: The GPU.
        by_counter: Whether it has an energy counter (Volta and later); else its power is
            sampled.
    """

    answers_at_once = False

    def __init__(self, device: NvmlDevice, *, by_counter: bool) -> None:
        self._device = device
        self._by_counter = by_counter
        self._sum: CounterSum | PowerIntegral
        if by_counter:
            self._sum = CounterSum(limit_per_second=_LIMIT_WATTS / _MILLI)
        else:
            self._sum = PowerIntegral(POWER_PERIOD_SECONDS)
        self._joules = 0.0
        self._flags: set[str] = {flag.ATTRIBUTED} if device.is_mig else set()
        self._failures = 0
        self._is_lost = False
        self._users = 1
        self._next_users_at = 0.0
        self.period_seconds: float | None = (
            COUNTER_PERIOD_SECONDS if by_counter else POWER_PERIOD_SECONDS
        )

    def sample(self, now: float) -> None:
        """Query the driver; a GPU that fails repeatedly, or is lost, is not queried again."""
        if self._is_lost:
            return
        nvml = self._device.nvml
        try:
            value = _ask(self._device, by_counter=self._by_counter)
            if now >= self._next_users_at:
                self._users = self._device.users()
                self._next_users_at = now + COUNTER_PERIOD_SECONDS
        except nvml.NVMLError as error:
            self._failures += 1
            gone = isinstance(error, _gone(nvml)) or self._failures >= _LOST_AFTER
            self._is_lost = gone
            self._flags.add(flag.LOST if gone else flag.DROPPED)
            return
        self._failures = 0
        more = self._sum.add(now, value) * (_MILLI if self._by_counter else 1.0)
        if self._users > 1:
            self._flags.add(flag.ATTRIBUTED)
        self._joules += more * self._device.share / self._users

    def readings(self) -> tuple[EnergyReading, ...]:
        """Return the energy of the GPU; empty if its counter did not move."""
        quality: Quality = "A" if self._by_counter else "B"
        found = make_reading(
            "gpu",
            self._joules,
            source="nvml" if self._by_counter else "nvml-power",
            quality=quality,
            seconds=self._sum.seconds,
            resolution_seconds=_RESOLUTION_SECONDS,
            device=self._device.uuid,
            flags=self._flags | self._sum.flags,
        )
        return () if found is None else (found,)

    def close(self) -> None:
        """Shut NVML down."""
        with contextlib.suppress(self._device.nvml.NVMLError):
            self._device.nvml.nvmlShutdown()


def nvml_provider(device: NvmlDevice) -> NvmlProvider | None:
    """Return a provider by energy counter, else by power; None if the GPU has neither.

    A counter at 0 is not used: virtual GPUs have such counters.
    """
    for by_counter in (True, False):
        try:
            if _ask(device, by_counter=by_counter) > 0:
                return NvmlProvider(device, by_counter=by_counter)
        except device.nvml.NVMLError:
            continue
    return None


def _ask(device: NvmlDevice, *, by_counter: bool) -> float:
    """Return millijoules since the driver was loaded, or watts."""
    nvml = device.nvml
    if by_counter:
        return float(nvml.nvmlDeviceGetTotalEnergyConsumption(device.board))
    return float(nvml.nvmlDeviceGetPowerUsage(device.board)) * _MILLI


def _gone(nvml: Any) -> tuple[type[Exception], ...]:
    names = ("NVMLError_GpuIsLost", "NVMLError_Uninitialized", "NVMLError_DriverNotLoaded")
    return tuple(getattr(nvml, name) for name in names if hasattr(nvml, name))
