from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from xautolm_core.energy.process_tree import MachineTime
from xautolm_core.energy.process_tree import ProcessTree
from xautolm_core.energy.rapl import RaplProvider
from xautolm_core.energy.rapl import find_zones

MAXIMUM = 262_143_328_850
TICKS = os.sysconf("SC_CLK_TCK")


class Machine:
    """A tree of /sys and /proc: two packages with their parts, and the trial's process 7."""

    def __init__(self, root: Path) -> None:
        self.powercap = root / "sys/class/powercap"
        self.proc = root / "proc"
        for zone, name in (
            ("intel-rapl:0", "package-0"), ("intel-rapl:0:0", "core"), ("intel-rapl:0:1", "dram"),
            ("intel-rapl:1", "package-1"), ("intel-rapl:1:0", "dram"), ("intel-rapl:2", "psys"),
            ("intel-rapl-mmio:0", "package-0"),
        ):  # fmt: skip
            self.write(zone, "name", name)
            self.write(zone, "max_energy_range_uj", MAXIMUM)
            self.write(zone, "energy_uj", 5_000_000)
        (self.powercap / "intel-rapl").mkdir()
        (self.powercap / "dtpm").mkdir()
        self.busy(own=0, others=0, idle=0)

    def write(self, zone: str, name: str, value: object) -> None:
        (self.powercap / zone).mkdir(parents=True, exist_ok=True)
        (self.powercap / zone / name).write_text(f"{value}\n")

    def busy(self, *, own: float, others: float, idle: float) -> None:
        """Write processor seconds since boot; process 8 is all of the others."""
        for pid, seconds in ((7, own), (8, others)):
            (self.proc / f"{pid}/task/{pid}").mkdir(parents=True, exist_ok=True)
            (self.proc / f"{pid}/task/{pid}/children").write_text("")
            fields = ["S", *["0"] * 10, str(int(seconds * TICKS)), "0", "0", "0"]
            (self.proc / f"{pid}/stat").write_text(f"{pid} (a (b) c) {' '.join(fields)}\n")
        busy = int(own * TICKS) + int(others * TICKS)
        (self.proc / "stat").write_text(f"cpu  {busy} 0 0 {int(idle * TICKS)} 0 0 0 0 0 0\n")

    def provider(self, pid: int = 7) -> RaplProvider:
        tree = ProcessTree(pid, proc=self.proc)
        return RaplProvider(find_zones(self.powercap), tree, MachineTime(proc=self.proc))


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_zones_that_overlap_are_left_out(machine: Machine) -> None:
    found = [(z.folder.name, z.component) for z in find_zones(machine.powercap)]
    assert found == [
        ("intel-rapl:0", "cpu"), ("intel-rapl:0:1", "dram"),
        ("intel-rapl:1", "cpu"), ("intel-rapl:1:0", "dram"),
    ]  # fmt: skip


def test_without_permission_there_are_no_zones(machine: Machine, tmp_path: Path) -> None:
    # Root may read anything, so a folder stands for the file that cannot be read.
    for folder in machine.powercap.glob("intel-rapl*"):
        if (folder / "energy_uj").exists():
            (folder / "energy_uj").unlink()
            (folder / "energy_uj").mkdir()
    assert find_zones(machine.powercap) == []
    assert find_zones(tmp_path / "none") == []


def test_a_trial_that_has_the_machine_has_all_of_its_energy(machine: Machine) -> None:
    provider = machine.provider()
    provider.sample(0.0)
    machine.busy(own=20, others=1, idle=60)
    machine.write("intel-rapl:0", "energy_uj", 1_005_000_000)
    machine.write("intel-rapl:1", "energy_uj", 105_000_000)
    machine.write("intel-rapl:0:1", "energy_uj", 47_000_000)
    provider.sample(20.0)
    cpu, dram = provider.readings()
    assert cpu.component == "cpu" and cpu.joules == pytest.approx(1_100 * 20 / 21)
    assert cpu.idle_joules == pytest.approx(cpu.joules * 60 / 81)
    assert dram.component == "dram" and dram.joules == pytest.approx(42 * 20 / 21)
    assert (cpu.source, cpu.quality, cpu.flags) == ("rapl", "A", ())


def test_a_shared_machine_is_shared_out_by_processor_time(machine: Machine) -> None:
    provider = machine.provider()
    provider.sample(0.0)
    machine.busy(own=10, others=30, idle=0)
    machine.write("intel-rapl:0", "energy_uj", 405_000_000)
    provider.sample(20.0)
    (cpu,) = provider.readings()
    assert cpu.joules == pytest.approx(100)
    assert cpu.quality == "B" and cpu.flags == ("attributed",)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 99), st.integers(0, 99), st.integers(0, 99), st.integers(1, 500)),
        min_size=1,
        max_size=5,
    )
)
def test_the_parts_of_all_processes_add_up_to_the_counter(intervals) -> None:
    with tempfile.TemporaryDirectory() as folder:
        machine = Machine(Path(folder))
        providers = [machine.provider(pid) for pid in (7, 8)]
        sums = [0, 0, 0, 0]
        for second, interval in enumerate([(0, 0, 0, 0), *intervals]):
            sums = [a + b for a, b in zip(sums, interval, strict=True)]
            machine.busy(own=sums[0], others=sums[1], idle=sums[2])
            machine.write("intel-rapl:0", "energy_uj", 5_000_000 + sums[3] * 1_000_000)
            for provider in providers:
                provider.sample(10.0 * second)
        joules = [r.joules for provider in providers for r in provider.readings()]
        assert sum(joules) == pytest.approx(sums[3])


def test_a_counter_that_comes_round_loses_nothing(machine: Machine) -> None:
    machine.write("intel-rapl:0", "energy_uj", MAXIMUM - 30_000_000)
    provider = machine.provider()
    provider.sample(0.0)
    machine.busy(own=10, others=0, idle=0)
    machine.write("intel-rapl:0", "energy_uj", 20_000_000)
    provider.sample(10.0)
    (cpu,) = provider.readings()
    assert cpu.joules == pytest.approx(50)
    assert cpu.flags == ("wrapped",)
    assert provider.period_seconds is not None and provider.period_seconds <= 60


def test_what_cannot_be_told_whose_it_is_is_not_the_trials(machine: Machine) -> None:
    provider = machine.provider()
    provider.sample(0.0)
    (machine.proc / "stat").unlink()
    machine.write("intel-rapl:0", "energy_uj", 405_000_000)
    provider.sample(20.0)
    assert provider.readings() == ()
