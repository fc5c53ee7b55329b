from __future__ import annotations

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xautolm_core.energy.model import CpuModel
from xautolm_core.energy.model import GpuModel
from xautolm_core.energy.process_tree import ProcessTree
from xautolm_core.energy.thermal_design_power import DEFAULT_WATTS
from xautolm_core.energy.thermal_design_power import IDLE_SHARE
from xautolm_core.energy.thermal_design_power import gpu_watts
from xautolm_core.energy.thermal_design_power import processor_power


def test_processor_time_of_processes_beside_each_other_is_counted_once() -> None:
    """Two at once, each with a child: what is attributed adds up to what they used, within 5 %."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.energy.busy", "0.8", "0.6"],
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    told = [json.loads(process.communicate(timeout=120)[0]) for process in processes]
    attributed, counted, joules = (sum(column) for column in zip(*told, strict=True))
    assert counted > 2 * 1.3
    assert attributed == pytest.approx(counted, rel=0.05)
    assert joules == pytest.approx(attributed * DEFAULT_WATTS)


def test_a_reading_says_what_was_assumed() -> None:
    model = CpuModel(ProcessTree(), processor_power("AMD EPYC 7763 64-Core Processor"))
    model.sample(0.0)
    sum(range(8_000_000))
    model.sample(10.0)
    (one,) = model.readings()
    assert (one.component, one.quality, one.source) == ("cpu", "C", "model:cpu-tdp-280w-128t")
    assert one.joules == pytest.approx(model.cpu_seconds * 280 / 128)
    assert one.idle_joules == pytest.approx(one.joules * IDLE_SHARE)
    assert one.uncertainty >= 0.4


def test_a_process_that_is_gone_is_no_reading() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    model = CpuModel(ProcessTree(process.pid), processor_power(None))
    for now in (0.0, 1.0):
        model.sample(now)
    assert model.readings() == ()


@pytest.mark.parametrize(
    ("name", "watts"),
    [
        ("Intel(R) Xeon(R) Platinum 8480+", 350 / 112),
        ("Intel(R) Xeon(R) Platinum 8259CL CPU @ 2.50GHz", 210 / 48),
        ("Intel(R) Xeon(R) Platinum 8360Y CPU @ 2.40GHz", 250 / 72),
        ("Intel(R) Xeon(R) Gold 6330N CPU @ 2.20GHz", DEFAULT_WATTS),  # another power
        ("Intel(R) Core(TM) i9-9900KF CPU @ 3.60GHz", DEFAULT_WATTS),
        ("Intel(R) Xeon(R) CPU E5-2686 v4 @ 2.30GHz", 145 / 36),
        ("AMD EPYC 9654P 96-Core Processor", 360 / 192),
        ("AMD EPYC", DEFAULT_WATTS),
        ("AMD EPYC 77630", DEFAULT_WATTS),
        (None, DEFAULT_WATTS),
    ],
)
def test_processors_are_known_by_name(name: str | None, watts: float) -> None:
    assert processor_power(name).watts == pytest.approx(watts)


@pytest.mark.parametrize(
    ("name", "watts"),
    [
        ("NVIDIA H100 80GB HBM3", 700),
        ("NVIDIA H100 PCIe", 350),
        ("NVIDIA A100-SXM4-80GB", 400),
        ("NVIDIA A100-PCIE-40GB", 250),
        ("Tesla V100-SXM2-16GB", 300),
        ("NVIDIA L4", 72),
        ("NVIDIA L40S", 350),
        ("Tesla T4", 70),
        ("NVIDIA GeForce RTX 4090", 450),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", None),
        ("A thing", None),
        (None, None),
    ],
)
def test_gpus_are_known_by_name(name: str | None, watts: float | None) -> None:
    assert gpu_watts(name) == watts


@given(st.floats(1, 1_000), st.floats(0.1, 1), st.floats(0.01, 1e5))
def test_a_gpu_that_cannot_be_read_is_taken_at_its_share_of_full_load(watts, share, seconds):
    model = GpuModel(watts, share=share)
    for now in (0.0, seconds):
        model.sample(now)
    (one,) = model.readings()
    assert one.joules == pytest.approx(watts * share * seconds)
    assert ("attributed" in one.flags) == (share < 1)
