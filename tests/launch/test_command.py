"""Trials as commands, and what every launcher does, by the suite that plug-ins pass."""

from __future__ import annotations

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
        self, inputs: LauncherInputs, make_spec: MakeSpec, tmp_path: Path
    ) -> None:
        launcher = _DeafLauncher(inputs)
        handle = launcher.submit(make_spec())
        launcher.close()
        assert not Path(f"/proc/{handle.native_id}").exists()
