"""Settings that hold for every test, and the servers that tests share."""

from __future__ import annotations

import os
from pathlib import PurePath

import pytest
from hypothesis import HealthCheck
from hypothesis import settings

# One thread a process: two OpenMP threads beside a busy neighbour cost ten times more.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

pytest_plugins = ["tests.servers.fixtures", "tests.servers.docker_fixtures", "tests.disks"]

# How long it takes to draw an example says how busy the machine is, nothing else.
settings.register_profile(
    "any-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any-machine")

# Their tests share runs that take long to make; with several processes, one of them has them all.
_TOGETHER = ("components", "tests/retrain", "tests/steps")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep tests together that share fixtures, for ``--dist loadgroup`` of pytest-xdist."""
    for item in items:
        place = PurePath(item.path).relative_to(config.rootpath).as_posix()
        group = next((one for one in _TOGETHER if place.startswith(f"{one}/")), place)
        item.add_marker(pytest.mark.xdist_group(group))
