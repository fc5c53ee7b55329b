"""Settings that hold for every test, and the servers that tests share."""

from __future__ import annotations

import os

# One thread a process: two OpenMP threads beside a busy neighbour cost ten times more.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

pytest_plugins = ["tests.servers.fixtures"]
