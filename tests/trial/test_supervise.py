"""What a supervisor's clocks count from, with real processes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.trial.test_remote import FOREVER
from xautolm_core.trial.contract import TrialBudget
from xautolm_core.trial.contract import TrialSpec
from xautolm_core.trial.files import prepare_folder
from xautolm_core.trial.sigterm import Termination
from xautolm_core.trial.supervise import ProcessEnd
from xautolm_core.trial.supervise import supervise

pytest.importorskip("torch")
MakeSpec = Callable[..., TrialSpec]


def ended(spec: TrialSpec, folder: Path, *, slow_by: float, startup_seconds: float) -> ProcessEnd:
    """Run a trial whose interpreter takes some seconds longer to start."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(f"import time\ntime.sleep({slow_by})\n")
    path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    prepare_folder(spec)
    return supervise(
        spec,
        termination=Termination(),
        memory=None,
        environment={"PYTHONPATH": path},
        grace_seconds=5.0,
        startup_seconds=startup_seconds,
    )


def test_a_trial_that_never_begins_is_ended(make_spec: MakeSpec, tmp_path: Path) -> None:
    spec = make_spec(budget=TrialBudget(wall_limit_seconds=0.1))
    end = ended(spec, tmp_path / "slow", slow_by=60.0, startup_seconds=1.0)
    assert end.ended_by == "startup"
    assert end.exit_code != 0


@pytest.mark.slow
def test_the_limit_counts_from_the_first_heartbeat(make_spec: MakeSpec, tmp_path: Path) -> None:
    spec = make_spec(parameters=FOREVER, budget=TrialBudget(wall_limit_seconds=2.0))
    since = time.monotonic()
    end = ended(spec, tmp_path / "slow", slow_by=3.0, startup_seconds=120.0)
    # It may end by itself shortly before, with what it has evaluated.
    assert end.ended_by in (None, "wall_limit")
    # The interpreter alone took longer than the limit.
    assert time.monotonic() - since >= 4.0
