"""The memory of a container, as a trial's supervisor watches it: real trials in real groups."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.launch.remote_samples import Run
from xautolm_core.errors import ConfigError
from xautolm_core.features.cgroup import used_memory_share
from xautolm_core.launch.container_memory import ContainerMemory
from xautolm_core.launch.exchange import TrialExchange
from xautolm_core.launch.memory_groups import MemoryGroup
from xautolm_core.launch.memory_groups import find_groups
from xautolm_core.launch.memory_groups import remove_patiently
from xautolm_core.records.attempt import TrialResult
from xautolm_core.records.outcome import Outcome

REPOSITORY = Path(__file__).parents[2]
MIB = 1 << 20

MakeGroup = Callable[[int], MemoryGroup]


@pytest.fixture
def make_group() -> Iterator[MakeGroup]:
    """Makes groups with a limit in MiB, as a container has one."""
    groups = find_groups(os.getpid())
    if groups is None:
        pytest.skip("no memory group can be made here")
    made: list[MemoryGroup] = []

    def make(mebibytes: int) -> MemoryGroup:
        made.append(groups.make(mebibytes * MIB))
        return made[-1]

    yield make
    remove_patiently(made, seconds=5.0)


def run_in(group: MemoryGroup, tmp_path: Path, *options: str) -> TrialResult:
    """Run a trial in a group by the command, and return its result."""
    exchange = TrialExchange.open(str(tmp_path / "objects"))
    spec = Run(tmp_path / "run").spec()
    command = [sys.executable, "-m", "xautolm_core.cli", "trial", exchange.send(spec)]
    done = subprocess.run(
        [*command, "--work", str(tmp_path / "pod"), *options],
        cwd=REPOSITORY,
        preexec_fn=group.enter,
        capture_output=True,
        text=True,
        check=False,
        timeout=250,
    )
    assert done.returncode == 0, done.stderr
    result = exchange.result(spec)
    assert result is not None
    return result


@pytest.mark.slow
def test_a_trial_is_ended_at_a_share_of_the_limit(make_group: MakeGroup, tmp_path: Path) -> None:
    # What torch alone takes is more than 154 MiB.
    group = make_group(1024)
    result = run_in(group, tmp_path, "--memory-limit-fraction", "0.15")
    assert result.outcome is Outcome.OOM_HOST
    assert result.failure is not None and result.failure.kind == "MemoryLimit"
    assert group.oom_kills() == 0


@pytest.mark.slow
def test_a_trial_within_the_share_is_left_alone(make_group: MakeGroup, tmp_path: Path) -> None:
    result = run_in(make_group(4096), tmp_path, "--memory-limit-fraction", "0.9")
    assert result.outcome is Outcome.OK


@pytest.mark.slow
def test_a_trial_that_the_kernel_takes_has_a_result(make_group: MakeGroup, tmp_path: Path) -> None:
    group = make_group(220)
    if group.version == 2:
        (group.folder / "memory.oom.group").write_text("0")  # else the supervisor goes with it
    result = run_in(group, tmp_path)
    assert result.outcome is Outcome.OOM_HOST
    assert group.oom_kills() > 0


def test_a_share_needs_a_limit() -> None:
    assert not ContainerMemory().is_beyond_limit()
    if used_memory_share() is None:
        with pytest.raises(ConfigError, match="no memory limit"):
            ContainerMemory(0.9)
    else:
        assert ContainerMemory(1e-6).is_beyond_limit()
