"""Real trials, metered: what results and heartbeats say, and what stays of a killed one."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

import pytest

from xautolm_core.launch.local import LocalLauncher
from xautolm_core.records.energy import EnergyReading
from xautolm_core.records.outcome import Outcome
from xautolm_core.trial.contract import TrialSpec
from xautolm_core.trial.files import read_heartbeat
from xautolm_core.trial.files import read_result
from xautolm_core.trial.heartbeat_facts import energy_of
from xautolm_core.trial.run import run_trial

MakeSpec = Callable[..., TrialSpec]
FOREVER = {"epochs": 100_000}


def _joules(readings: tuple[EnergyReading, ...], component: str) -> float:
    return sum(one.joules for one in readings if one.component == component)


def test_a_result_and_its_heartbeat_carry_energy(make_spec: MakeSpec) -> None:
    spec = make_spec(parameters={"epochs": 4})
    since = time.process_time()
    result = run_trial(spec)
    used = time.process_time() - since
    assert result.outcome is Outcome.OK, result.failure
    told = {one.component: one for one in result.energy}
    assert {"cpu", "dram"} <= set(told)
    for one in told.values():
        assert one.joules > 0 and one.uncertainty and one.source
        # Training with its evaluations, and nothing before or after.
        assert one.seconds == pytest.approx(result.time_seconds, rel=0.1, abs=1.0)
    if told["cpu"].source == "model:cpu-default-3500mw-1t":
        assert 0 < told["cpu"].joules / 3.5 <= used + 0.1
    heartbeat = read_heartbeat(spec.out_folder)
    assert heartbeat is not None
    assert energy_of(heartbeat) == result.energy
    assert read_result(spec.out_folder) == result


def test_a_trial_that_never_trained_has_no_energy(make_spec: MakeSpec) -> None:
    result = run_trial(make_spec("lora", {"init_lora_weights": "loftq"}))
    assert result.outcome is Outcome.INVALID
    assert result.energy == ()


def test_metering_can_be_switched_off(make_spec: MakeSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XAUTOLM_ENERGY", "off")
    result = run_trial(make_spec())
    assert result.outcome is Outcome.OK and result.energy == ()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_trial_that_is_killed_keeps_what_it_had_used(
    make_spec: MakeSpec, number: signal.Signals
) -> None:
    spec = make_spec(parameters=FOREVER, heartbeat_seconds=0.2)
    with LocalLauncher(memory_guard="none") as launcher:
        handle = launcher.submit(spec)
        until = time.monotonic() + 120
        while not _joules(_told(spec), "cpu"):
            assert time.monotonic() < until and launcher.poll(handle) is None
            time.sleep(0.05)
        os.kill(int(handle.native_id), number)
        while (result := launcher.poll(handle)) is None:
            assert time.monotonic() < until
            launcher.wait([handle], 1)
    if number == signal.SIGKILL:
        # There is no result of its own: what the last heartbeat told stands.
        assert result.outcome is Outcome.INFRA
        assert result.energy == _told(spec)
    else:
        assert result.outcome is Outcome.PREEMPTED
    assert _joules(result.energy, "cpu") > 0
    assert result.seconds["train"] > 0


def _told(spec: TrialSpec) -> tuple[EnergyReading, ...]:
    return energy_of(read_heartbeat(spec.out_folder) or {})


def test_readings_of_a_newer_version_are_read() -> None:
    heartbeat = {
        "energy": [
            {
                "component": "gpu",
                "joules": 7.0,
                "source": "nvml",
                "quality": "A",
                "temperature": 60,
            },
            {"component": "antimatter", "joules": 7.0, "source": "x", "quality": "A"},
        ]
    }
    (one,) = energy_of(heartbeat)
    assert one == EnergyReading(component="gpu", joules=7.0, source="nvml", quality="A")
