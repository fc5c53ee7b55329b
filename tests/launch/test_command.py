"""Trials as commands, and what every launcher does, by the suite that plug-ins pass."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from xautolm.extending import CommandLauncher
from xautolm.extending import Launcher
from xautolm.extending import LauncherInputs
from xautolm.extending import TrialSpec
from xautolm.testing import LauncherContract
from xautolm.testing.launcher import MakeSpec
from xautolm_core.errors import LaunchError
from xautolm_core.launch.choice import open_launcher
from xautolm_core.records.outcome import Outcome
from xautolm_core.trial.contract import HEARTBEAT_FILE
from xautolm_core.trial.contract import TrialBudget

pytestmark = pytest.mark.slow

# Tells that it is there, and then hears nothing.
_DEAF = (
    "import pathlib, signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    "pathlib.Path(sys.argv[1]).write_text('{}'); time.sleep(60)"
)

# As srun: passes SIGTERM on to where the trial runs.
_PASSING = """
import pathlib, signal, sys, time
def passed(*_):
    (pathlib.Path(sys.argv[1]) / "passed").touch()
    sys.exit(1)
signal.signal(signal.SIGTERM, passed)
(pathlib.Path(sys.argv[1]) / "there").touch()
time.sleep(60)
"""
_SEARCH = """
import os, pathlib, signal, sys, time
from xautolm.extending import CommandLauncher, LauncherInputs, TrialSpec
folder = pathlib.Path(sys.argv[1])
class Launcher(CommandLauncher):
    def command(self, spec):
        return [sys.executable, "-c", sys.argv[3], str(folder)]
launcher = Launcher(LauncherInputs("suite", folder, {}, None))
launcher.submit(TrialSpec.model_validate_json((folder / "spec.json").read_text()))
while not (folder / "there").exists():
    time.sleep(0.05)
if sys.argv[2] == "kill":
    os.kill(os.getpid(), signal.SIGKILL)
launcher.close()
"""


class TestLocalLauncher(LauncherContract):
    @pytest.fixture
    def launcher(self, inputs: LauncherInputs) -> Launcher:
        return open_launcher("local", inputs)


class _DeafLauncher(CommandLauncher):
    def command(self, spec: TrialSpec) -> Sequence[str]:
        return [sys.executable, "-c", _DEAF, str(spec.out_folder / HEARTBEAT_FILE)]


class _AbsentLauncher(CommandLauncher):
    def command(self, spec: TrialSpec) -> Sequence[str]:
        return ["no-such-command"]


_HANGING = """
import threading
import pytest
from xautolm.extending import CommandLauncher
from xautolm.testing import LauncherContract

class HangingLauncher(CommandLauncher):
    def {method}(self, *given, **more):
        threading.Event().wait()

class TestHanging(LauncherContract):
    patience_seconds = 1.0

    @pytest.fixture
    def launcher(self, inputs):
        return HangingLauncher(inputs)
"""


@pytest.mark.parametrize(
    ("method", "call"), [("submit", "submit"), ("wait", r"wait\(\.\.\., 1\)"), ("close", "close")]
)
def test_a_launcher_that_hangs_fails_the_suite_and_is_named(
    tmp_path: Path, method: str, call: str
) -> None:
    file = tmp_path / "test_hanging.py"
    file.write_text(_HANGING.format(method=method))
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "stays", str(file)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert re.search(rf"HangingLauncher\.{call} did not return within [12] s", ended.stdout)


class TestCommandLauncher(LauncherContract):
    @pytest.fixture
    def launcher(self, inputs: LauncherInputs) -> Launcher:
        return CommandLauncher(inputs)

    def test_a_command_that_hears_nothing_is_killed(
        self, inputs: LauncherInputs, make_spec: MakeSpec, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("xautolm_core.launch.command._GRACE_SECONDS", 0.2)
        launcher = _DeafLauncher(inputs)
        limited = make_spec(0).model_copy(update={"budget": TrialBudget(wall_limit_seconds=0.2)})
        handle, other = launcher.submit(limited), launcher.submit(make_spec(1))
        since = time.monotonic()
        while (result := launcher.poll(handle)) is None:
            launcher.wait([handle], 1.0)
        assert result.outcome is Outcome.TIMEOUT
        assert launcher.cancel(other, grace_seconds=0.2).outcome is Outcome.CANCELLED
        assert time.monotonic() - since < 20

    def test_a_command_that_is_not_there_is_a_fault_of_the_launcher(
        self, inputs: LauncherInputs, make_spec: MakeSpec
    ) -> None:
        with pytest.raises(LaunchError, match="cannot be started"):
            _AbsentLauncher(inputs).submit(make_spec())

    def test_closing_kills_what_runs(
        self, inputs: LauncherInputs, make_spec: MakeSpec, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("xautolm_core.launch.command._GRACE_SECONDS", 0.2)
        launcher = _DeafLauncher(inputs)
        handle = launcher.submit(make_spec())
        launcher.close()
        assert not Path(f"/proc/{handle.native_id}").exists()

    @pytest.mark.parametrize("end", ["close", "kill"])
    def test_a_command_can_pass_on_that_the_search_has_ended(
        self, make_spec: MakeSpec, tmp_path: Path, end: str
    ) -> None:
        spec = make_spec()
        (tmp_path / "spec.json").write_text(spec.model_dump_json())
        search = subprocess.Popen([sys.executable, "-c", _SEARCH, str(tmp_path), end, _PASSING])
        assert search.wait(60) == (0 if end == "close" else -9)
        deadline = time.monotonic() + 10
        while not (tmp_path / "passed").exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
