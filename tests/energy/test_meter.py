from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.energy.busy import spin
from tests.energy.recorded_nvml import LOST
from tests.energy.recorded_nvml import RecordedGpu
from tests.energy.recorded_nvml import RecordedNvml
from xautolm.extending import EnergyProvider
from xautolm.testing import EnergyMeterContract
from xautolm_core.energy.meter import EnergyMeter
from xautolm_core.energy.process_tree import ProcessTree
from xautolm_core.energy.surroundings import METERS
from xautolm_core.energy.surroundings import MeterInputs
from xautolm_core.energy.surroundings import UsedGpu
from xautolm_core.energy.surroundings import meter_here
from xautolm_core.records.energy import EnergyReading
from xautolm_core.records.energy import make_reading


class Steady:
    """A source of constant power."""

    def __init__(self, component, watts, *, source="steady", period=None, hang=None, fault=None):
        self.period_seconds = period
        self.answers_at_once = period is None
        self.is_closed = False
        self.samples: list[float] = []
        self._component, self._watts, self._source = component, watts, source
        self._hang, self._fault = hang, fault

    def sample(self, now: float) -> None:
        if self._hang is not None and self.samples:
            self._hang.wait()
        if self._fault is not None and self.samples:
            raise self._fault
        self.samples.append(now)

    def readings(self) -> tuple[EnergyReading, ...]:
        seconds = self.samples[-1] - self.samples[0]
        one = make_reading(
            self._component,
            self._watts * seconds,
            source=self._source,
            quality="A",
            seconds=seconds,
        )
        return () if one is None else (one,)

    def close(self) -> None:
        self.is_closed = True


def ticking(times: Sequence[float]):
    left = list(times)
    return lambda: left.pop(0) if len(left) > 1 else left[0]


def test_the_best_source_of_a_component_counts_alone() -> None:
    providers = [Steady("cpu", 0), Steady("cpu", 10, source="good"), Steady("cpu", 99)]
    meter = EnergyMeter([*providers, Steady("dram", 1)], clock=ticking([0, 5, 10]))
    assert meter.readings() == ()
    with meter:
        assert [(r.source, r.joules) for r in meter.readings()] == [("good", 50), ("steady", 5)]
    assert [r.joules for r in meter.readings()] == [100, 10]
    assert all(provider.is_closed for provider in providers)


def test_readings_stand_once_it_has_stopped() -> None:
    meter = EnergyMeter([Steady("cpu", 10)])
    with meter:
        time.sleep(0.02)
    first = meter.readings()
    time.sleep(0.02)
    meter.stop()
    assert meter.readings() == first != ()


def test_there_is_no_thread_unless_something_needs_one() -> None:
    before = threading.active_count()
    with EnergyMeter([Steady("cpu", 10)]):
        assert threading.active_count() == before
    with EnergyMeter([Steady("gpu", 10, period=0.01)]):
        assert threading.active_count() == before + 1
    assert threading.active_count() == before


def test_what_may_hang_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xautolm_core.energy.meter._LAST_SAMPLE_SECONDS", 0.1)
    hang = threading.Event()
    slow = Steady("gpu", 10, period=0.01, hang=hang)
    meter = EnergyMeter([slow, Steady("cpu", 10)])
    meter.start()
    time.sleep(0.05)
    since = time.monotonic()
    assert [r.component for r in meter.readings()] == ["cpu"]
    meter.stop()
    assert time.monotonic() - since < 2
    assert not slow.is_closed  # its thread still holds it
    hang.set()


def test_a_fault_ends_one_source_and_keeps_what_it_said() -> None:
    broken = Steady("gpu", 10, fault=ValueError("no number"))
    meter = EnergyMeter([broken, Steady("cpu", 10)], clock=ticking([0, 5, 10, 15]))
    with meter:
        meter.readings()
    assert [r.component for r in meter.readings()] == ["cpu"]


def test_a_clock_that_goes_back_takes_nothing_away(tmp_path: Path) -> None:
    meter = meter_here(root=tmp_path, environment={}, clock=ticking([100, 110, 50, 60]))
    with meter:
        sum(range(3_000_000))
        first = meter.readings()
    assert sum(r.joules for r in meter.readings()) >= sum(r.joules for r in first) > 0


def test_a_machine_without_counters_has_a_model(tmp_path: Path) -> None:
    with meter_here(root=tmp_path, environment={}) as meter:
        sum(range(3_000_000))
        time.sleep(0.02)
    assert {r.component: r.source for r in meter.readings()} == {
        "cpu": "model:cpu-default-3500mw-1t",
        "dram": "model:dram-392mw-1gib",
    }


