"""The cost of metering, and the model of class C against CodeCarbon's where that is installed.

``python benchmarks/energy_meter.py``: a busy process with idle neighbours that allocate threads, as
a trial has, metered as trials are: asked every two seconds, as a heartbeat does. The target is less
than 1 % of one processor. With a GPU, ``--gpu`` meters it too.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import threading
import time
from collections.abc import Mapping
from datetime import UTC
from datetime import datetime
from importlib.util import find_spec

from xautolm_core.energy.meter import EnergyMeter
from xautolm_core.energy.surroundings import UsedGpu
from xautolm_core.energy.surroundings import meter_here

TARGET_SHARE = 0.01
HEARTBEAT_SECONDS = 2.0
IDLE_THREADS = 32


def work(seconds: float, meter: EnergyMeter | None) -> None:
    """Keep a core busy, while a thread asks for readings now and then.

    Args:
        seconds: Wall-clock.
        meter: To be asked; None for nothing.
    """
    ends = threading.Event()

    def ask() -> None:
        while not ends.wait(HEARTBEAT_SECONDS):
            if meter is not None:
                meter.readings()

    asking = threading.Thread(target=ask)
    asking.start()
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        sum(range(10_000))
    ends.set()
    asking.join()


def measure_cost(seconds: float, gpu: UsedGpu | None) -> Mapping[str, object]:
    """Return the processor seconds of metering, and the readings."""
    stop = threading.Event()
    idle = [threading.Thread(target=stop.wait, daemon=True) for _ in range(IDLE_THREADS)]
    for thread in idle:
        thread.start()
    since = time.monotonic()
    with meter_here(gpu) as meter:
        work(seconds, meter)
    wall = time.monotonic() - since
    stop.set()
    return {
        "seconds": round(wall, 2),
        "meter_cpu_seconds": round(meter.own_cpu_seconds, 5),
        "meter_share_of_a_cpu": round(meter.own_cpu_seconds / wall, 6),
        "target_share": TARGET_SHARE,
        "readings": [
            {"component": r.component, "joules": round(r.joules, 3), "source": r.source}
            for r in meter.readings()
        ],
    }


def compare_with_codecarbon(seconds: float) -> Mapping[str, object] | None:
    """Return joules of the processor by both over the same work; None without CodeCarbon."""
    if find_spec("codecarbon") is None:
        return None
    from codecarbon import OfflineEmissionsTracker

    tracker = OfflineEmissionsTracker(
        country_iso_code="DEU",
        tracking_mode="process",
        measure_power_secs=1,
        save_to_file=False,
        log_level="error",
        allow_multiple_runs=True,
    )
    tracker.start()
    with meter_here() as meter:
        work(seconds, meter)
    tracker.stop()
    data = tracker.final_emissions_data
    joules = {r.component: r.joules for r in meter.readings()}
    return {
        "cpu_joules": round(joules.get("cpu", 0.0), 2),
        "codecarbon_cpu_joules": round(data.cpu_energy * 3.6e6, 2),
        "dram_joules": round(joules.get("dram", 0.0), 2),
        "codecarbon_ram_joules": round(data.ram_energy * 3.6e6, 2),
        "codecarbon_cpu_model": data.cpu_model,
    }


def main() -> None:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--gpu", metavar="NAME", help="meter the first GPU, of this product name")
    arguments = parser.parse_args()
    gpu = UsedGpu(arguments.gpu) if arguments.gpu else None
    document = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "cpus": os.cpu_count(),
        "idle_threads": IDLE_THREADS,
        "cost": measure_cost(arguments.seconds, gpu),
        "codecarbon": compare_with_codecarbon(arguments.seconds),
    }
    print(json.dumps(document, indent=2))


if __name__ == "__main__":
    main()
