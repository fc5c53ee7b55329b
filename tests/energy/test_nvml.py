from __future__ import annotations

import pytest

from tests.energy.recorded_nvml import LOST
from tests.energy.recorded_nvml import NOT_SUPPORTED
from tests.energy.recorded_nvml import TIMEOUT
from tests.energy.recorded_nvml import RecordedGpu
from tests.energy.recorded_nvml import RecordedNvml
from xautolm_core.energy.nvml import NvmlProvider
from xautolm_core.energy.nvml import nvml_provider
from xautolm_core.energy.nvml_device import find_device
from xautolm_core.records.energy import EnergyReading

UUID = RecordedGpu.uuid
BEFORE = 88_000_000


def _provider(gpu: RecordedGpu, visible: str | None = None, uuid: str | None = UUID):
    device = find_device(RecordedNvml(gpu), uuid=uuid, visible=visible)
    assert device is not None
    return nvml_provider(device)


def _metered(gpu: RecordedGpu, times: list[float], **how: str | None) -> tuple[EnergyReading, ...]:
    provider = _provider(gpu, **how)
    assert isinstance(provider, NvmlProvider)
    for now in times:
        provider.sample(now)
    return provider.readings()


def test_the_counter_is_of_class_a() -> None:
    # The first value answers whether there is a counter at all.
    energy = [BEFORE, BEFORE, BEFORE + 350_000, BEFORE + 3_500_000]
    (one,) = _metered(RecordedGpu(energy=energy), [0.0, 1.0, 10.0])
    assert one.joules == pytest.approx(3_500)
    assert (one.component, one.source, one.quality, one.device) == ("gpu", "nvml", "A", UUID)
    assert one.uncertainty == pytest.approx(0.05 + 0.1 / 10)
    assert one.flags == () and one.idle_joules is None


def test_a_window_shorter_than_the_counter_can_tell_is_flagged() -> None:
    (one,) = _metered(RecordedGpu(energy=[BEFORE, BEFORE, BEFORE + 40_000]), [0.0, 0.5])
    assert one.flags == ("short_window",)
    assert one.uncertainty == pytest.approx(0.25)


def test_a_counter_that_stands_still_is_no_reading() -> None:
    assert _metered(RecordedGpu(energy=[BEFORE]), [0.0, 5.0, 10.0]) == ()


@pytest.mark.parametrize("energy", [[NOT_SUPPORTED], [0]])
def test_without_a_counter_power_is_integrated(energy: list[object]) -> None:
    gpu = RecordedGpu(energy=energy, power=[300_000])
    (one,) = _metered(gpu, [i / 10 for i in range(101)])
    assert one.joules == pytest.approx(3_000)
    assert (one.source, one.quality) == ("nvml-power", "B")


def test_without_either_there_is_no_provider() -> None:
    assert _provider(RecordedGpu()) is None


@pytest.mark.parametrize(
    ("uuid", "visible", "share"),
    [
        ("MIG-a", None, 3 / 7),
        (None, "MIG-b", 1 / 7),
        (UUID, "MIG-b", 1 / 7),  # what CUDA calls it is the board
        (None, None, 3 / 7),  # the first of a board in MIG mode
        (UUID, "0", 3 / 7),
    ],
)
def test_a_mig_device_has_its_share(uuid: str | None, visible: str | None, share: float) -> None:
    gpu = RecordedGpu(
        energy=[BEFORE, BEFORE, BEFORE + 7_000_000], mig_slices={"MIG-a": 3, "MIG-b": 1}
    )
    (one,) = _metered(gpu, [0.0, 20.0], uuid=uuid, visible=visible)
    assert one.joules == pytest.approx(7_000 * share)
    assert one.quality == "B" and one.flags == ("attributed",)
    assert one.device == ("MIG-a" if share > 0.2 else "MIG-b")


def test_a_shared_gpu_is_shared_out_for_as_long_as_it_is_shared() -> None:
    energy = [BEFORE, BEFORE, BEFORE + 1_000_000, BEFORE + 2_000_000]
    (one,) = _metered(RecordedGpu(energy=energy, processes=[1, 2, 1]), [0.0, 10.0, 20.0])
    assert one.joules == pytest.approx(500 + 1_000)
    assert one.quality == "B" and "attributed" in one.flags


def test_a_gpu_that_is_lost_keeps_what_it_had_used() -> None:
    energy = [BEFORE, BEFORE, BEFORE + 900_000, LOST, BEFORE + 1_000_000]
    gpu = RecordedGpu(energy=energy)
    (one,) = _metered(gpu, [0.0, 3.0, 6.0, 9.0])
    assert one.joules == pytest.approx(900)
    assert one.flags == ("device_lost",)
    assert gpu.calls["energy"] == 4  # it is not asked again


def test_a_call_that_fails_once_is_made_up_for() -> None:
    energy = [BEFORE, BEFORE, TIMEOUT, BEFORE + 900_000]
    (one,) = _metered(RecordedGpu(energy=energy), [0.0, 3.0, 6.0])
    assert one.joules == pytest.approx(900) and one.flags == ("dropped",)


def test_a_gpu_that_never_answers_again_is_lost() -> None:
    energy = [BEFORE, BEFORE, BEFORE + 900_000, TIMEOUT]
    gpu = RecordedGpu(energy=energy)
    (one,) = _metered(gpu, [float(i) for i in range(40)])
    assert "device_lost" in one.flags and gpu.calls["energy"] < 12


def test_a_driver_that_was_loaded_anew_is_flagged() -> None:
    energy = [BEFORE, BEFORE, BEFORE + 500_000, 1_000, 301_000]
    (one,) = _metered(RecordedGpu(energy=energy), [0.0, 5.0, 10.0, 15.0])
    assert one.joules == pytest.approx(500 + 300)
    assert "restarted" in one.flags


def test_a_clock_that_goes_back_adds_no_time_to_sampled_power() -> None:
    gpu = RecordedGpu(power=[100_000])
    (one,) = _metered(gpu, [0.0, 0.1, 0.2, 0.1, 0.2])
    assert one.joules == pytest.approx(30)
    assert "clock_back" in one.flags


def test_the_gpu_that_cuda_names_is_the_one_that_is_read() -> None:
    other = RecordedGpu(uuid="GPU-other", energy=[BEFORE, BEFORE, BEFORE + 1_000_000])
    nvml = RecordedNvml(RecordedGpu(energy=[BEFORE]), other)
    for uuid, visible in ((None, "1"), (None, "GPU-other"), ("GPU-other", "0")):
        device = find_device(nvml, uuid=uuid, visible=visible)
        assert device is not None and device.uuid == "GPU-other"
    # CUDA tells the number alone.
    device = find_device(nvml, uuid=UUID.removeprefix("GPU-"), visible="1")
    assert device is not None and device.uuid == UUID


def test_no_gpu_is_no_device() -> None:
    assert find_device(RecordedNvml(), uuid=None, visible=None) is None
