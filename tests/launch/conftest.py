"""Fixtures of the launcher's tests."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.launch.misbehaving import PIDS_FILE
from xautolm_core.launch.local import LocalLauncher
from xautolm_core.launch.processes import is_running
from xautolm_core.records.configuration import Configuration
from xautolm_core.records.configuration import Value
from xautolm_core.space.model import ModelReference
from xautolm_core.trial.contract import TrialBudget
from xautolm_core.trial.contract import TrialSpec

REPOSITORY = Path(__file__).parents[2]
TARGET = "tests.launch.misbehaving:run"

MakeSpec = Callable[..., TrialSpec]


@pytest.fixture
def make_spec(tmp_path: Path) -> MakeSpec:
    """Makes specs whose trials do what ``behaviour`` names."""
    count = iter(range(1000))

    def make(
        behaviour: str,
        *,
        wall_limit: float | None = None,
        memory_mebibytes: int | None = None,
        threads: int = 1,
        **parameters: Value,
    ) -> TrialSpec:
        trial_number = next(count)
        memory = memory_mebibytes << 20 if memory_mebibytes else None
        return TrialSpec(
            search_id="test-search",
            trial_number=trial_number,
            task_folder=tmp_path / "task",
            out_folder=tmp_path / f"trial-{trial_number}",
            cache_folder=tmp_path / "cache",
            configuration=Configuration(
                branch="none",
                model="none",
                method="full",
                parameters={"behaviour": behaviour, **parameters},
            ),
            model=ModelReference(id="none"),
            seed=0,
            threads=threads,
            budget=TrialBudget(wall_limit_seconds=wall_limit, host_memory_bytes=memory),
        )

    return make


@pytest.fixture
def make_launcher() -> Iterator[Callable[..., LocalLauncher]]:
    """Makes launchers of the misbehaving trials, and closes them."""
    launchers: list[LocalLauncher] = []

    def make(**options: object) -> LocalLauncher:
        options = {"target": TARGET, "preload": (), "import_paths": [REPOSITORY], **options}
        launcher = LocalLauncher(**options)
        launchers.append(launcher)
        return launcher

    yield make
    for launcher in launchers:
        launcher.close()


@pytest.fixture
def launcher(make_launcher: Callable[..., LocalLauncher]) -> LocalLauncher:
    """A launcher with short graces."""
    return make_launcher(grace_seconds=0.5, linger_seconds=0.5)


def pids_of(spec: TrialSpec) -> list[int]:
    """The processes of a trial that noted themselves."""
    file = spec.out_folder / PIDS_FILE
    return [int(word) for word in file.read_text().split()] if file.exists() else []


def wait_for(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    """Wait until something is so; whether it became so."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def all_gone(pids: list[int]) -> bool:
    """Whether none of the processes is running."""
    assert pids
    assert os.getpid() not in pids
    return not any(is_running(pid) for pid in pids)
