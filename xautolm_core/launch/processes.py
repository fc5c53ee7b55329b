"""Linux processes: their trees, their identity, and reliable ways to end them."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
from collections.abc import Collection
from collections.abc import Iterator
from pathlib import Path

_PROC = Path("/proc")

# Numbers of prctl(2), see linux/prctl.h.
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36

_libc = ctypes.CDLL(None, use_errno=True)


def _prctl(option: int, argument: int) -> None:
    zero = ctypes.c_ulong(0)
    if _libc.prctl(ctypes.c_int(option), ctypes.c_ulong(argument), zero, zero, zero) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def die_with_parent(parent: int, number: signal.Signals = signal.SIGKILL) -> None:
    """Let this process get a signal when its parent's calling thread ends.

    Args:
        parent: Process id of the parent, read before the fork.
        number: The signal: SIGKILL ends it in any case, others can be forwarded.

    Raises:
        ProcessLookupError: The parent has already ended, so no signal would arrive.
    """
    _prctl(_PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:
        raise ProcessLookupError(f"the parent {parent} has gone")


def adopt_orphans() -> None:
    """Make this process the parent of all its descendants whose own parent ends."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def start_ticks(pid: int) -> int | None:
    """Return when a process was started (clock ticks since boot), or None if it has ended.

    Process id and start together identify a process, as ids are reused.
    """
    try:
        # The name, in parentheses, may hold spaces and parentheses itself.
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return int(fields[19])


def is_same_process(pid: int, ticks: int) -> bool:
    """Whether the process with this id and start still exists."""
    return start_ticks(pid) == ticks


def children(pid: int) -> list[int]:
    """Return the children of a process, zombies included."""
    found: list[int] = []
    try:
        threads = list((_PROC / str(pid) / "task").iterdir())
    except OSError:
        return found
    for thread in threads:
        try:
            found += [int(word) for word in (thread / "children").read_text().split()]
        except FileNotFoundError:
            if thread.exists():  # a kernel without CONFIG_PROC_CHILDREN
                return _children_by_scan(pid)
        except OSError:
            continue
    return found


def _children_by_scan(pid: int) -> list[int]:
    import psutil

    with contextlib.suppress(psutil.Error):
        return [child.pid for child in psutil.Process(pid).children()]
    return []


def descendants(pid: int) -> list[int]:
    """Return all processes below a process, parents before their children."""
    found: list[int] = []
    seen = {pid}
    waiting = [pid]
    while waiting:
        for child in children(waiting.pop()):
            if child not in seen:
                seen.add(child)
                found.append(child)
                waiting.append(child)
    return found


def ancestors(pid: int) -> list[int]:
    """Return the parents of a process up to the first process."""
    found: list[int] = []
    while True:
        try:
            fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            return found
        pid = int(fields[1])
        if pid <= 0:
            return found
        found.append(pid)


def carrying(variable: str, value: str) -> Iterator[int]:
    """Yield the processes that were started with an environment variable of this value.

    A fork keeps the environment of its program, so all descendants of a process are found, in any
    session, except those that were started without the variable.
    """
    entry = f"{variable}={value}".encode()
    for folder in _PROC.iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                if entry in (folder / "environ").read_bytes().split(b"\0"):
                    yield int(folder.name)


def send_signal(pid: int, number: signal.Signals) -> None:
    """Send a signal to one process; an ended process is not an error.

    Ids up to 1 are left out: 0 and -1 stand for groups, and a control group lists processes of
    other process-id namespaces as 0.
    """
    if pid > 1 and pid != os.getpid():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def kill_all(pids: Collection[int]) -> None:
    """Send SIGKILL to processes and all their descendants."""
    for pid in pids:
        # Stopped first, so that a process cannot start others while its tree is read.
        send_signal(pid, signal.SIGSTOP)
        below = descendants(pid)
        send_signal(pid, signal.SIGKILL)
        for child in below:
            send_signal(child, signal.SIGKILL)


def is_running(pid: int) -> bool:
    """Whether a process exists and has not ended (a zombie has)."""
    try:
        state = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"
