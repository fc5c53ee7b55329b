"""Energy from load and thermal design power: the last resort, of class C.

Load is that of the trial's own processes only, so the readings of concurrent trials add up to no
more than the machine uses.
"""

from __future__ import annotations

from xautolm_core.energy.accumulate import CounterSum
from xautolm_core.energy.accumulate import PowerIntegral
from xautolm_core.energy.process_tree import ProcessTree
from xautolm_core.energy.thermal_design_power import IDLE_SHARE
from xautolm_core.energy.thermal_design_power import ProcessorPower
from xautolm_core.records import energy as flag
from xautolm_core.records.energy import EnergyReading
from xautolm_core.records.energy import make_reading

DRAM_WATTS_PER_GIB = 0.392
"""Cloud Carbon Footprint's average of the makers' figures (0.000392 kWh a GB and hour)."""

_GIB = 1 << 30
_TICK_SECONDS = 0.01


class CpuModel:
    """Processor seconds of a tree of processes, times the power of a busy logical processor.

    ``joules = cpu_seconds * watts``, of which the share ``IDLE_SHARE`` is idle power. A processor
    that idles while a trial waits is not counted.

    Args:
        tree: The trial's processes.
        power: Of the processor.
    """

    period_seconds: float | None = None
    answers_at_once = True

    def __init__(self, tree: ProcessTree, power: ProcessorPower) -> None:
        self._tree = tree
        self._power = power
        self._seconds = CounterSum()

    @property
    def cpu_seconds(self) -> float:
        """Processor seconds of the tree within the window."""
        return self._seconds.total

    def sample(self, now: float) -> None:
        """Read the state of the processes."""
        self._seconds.add(now, self._tree.cpu_seconds())

    def readings(self) -> tuple[EnergyReading, ...]:
        """Return the energy of the processes."""
        joules = self._seconds.total * self._power.watts
        found = make_reading(
            "cpu",
            joules,
            source=f"model:{self._power.assumption}",
            quality="C",
            seconds=self._seconds.seconds,
            resolution_seconds=_TICK_SECONDS,
            idle_joules=joules * IDLE_SHARE,
            flags=self._seconds.flags,
        )
        return () if found is None else (found,)

    def close(self) -> None:
        """Do nothing, as no resource is open."""


class DramModel:
    """Memory that a tree of processes holds, times ``DRAM_WATTS_PER_GIB``.

    Memory draws about the same whether it is read or not, so all of it is idle power. Pages of
    files are left out: they are shared, and the machine would keep them anyway.

    Args:
        tree: The trial's processes.
    """

    period_seconds: float | None = None
    answers_at_once = True

    def __init__(self, tree: ProcessTree) -> None:
        self._tree = tree
        # Memory of a trial hardly changes, so it does not matter how far its samples are apart.
        self._energy = PowerIntegral(period_seconds=600.0)

    def sample(self, now: float) -> None:
        """Read the state of the processes."""
        size = self._tree.resident_bytes()
        self._energy.add(now, None if size is None else size / _GIB * DRAM_WATTS_PER_GIB)

    def readings(self) -> tuple[EnergyReading, ...]:
        """Return the energy of the memory."""
        found = make_reading(
            "dram",
            self._energy.total,
            source=f"model:dram-{DRAM_WATTS_PER_GIB * 1000:.0f}mw-1gib",
            quality="C",
            seconds=self._energy.seconds,
            idle_joules=self._energy.total,
            flags=self._energy.flags,
        )
        return () if found is None else (found,)

    def close(self) -> None:
        """Do nothing, as no resource is open."""


class GpuModel:
    """A GPU that cannot be metered, assumed at its board power all the time: an upper bound.

    Args:
        watts: Its board power.
        device: Its UUID, if known.
        share: The trial's share of it; 1 unless it is a MIG device.
    """

    period_seconds: float | None = None
    answers_at_once = True

    def __init__(self, watts: float, *, device: str | None = None, share: float = 1.0) -> None:
        self._watts = watts
        self._device = device
        self._share = share
        self._energy = PowerIntegral(period_seconds=600.0)

    def sample(self, now: float) -> None:
        """Record the time."""
        self._energy.add(now, self._watts * self._share)

    def readings(self) -> tuple[EnergyReading, ...]:
        """Return the energy at full load."""
        shared = {flag.ATTRIBUTED} if self._share < 1 else set()
        found = make_reading(
            "gpu",
            self._energy.total,
            source=f"model:gpu-tdp-{self._watts:.0f}w-full-load",
            quality="C",
            seconds=self._energy.seconds,
            device=self._device,
            flags=self._energy.flags | shared,
        )
        return () if found is None else (found,)

    def close(self) -> None:
        """Do nothing, as no resource is open."""
