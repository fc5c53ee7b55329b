"""Energy counters of the processor packages and of memory: RAPL, through ``/sys/class/powercap``.

Only root may read them since 2020 (CVE-2020-8694), and virtual machines have none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from xautolm_core.energy.accumulate import CounterSum
from xautolm_core.energy.process_tree import MachineTime
from xautolm_core.energy.process_tree import ProcessTree
from xautolm_core.records import energy as flag
from xautolm_core.records.energy import EnergyReading
from xautolm_core.records.energy import make_reading

_POWERCAP = Path("/sys/class/powercap")
_ZONE = re.compile(r"intel-rapl(?:-mmio)?(?::\d+)+")
_RESOLUTION_SECONDS = 0.001
_LIMIT_WATTS = 2_000.0
_MICRO = 1e-6
# Beyond this share of the machine's work, a reading counts as the trial's own.
_OWN_SHARE = 0.9
_LONGEST_PERIOD_SECONDS = 60.0

ZoneComponent = Literal["cpu", "dram"]


@dataclass(frozen=True)
class Zone:
    """One counter.

    Attributes:
        folder: Its folder below powercap.
        component: Component that it counts.
        maximum_microjoules: Value at which it wraps around.
    """

    folder: Path
    component: ZoneComponent
    maximum_microjoules: float

    def read(self) -> float | None:
        """Return the counter in microjoules; None if it cannot be read."""
        return _number(self.folder / "energy_uj")


def find_zones(powercap: Path = _POWERCAP) -> list[Zone]:
    """Return the counters that can be read and do not overlap: packages, and memory.

    ``core`` and ``uncore`` are parts of a package and ``psys`` includes it; a package may be listed
    twice, through its registers and through memory (``mmio``).

    Args:
        powercap: Stands for ``/sys/class/powercap``.
    """
    found: dict[str, Zone] = {}
    try:
        folders = sorted(f for f in powercap.iterdir() if _ZONE.fullmatch(f.name))
    except OSError:
        return []
    for folder in sorted(folders, key=lambda f: "mmio" in f.name):
        name = _text(folder / "name") or ""
        component: ZoneComponent
        if name.startswith("package"):
            place, component = name, "cpu"
        elif name == "dram":
            parent = powercap / folder.name.rpartition(":")[0]
            place, component = f"{_text(parent / 'name')}/dram", "dram"
        else:
            continue
        maximum = _number(folder / "max_energy_range_uj")
        if maximum and place not in found and _number(folder / "energy_uj") is not None:
            found[place] = Zone(folder, component, maximum)
    return list(found.values())


class RaplProvider:
    """A trial's share of the energy of the packages and their memory.

    The counters are of the whole machine. Of each interval the trial gets its share of the
    processor time of all processes, idle power included: ``joules = delta * tree / busy``. The
    shares of all processes add up to the counter. Where the trial did nearly all of the work, the
    reading is of class A, else of class B and flagged.

    Args:
        zones: The counters that ``find_zones`` found.
        tree: The trial's processes.
        machine: All processes.
    """

    answers_at_once = True

    def __init__(self, zones: list[Zone], tree: ProcessTree, machine: MachineTime) -> None:
        limit = _LIMIT_WATTS / _MICRO
        self._counters = [
            (z, CounterSum(maximum=z.maximum_microjoules, limit_per_second=limit)) for z in zones
        ]
        self._tree = tree
        self._machine = machine
        self._joules: dict[ZoneComponent, float] = {}
        self._idle: dict[ZoneComponent, float] = {}
        self._whole: dict[ZoneComponent, float] = {}
        self._times: tuple[float, float, float] | None = None
        self._seconds = 0.0
        self._last_at: float | None = None
        # At least two samples before a counter can have wrapped around.
        shortest = min(z.maximum_microjoules for z in zones) * _MICRO / _LIMIT_WATTS
        self.period_seconds: float | None = min(_LONGEST_PERIOD_SECONDS, shortest / 2)

    def sample(self, now: float) -> None:
        """Read the counters."""
        share, idle_share = self._shares()
        self._seconds += max(0.0, now - (now if self._last_at is None else self._last_at))
        self._last_at = now
        for zone, counter in self._counters:
            joules = counter.add(now, zone.read()) * _MICRO
            part = zone.component
            self._whole[part] = self._whole.get(part, 0.0) + joules
            self._joules[part] = self._joules.get(part, 0.0) + joules * share
            self._idle[part] = self._idle.get(part, 0.0) + joules * share * idle_share

    def readings(self) -> tuple[EnergyReading, ...]:
        """Return the trial's share of each component."""
        found = []
        for part, joules in self._joules.items():
            flags = {f for z, c in self._counters if z.component == part for f in c.flags}
            if joules < _OWN_SHARE * self._whole[part]:
                flags.add(flag.ATTRIBUTED)
            one = make_reading(
                part,
                joules,
                source="rapl",
                quality="A",
                seconds=self._seconds,
                resolution_seconds=_RESOLUTION_SECONDS,
                idle_joules=self._idle[part],
                flags=flags,
            )
            found += [] if one is None else [one]
        return tuple(found)

    def close(self) -> None:
        """Do nothing, as no resource is open."""

    def _shares(self) -> tuple[float, float]:
        """Return since the last call the trial's share of busy time, and the idle share of all.

        Time that cannot be attributed is not counted for the trial.
        """
        times, tree = self._machine.busy_and_idle_seconds(), self._tree.cpu_seconds()
        before = self._times
        self._times = None if times is None or tree is None else (*times, tree)
        if before is None or self._times is None:
            return 0.0, 0.0
        busy, idle, own = (max(0.0, b - a) for a, b in zip(before, self._times, strict=True))
        # The two clocks are not in step; a trial cannot have done more than all.
        share = min(1.0, own / busy) if busy > 0 else 0.0
        return share, idle / (busy + idle) if busy + idle > 0 else 0.0


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return None


def _number(path: Path) -> float | None:
    text = _text(path)
    return float(text) if text is not None and text.isdigit() else None
