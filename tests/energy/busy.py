"""Keeps a processor busy for a while, with a child that does so too, and meters itself.

``python -m tests.energy.busy SECONDS CHILD_SECONDS``: prints as JSON the processor seconds that the
meter attributed, and those that the operating system counts at the end.
"""

from __future__ import annotations

import json
import os
import sys
import time

from xautolm_core.energy.model import CpuModel
from xautolm_core.energy.process_tree import ProcessTree
from xautolm_core.energy.thermal_design_power import processor_power


def spin(seconds: float) -> None:
    while time.process_time() < seconds:
        sum(range(1_000))


def main(seconds: float, child_seconds: float) -> None:
    before = sum(os.times()[:4])
    model = CpuModel(ProcessTree(), processor_power(None))
    model.sample(time.monotonic())
    child = os.fork()
    if child == 0:
        spin(child_seconds)
        os._exit(0)
    spin(time.process_time() + seconds / 2)
    model.sample(time.monotonic())  # the child may still run
    spin(time.process_time() + seconds / 2)
    os.waitpid(child, 0)
    model.sample(time.monotonic())
    (reading,) = model.readings()
    counted = sum(os.times()[:4]) - before
    print(json.dumps([model.cpu_seconds, counted, reading.joules]))


if __name__ == "__main__":
    main(float(sys.argv[1]), float(sys.argv[2]))
