"""Processor time and memory of a process and all below it, from ``/proc``."""

from __future__ import annotations

import os
import resource
from pathlib import Path

_PROC = Path("/proc")
_FIRST_TIME_FIELD = 11  # utime, counted from the field after the command; stime and so on follow
_TIME_FIELDS = 4
_LARGEST_BYTES = 1 << 16
_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


class ProcessTree:
    """A process and its descendants.

    A child's time counts for the child until it is waited for, and for its parent from then on, so
    the sum over a tree only grows. Two trees without a common process count no second twice.

    Args:
        pid: The process at the root; this one if None.
        proc: Stands for ``/proc``.
    """

    def __init__(self, pid: int | None = None, *, proc: Path = _PROC) -> None:
        self._pid = os.getpid() if pid is None else pid
        self._is_own = pid is None
        # Strings are faster: a trial has many threads, and each is a file to read.
        self._proc = str(proc)

    def cpu_seconds(self) -> float | None:
        """Return user and system seconds of the tree since it began; None if it cannot be read."""
        total = _own_seconds() if self._is_own else self._times(self._pid)
        if total is None:
            return None
        return total + sum(self._times(pid) or 0.0 for pid in self.descendants())

    def resident_bytes(self) -> int | None:
        """Return the anonymous memory of the tree; None if it cannot be read."""
        found = [self._anonymous_bytes(pid) for pid in (self._pid, *self.descendants())]
        known = [size for size in found if size is not None]
        return sum(known) if known else None

    def descendants(self) -> list[int]:
        """Return the ids of all processes below the root."""
        found: list[int] = []
        waiting = [self._pid]
        while waiting:
            for child in self._children(waiting.pop()):
                if child not in found and child != self._pid:
                    found.append(child)
                    waiting.append(child)
        return found

    def _children(self, pid: int) -> list[int]:
        found: list[int] = []
        folder = f"{self._proc}/{pid}/task"
        try:
            threads = os.listdir(folder)  # noqa: PTH208
        except OSError:
            return found
        for thread in threads:
            text = _read(f"{folder}/{thread}/children")
            found += [int(word) for word in text.split()] if text else []
        return found

    def _times(self, pid: int) -> float | None:
        text = _read(f"{self._proc}/{pid}/stat")
        if text is None:
            return None
        # The command may hold spaces and brackets: the last one closes it.
        fields = text.rpartition(")")[2].split()
        times = fields[_FIRST_TIME_FIELD : _FIRST_TIME_FIELD + _TIME_FIELDS]
        return sum(map(int, times)) / _TICKS

    def _anonymous_bytes(self, pid: int) -> int | None:
        text = _read(f"{self._proc}/{pid}/status")
        if text is None:
            return None
        sizes = [
            int(line.split()[1]) * 1024
            for line in text.splitlines()
            if line.startswith(("RssAnon:", "RssShmem:"))
        ]
        return sum(sizes) if sizes else None


class MachineTime:
    """Processor time of the whole machine.

    Args:
        proc: Stands for ``/proc``; a container sees there what its machine does.
    """

    def __init__(self, *, proc: Path = _PROC) -> None:
        self._file = str(proc / "stat")

    def busy_and_idle_seconds(self) -> tuple[float, float] | None:
        """Return the seconds of all processors since boot, busy and idle; None if unknown."""
        text = _read(self._file)
        if text is None or not text.startswith("cpu "):
            return None
        # user nice system idle iowait irq softirq steal; guests are in user already.
        fields = [int(word) for word in text.splitlines()[0].split()[1:8]]
        if len(fields) < 5:
            return None
        idle = fields[3] + fields[4]
        return (sum(fields) - idle) / _TICKS, idle / _TICKS


def _own_seconds() -> float:
    """Return seconds of this process and of its children that were waited for, to microseconds."""
    parts = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(part.ru_utime + part.ru_stime for part in parts)


def _read(path: str) -> str | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return os.read(descriptor, _LARGEST_BYTES).decode("utf-8", "replace")
    except OSError:
        return None
    finally:
        os.close(descriptor)
