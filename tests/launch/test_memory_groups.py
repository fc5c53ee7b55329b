"""Control groups: where they are, and what they do to real processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.launch.conftest import wait_for
from xautolm_core.launch import memory_groups
from xautolm_core.launch.memory_groups import MemoryGroup
from xautolm_core.launch.memory_groups import MemoryGroups
from xautolm_core.launch.memory_groups import find_groups
from xautolm_core.launch.memory_groups import find_own_group
from xautolm_core.launch.processes import is_running
from xautolm_core.launch.processes import start_ticks


def fake_proc(folder: Path, mounts: list[str], memberships: list[str]) -> Path:
    (folder / "mountinfo").write_text("\n".join(mounts) + "\n")
    (folder / "cgroup").write_text("\n".join(memberships) + "\n")
    return folder


def mount(root: str, point: Path, kind: str, options: str = "rw") -> str:
    return f"35 25 0:30 {root} {point} rw,nosuid shared:9 - {kind} {kind} {options}"


def test_version_1_is_found(tmp_path: Path) -> None:
    (tmp_path / "memory" / "user" / "me").mkdir(parents=True)
    proc = fake_proc(
        tmp_path,
        [
            mount("/", tmp_path / "cpu", "cgroup", "rw,cpu"),
            mount("/", tmp_path / "memory", "cgroup", "rw,memory"),
            mount("/", tmp_path / "unified", "cgroup2"),
        ],
        ["4:memory:/user/me", "1:cpu:/", "0::/"],
    )
    own = find_own_group(proc)
    assert own is not None
    assert (own.version, own.path) == (1, tmp_path / "memory" / "user" / "me")


def test_version_1_in_a_container_that_sees_its_part_only(tmp_path: Path) -> None:
    (tmp_path / "memory").mkdir()
    proc = fake_proc(
        tmp_path,
        [mount("/docker/abc", tmp_path / "memory", "cgroup", "rw,memory")],
        ["4:memory:/docker/abc"],
    )
    own = find_own_group(proc)
    assert own is not None
    assert own.path == tmp_path / "memory"


def test_version_2_is_found(tmp_path: Path) -> None:
    (tmp_path / "scope").mkdir()
    (tmp_path / "scope" / "memory.events").write_text("low 0\noom 3\noom_kill 2\n")
    proc = fake_proc(tmp_path, [mount("/", tmp_path, "cgroup2")], ["0::/scope"])
    own = find_own_group(proc)
    assert own is not None
    assert (own.version, own.path) == (2, tmp_path / "scope")
    assert own.oom_kills() == 2


def test_version_2_without_the_memory_controller_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("hugetlb\n")
    proc = fake_proc(tmp_path, [mount("/", tmp_path, "cgroup2")], ["0::/"])
    assert find_own_group(proc) is None


def test_a_group_outside_the_own_namespace_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "memory.events").write_text("")
    proc = fake_proc(tmp_path, [mount("/", tmp_path, "cgroup2")], ["0::/../other"])
    assert find_own_group(proc) is None
    assert find_own_group(tmp_path / "absent") is None


def test_version_2_files(tmp_path: Path) -> None:
    for name in ("memory.max", "memory.swap.max", "memory.oom.group", "cgroup.procs"):
        (tmp_path / name).write_text("")
    (tmp_path / "memory.peak").write_text("1234\n")
    (tmp_path / "memory.events").write_text("low 0\nhigh 0\nmax 7\noom 1\noom_kill 1\n")
    group = MemoryGroup(2, tmp_path)
    group.limit(1 << 20)
    assert (tmp_path / "memory.max").read_text() == "1048576"
    assert (tmp_path / "memory.swap.max").read_text() == "0"
    assert (tmp_path / "memory.oom.group").read_text() == "1"
    assert group.peak_bytes() == 1234
    assert group.oom_kills() == 1
    assert group.limit_was_hit()
    group.enter()
    assert (tmp_path / "cgroup.procs").read_text() == "0"


@pytest.mark.parametrize(
    ("own_gives", "expected"), [("memory pids", "scope"), ("", None)], ids=["delegated", "not"]
)
def test_where_version_2_groups_are_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_gives: str, expected: str | None
) -> None:
    own = tmp_path / "slice" / "scope"
    own.mkdir(parents=True)
    (own / "cgroup.subtree_control").write_text(own_gives)
    # Another's process is in it: it must not be moved.
    (own / "cgroup.procs").write_text(f"{os.getpid()}\n999999999\n")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    found = memory_groups._unified_base(own, os.getpid())
    assert found == (own if expected else None)


def test_an_unprivileged_user_takes_the_delegated_parent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "slice" / "scope"
    own.mkdir(parents=True)
    (own / "cgroup.subtree_control").write_text("")
    (own.parent / "cgroup.subtree_control").write_text("cpu memory")
    (own.parent / "cgroup.procs").write_text("")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert memory_groups._unified_base(own, os.getpid()) == own.parent


def test_own_processes_are_moved_into_a_leaf(tmp_path: Path) -> None:
    (tmp_path / "cgroup.subtree_control").write_text("")
    (tmp_path / "cgroup.procs").write_text(f"{os.getpid()}\n")
    assert memory_groups._unified_base(tmp_path, os.getpid()) == tmp_path
    leaf = tmp_path / "xautolm.search"
    assert (leaf / "cgroup.procs").read_text() == str(os.getpid())
    assert (tmp_path / "cgroup.subtree_control").read_text() == "+memory"
    # The next search starts in the leaf.
    (leaf / "cgroup.subtree_control").write_text("")
    (tmp_path / "cgroup.subtree_control").write_text("memory")
    assert memory_groups._unified_base(leaf, os.getpid()) == tmp_path


@pytest.fixture(scope="module")
def real_groups() -> MemoryGroups:
    groups = find_groups(os.getpid())
    if groups is None:
        pytest.skip("no writable memory controller here")
    return groups


def fork_into(group: MemoryGroup, megabytes: int) -> int:
    child = os.fork()
    if child == 0:
        try:
            group.enter()
            block = bytearray(b"x") * (megabytes << 20)
            time.sleep(0 if len(block) else 1)
        finally:
            os._exit(0)
    return child


def test_a_real_limit_holds(real_groups: MemoryGroups) -> None:
    group = real_groups.make(64 << 20)
    try:
        _, status = os.waitpid(fork_into(group, 8), 0)
        assert os.waitstatus_to_exitcode(status) == 0
        assert group.oom_kills() == 0
        assert not group.limit_was_hit()
        _, status = os.waitpid(fork_into(group, 256), 0)
        assert os.waitstatus_to_exitcode(status) == -9
        assert group.oom_kills() == 1
        assert group.limit_was_hit()
        peak = group.peak_bytes()
        assert peak is None or 48 << 20 < peak <= 64 << 20
    finally:
        assert group.remove()


def test_the_groups_of_a_dead_launcher_are_removed(real_groups: MemoryGroups) -> None:
    launcher = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    ticks = start_ticks(launcher.pid)
    folder = real_groups.base / f"xautolm-{launcher.pid}-{ticks}-1-0"
    folder.mkdir()
    orphan = subprocess.Popen(["sleep", "60"])
    (folder / "cgroup.procs").write_text(str(orphan.pid))
    try:
        real_groups.remove_stale()
        assert folder.exists()  # its launcher lives
        assert is_running(orphan.pid)
        launcher.communicate(b"\n")
        real_groups.remove_stale()
        assert not folder.exists()
        assert wait_for(lambda: not is_running(orphan.pid))
    finally:
        launcher.kill()
        launcher.wait()
        orphan.kill()
        orphan.wait()


def test_a_group_with_a_process_is_not_removed(real_groups: MemoryGroups) -> None:
    group = real_groups.make(None)
    sleeper = subprocess.Popen(["sleep", "60"])
    (group.folder / "cgroup.procs").write_text(str(sleeper.pid))
    try:
        assert group.members() == [sleeper.pid]
        assert not group.remove()
        group.kill()
        sleeper.wait()
        assert wait_for(group.remove)
        assert group.remove()  # again is no error
    finally:
        sleeper.kill()
        sleeper.wait()