def test_nothing_at_all_is_no_reading_rather_than_zero(tmp_path: Path) -> None:
    for meter in (
        meter_here(environment={"XAUTOLM_ENERGY": "off"}),
        meter_here(tree=ProcessTree(2**22 + 1), root=tmp_path, environment={}),
    ):
        with meter:
            pass
        assert meter.readings() == ()


def test_a_gpu_has_its_counter_or_else_a_model() -> None:
    used = UsedGpu("NVIDIA H100 80GB HBM3", RecordedGpu.uuid)

    def gpu_reading(gpu: RecordedGpu, used: UsedGpu = used) -> list[EnergyReading]:
        with meter_here(used, environment={}, nvml=RecordedNvml(gpu)) as meter:
            time.sleep(0.25)
        return [r for r in meter.readings() if r.component == "gpu"]

    (by_counter,) = gpu_reading(RecordedGpu(energy=[1_000, 1_000, 90_000]))
    assert (by_counter.source, by_counter.joules) == ("nvml", 89.0)
    (by_power,) = gpu_reading(RecordedGpu(power=[400_000]))
    assert by_power.source == "nvml-power"
    assert by_power.joules == pytest.approx(400 * by_power.seconds) and by_power.seconds > 0.1
    (modelled,) = gpu_reading(RecordedGpu())
    assert modelled.source == "model:gpu-tdp-700w-full-load" and modelled.quality == "C"
    # What a lost GPU had used stands; no model takes over.
    assert gpu_reading(RecordedGpu(energy=[1_000, LOST])) == []
    # Nothing is known of such a GPU, and nothing is made up.
    assert gpu_reading(RecordedGpu(name="X"), UsedGpu("X")) == []


def test_nvml_is_let_go_of() -> None:
    nvml = RecordedNvml(RecordedGpu(energy=[1_000, 2_000]))
    with meter_here(UsedGpu("x"), environment={}, nvml=nvml):
        assert nvml.users == 1
    assert nvml.users == 0


def test_a_meter_costs_less_than_a_hundredth() -> None:
    nvml = RecordedNvml(RecordedGpu(power=[400_000]))
    since = time.monotonic()
    with meter_here(UsedGpu("x"), environment={}, nvml=nvml) as meter:
        time.sleep(1.0)
        meter.readings()
    assert meter.own_cpu_seconds < 0.01 * 2 * (time.monotonic() - since)


def test_meters_that_are_named_come_first_and_one_at_fault_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    factories = {
        "socket": lambda _: [Steady("cpu", 10.0, source="socket")],
        "broken": lambda _: [1 / 0],
    }
    load = METERS.load
    monkeypatch.setattr(METERS, "load", lambda name: factories.get(name) or load(name))
    with meter_here(meters=("broken", "absent", "socket"), root=tmp_path, environment={}) as meter:
        time.sleep(0.05)
    by_component = {one.component: one.source for one in meter.readings()}
    assert by_component["cpu"] == "socket"
    assert by_component["dram"].startswith("model:")
    assert "the meter broken is left out: ZeroDivisionError" in caplog.text
    assert "the meter absent is left out" in caplog.text


class _NotClosing(Steady):
    def close(self) -> None:
        raise OSError("the driver has gone")


class _Timeless:
    answers_at_once = True

    def sample(self, now: float) -> None:
        raise AssertionError

    def readings(self) -> tuple[EnergyReading, ...]:
        raise AssertionError

    def close(self) -> None:
        raise AssertionError


def test_no_fault_of_a_plug_in_ends_a_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    factories = {
        "stuck": lambda _: [_NotClosing("cpu", 10.0, source="stuck")],
        "timeless": lambda _: [_Timeless()],
        "negative": lambda _: [Steady("dram", 1.0, period=-1.0)],
    }
    load = METERS.load
    monkeypatch.setattr(METERS, "load", lambda name: factories.get(name) or load(name))
    with meter_here(meters=tuple(factories), root=tmp_path, environment={}) as meter:
        time.sleep(0.05)
    by_component = {one.component: one.source for one in meter.readings()}
    assert by_component["cpu"] == "stuck"
    assert by_component["dram"].startswith("model:")
    assert "the meter timeless is left out: AttributeError" in caplog.text
    assert "the meter negative is left out: ValueError" in caplog.text
    assert "not closed: OSError" in caplog.text


class TestModel(EnergyMeterContract):
    @pytest.fixture
    def providers(self, inputs: MeterInputs) -> Sequence[EnergyProvider]:
        found: Sequence[EnergyProvider] = METERS.load("model")(inputs)
        return found

    def seconds_pass(self, providers: Sequence[EnergyProvider], seconds: float) -> None:
        spin(time.process_time() + 0.03)
