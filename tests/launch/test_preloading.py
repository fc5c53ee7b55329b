"""The fork server with the code that real trials run."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.launch.conftest import MakeSpec
from xautolm_core.errors import LaunchError
from xautolm_core.launch.local import LocalLauncher
from xautolm_core.records.outcome import Outcome

MakeLauncher = Callable[..., LocalLauncher]

TOUCHES_CUDA = """
import sys, types
torch = types.ModuleType("torch")
torch.cuda = types.SimpleNamespace(is_initialized=lambda: True)
sys.modules["torch"] = torch
def run(spec): pass
"""


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs the trial extra")
def test_the_real_imports_leave_one_thread_and_no_cuda(
    make_spec: MakeSpec, caplog: pytest.LogCaptureFixture
) -> None:
    with LocalLauncher() as launcher:
        assert launcher.memory_guard in ("cgroup", "watchdog")
        assert len(list(Path(f"/proc/{launcher.server_pid}/task").iterdir())) == 1
        assert not caplog.records
        # There is no such task: a real trial says so itself.
        handle = launcher.submit(make_spec("none"))
        launcher.wait([handle], 30)
        result = launcher.poll(handle)
        assert result is not None
        assert result.outcome not in (Outcome.OK, Outcome.TIMEOUT)
        assert result.versions["torch"]
        assert result.seconds["startup"] < 2


def test_threads_of_a_preloaded_module_are_told(
    make_launcher: MakeLauncher, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "starts_a_thread.py").write_text(
        "import threading\n"
        "threading.Thread(target=threading.Event().wait, daemon=True).start()\n"
        "def run(spec): pass\n"
    )
    launcher = make_launcher(target="starts_a_thread:run", import_paths=[tmp_path])
    assert launcher.memory_guard
    assert "has 2 threads" in caplog.text


def test_an_import_that_touches_cuda_is_refused(
    make_launcher: MakeLauncher, make_spec: MakeSpec, tmp_path: Path
) -> None:
    (tmp_path / "touches_cuda.py").write_text(TOUCHES_CUDA)
    launcher = make_launcher(target="touches_cuda:run", import_paths=[tmp_path])
    with pytest.raises(LaunchError, match="initialised CUDA"):
        launcher.submit(make_spec("succeed"))
