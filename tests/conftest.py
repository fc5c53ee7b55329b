"""Settings that hold for every test, and the servers that tests share."""

from __future__ import annotations

import os

from hypothesis import HealthCheck
from hypothesis import settings

# One thread a process: two OpenMP threads beside a busy neighbour cost ten times more.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

pytest_plugins = ["tests.servers.fixtures", "tests.servers.docker_fixtures"]

# How long it takes to draw an example says how busy the machine is, nothing else.
settings.register_profile(
    "any-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any-machine")
