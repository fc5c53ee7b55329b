"""Process trees and their ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from tests.launch.conftest import wait_for
from xautolm_core.launch import processes
from xautolm_core.launch import watchdog

FAMILY = (
    "import subprocess, sys, time\n"
    "p = subprocess.Popen([sys.executable, '-c', 'import time; print(1, flush=True);"
    " time.sleep(60)'], start_new_session=True)\n"
    "time.sleep(60)"
)


@pytest.fixture
def family() -> Iterator[subprocess.Popen[bytes]]:
    """A process with one child."""
    parent = subprocess.Popen(
        [sys.executable, "-c", FAMILY],
        stdout=subprocess.PIPE,
        env={**os.environ, "XAUTOLM_TEST_MARK": "family"},
    )
    assert parent.stdout is not None
    parent.stdout.readline()
    yield parent
    processes.kill_all([parent.pid])
    parent.communicate()


def test_trees(family: subprocess.Popen[bytes]) -> None:
    below = processes.descendants(family.pid)
    assert len(below) == 1
    assert processes.children(family.pid) == below
    assert family.pid in processes.children(os.getpid())
    assert processes.ancestors(below[0])[:2] == [family.pid, os.getpid()]
    assert processes._children_by_scan(family.pid) == below
    assert processes.children(999_999_999) == []
    assert processes.ancestors(999_999_999) == []


def test_the_environment_marks_all_descendants(family: subprocess.Popen[bytes]) -> None:
    marked = set(processes.carrying("XAUTOLM_TEST_MARK", "family"))
    assert marked == {family.pid, *processes.descendants(family.pid)}
    assert not set(processes.carrying("XAUTOLM_TEST_MARK", "fam"))


def test_kill_all_reaches_other_sessions(family: subprocess.Popen[bytes]) -> None:
    below = processes.descendants(family.pid)
    processes.kill_all([family.pid])
    assert family.wait() == -signal.SIGKILL
    assert wait_for(lambda: not processes.is_running(below[0]))


def test_identity() -> None:
    ticks = processes.start_ticks(os.getpid())
    assert ticks is not None
    assert processes.is_same_process(os.getpid(), ticks)
    assert not processes.is_same_process(os.getpid(), ticks + 1)
    assert processes.start_ticks(999_999_999) is None


def test_signals_never_go_to_groups_or_oneself() -> None:
    for pid in (0, -1, 1, os.getpid(), 999_999_999):
        processes.send_signal(pid, signal.SIGKILL)


def test_a_zombie_is_not_running() -> None:
    child = subprocess.Popen(["true"])
    assert wait_for(lambda: not processes.is_running(child.pid))
    child.wait()


def test_die_with_parent_notices_a_parent_that_has_gone() -> None:
    code = (
        "from xautolm_core.launch import processes\n"
        "try:\n    processes.die_with_parent(999999999)\n"
        "except ProcessLookupError:\n    print('noticed')\n"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout == "noticed\n"


def test_shared_pages_are_not_counted_twice() -> None:
    block = bytearray(b"x") * (96 << 20)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, b"1")
        time.sleep(60)
        os._exit(0)
    try:
        os.read(reader, 1)
        resident = watchdog.resident_bytes(child)
        proportional = watchdog.proportional_bytes(child)
        assert resident > 96 << 20 or proportional < 96 << 20
        assert 30 << 20 < proportional < resident - (30 << 20)
        assert watchdog.tree_bytes([child], None) == pytest.approx(resident, rel=0.05)
        assert watchdog.tree_bytes([child], resident // 2) < resident
        assert len(block) == 96 << 20
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(reader)
        os.close(writer)
    assert watchdog.resident_bytes(child) == 0
    assert watchdog.proportional_bytes(child) == 0
