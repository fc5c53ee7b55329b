"""A search, as far as the launcher's tests need one: submits trials, then waits to be killed.

Run as ``python -m tests.launch.searching GUARD FORK SPEC.json ...``.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from xautolm_core.launch.local import LocalLauncher
from xautolm_core.launch.protocol import MemoryGuard
from xautolm_core.trial.contract import TrialSpec


def main(guard: MemoryGuard, fork: str, spec_files: list[str]) -> None:
    launcher = LocalLauncher(target="tests.launch.misbehaving:run", preload=(), memory_guard=guard)
    for file in spec_files:
        launcher.submit(TrialSpec.model_validate_json(Path(file).read_bytes()))
    child = 0
    if fork == "fork":
        # Holds a copy of the socket to the fork server.
        child = os.fork()
        if child == 0:
            time.sleep(60)
            os._exit(0)
    print(launcher.server_pid, child, flush=True)
    time.sleep(120)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])  # type: ignore[arg-type]
