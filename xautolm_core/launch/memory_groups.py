"""Control groups of the memory controller, versions 1 and 2: limits enforced by the kernel.

A group counts what all processes in it have allocated, whoever forked whom, and the kernel kills
within the group when its limit is reached. Documented in the kernel's admin guide, ``cgroup-v1/
memory`` and ``cgroup-v2``.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from xautolm_core.features.cgroup import group_places
from xautolm_core.features.cgroup import read_stat
from xautolm_core.features.cgroup import read_text
from xautolm_core.launch import processes

_GROUP_NAME = re.compile(r"xautolm-(\d+)-(\d+)-(\d+)-(\d+)")
# The kernel charges memory in batches of 64 pages for each processor, or a huge page at once.
_CHARGE_BYTES = 4 << 20
# For the processes of a version 2 group itself, where only leaves may have processes.
_OWN_LEAF = "xautolm.search"


@dataclass(frozen=True)
class OwnGroup:
    """This process's group of the memory controller.

    Attributes:
        version: Version of the control group interface.
        path: Its folder.
    """

    version: Literal[1, 2]
    path: Path

    def oom_kills(self) -> int:
        """Return how many processes in it the kernel's OOM killer has killed."""
        return _oom_kills(self.version, self.path)


def find_own_group(proc: Path = Path("/proc/self")) -> OwnGroup | None:
    """Return the memory group of this process, or None where the controller is not mounted."""
    unified: OwnGroup | None = None
    for place in group_places("memory", proc=proc):
        if not place.is_own:
            continue
        if place.version == 1:
            return OwnGroup(1, place.folder)
        # The root has no limits of its own, and no events.
        has_events = (place.folder / "memory.events").exists()
        if has_events or "memory" in read_text(place.folder / "cgroup.controllers").split():
            unified = OwnGroup(2, place.folder)
    return unified


def _oom_kills(version: int, folder: Path) -> int:
    name = "memory.oom_control" if version == 1 else "memory.events"
    return read_stat(folder / name, "oom_kill")


def _members(folder: Path) -> list[int]:
    return [int(word) for word in read_text(folder / "cgroup.procs").split()]


class MemoryGroup:
    """One group for one trial.

    Args:
        version: Version of the control group interface.
        folder: The group's folder, which exists.
    """

    def __init__(self, version: Literal[1, 2], folder: Path) -> None:
        self.version = version
        self.folder = folder

    def limit(self, memory_bytes: int) -> None:
        """Limit the memory of the group, swap included.

        Raises:
            OSError: The limit cannot be set.
        """
        amount = str(memory_bytes)
        if self.version == 1:
            (self.folder / "memory.limit_in_bytes").write_text(amount)
            swap, swap_limit = self.folder / "memory.memsw.limit_in_bytes", amount
        else:
            (self.folder / "memory.max").write_text(amount)
            swap, swap_limit = self.folder / "memory.swap.max", "0"
            with contextlib.suppress(OSError):  # Linux 4.19
                (self.folder / "memory.oom.group").write_text("1")
        if swap.exists():  # absent where the kernel does not account for swap
            swap.write_text(swap_limit)

    def enter(self) -> None:
        """Move the calling process into the group.

        Raises:
            OSError: The process may not be moved.
        """
        (self.folder / "cgroup.procs").write_text("0")  # 0 is the process that writes it

    def members(self) -> list[int]:
        """Return the processes in the group."""
        return _members(self.folder)

    def oom_kills(self) -> int:
        """Return how many processes in the group the kernel's OOM killer has killed."""
        return _oom_kills(self.version, self.folder)

    def limit_was_hit(self) -> bool:
        """Whether the group's own limit was reached, rather than the machine's memory."""
        if self.version == 2:
            return read_stat(self.folder / "memory.events", "max") > 0
        # Not memory.failcnt, which some kernels leave at 0 where the limit with swap is as high.
        limit = read_text(self.folder / "memory.limit_in_bytes").strip()
        peak = self.peak_bytes()
        return peak is not None and limit.isdigit() and peak >= int(limit) - _CHARGE_BYTES

    def peak_bytes(self) -> int | None:
        """Return the peak memory of the group, page cache included; None if not counted."""
        name = "memory.max_usage_in_bytes" if self.version == 1 else "memory.peak"
        text = read_text(self.folder / name).strip()
        return int(text) if text.isdigit() else None

    def kill(self) -> None:
        """Send SIGKILL to every process in the group."""
        if self.version == 2:
            with contextlib.suppress(OSError):  # Linux 5.14
                (self.folder / "cgroup.kill").write_text("1")
                return
        for pid in self.members():
            processes.send_signal(pid, signal.SIGKILL)

    def remove(self) -> bool:
        """Remove the group; return False if it still has processes."""
        try:
            self.folder.rmdir()
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return True


class MemoryGroups:
    """Creates the memory groups of one fork server's trials.

    Args:
        version: Version of the control group interface.
        base: Folder in which groups can be created.
        owner: Process id of the launcher. Its groups are stale once it has ended.
        server: Process id of the fork server.
    """

    def __init__(self, version: Literal[1, 2], base: Path, owner: int, server: int) -> None:
        self.version = version
        self.base = base
        self._prefix = f"xautolm-{owner}-{processes.start_ticks(owner) or 0}-{server}-"
        self._count = 0

    def make(self, memory_bytes: int | None) -> MemoryGroup:
        """Create a group with a limit.

        Raises:
            OSError: It cannot be created, or limited.
        """
        while True:
            folder = self.base / f"{self._prefix}{self._count}"
            self._count += 1
            with contextlib.suppress(FileExistsError):
                folder.mkdir()
                break
        group = MemoryGroup(self.version, folder)
        try:
            if memory_bytes is not None:
                group.limit(memory_bytes)
        except OSError:
            group.remove()
            raise
        return group

    def check(self) -> None:
        """Check that a group can be created, limited and entered by a child process.

        Raises:
            OSError: Some of it does not work here.
        """
        group = self.make(1 << 30)
        try:
            child = os.fork()
            if child == 0:
                status = 1
                try:
                    group.enter()
                    status = 0
                finally:
                    os._exit(status)
            _, status = os.waitpid(child, 0)
            if status != 0:
                raise PermissionError(f"a process could not enter {group.folder}")
        finally:
            remove_patiently([group], seconds=1.0)

    def remove_stale(self) -> None:
        """Remove the groups of dead launchers, and kill the processes in them."""
        stale = []
        for folder in self.base.glob("xautolm-*"):
            name = _GROUP_NAME.fullmatch(folder.name)
            if name and not processes.is_same_process(int(name[1]), int(name[2])):
                stale.append(MemoryGroup(self.version, folder))
        remove_patiently(stale, seconds=1.0)

    def remove_all(self, seconds: float = 2.0) -> None:
        """Kill all processes in the fork server's groups and remove these, within some seconds."""
        own = [MemoryGroup(self.version, f) for f in self.base.glob(f"{self._prefix}*")]
        remove_patiently(own, seconds=seconds)


def remove_patiently(groups: list[MemoryGroup], *, seconds: float) -> None:
    """Kill the processes in the groups and remove these; give up after some seconds."""
    deadline = time.monotonic() + seconds
    while groups:
        for group in groups:
            group.kill()
        groups = [group for group in groups if not group.remove()]
        if not groups or time.monotonic() > deadline:
            return
        time.sleep(0.01)


def find_groups(owner: int) -> MemoryGroups | None:
    """Return where this process, a fork server, can create groups for trials; None if nowhere.

    Version 1: below the own group. Version 2, where only leaves may have processes: below the own
    group if it already has groups below, beside it if an unprivileged user may write there (it was
    delegated), or below it after the launcher's own processes moved into a leaf, if there are no
    others in it.

    Args:
        owner: Process id of the launcher.
    """
    own = find_own_group()
    if own is None:
        return None
    base = own.path if own.version == 1 else _unified_base(own.path, owner)
    if base is None or not os.access(base, os.W_OK):
        return None
    groups = MemoryGroups(own.version, base, owner, os.getpid())
    try:
        groups.remove_stale()
        groups.check()
    except OSError:
        return None
    return groups


def _gives_memory(folder: Path) -> bool:
    return "memory" in read_text(folder / "cgroup.subtree_control").split()


def _unified_base(own: Path, owner: int) -> Path | None:
    if _gives_memory(own) or (own.name == _OWN_LEAF and _gives_memory(own.parent)):
        return own if _gives_memory(own) else own.parent
    if not os.access(own / "cgroup.subtree_control", os.W_OK):
        return None
    beside = own.parent
    if os.geteuid() != 0 and _gives_memory(beside) and os.access(beside / "cgroup.procs", os.W_OK):
        return beside
    family = {os.getpid(), owner, *processes.descendants(owner), *processes.ancestors(owner)}
    if not family.issuperset(_members(own)):
        return None
    return own if _move_into_leaf(own) else None


def _move_into_leaf(own: Path) -> bool:
    """Move the processes of a version 2 group into a leaf, so that it can have other leaves."""
    leaf = own / _OWN_LEAF
    moved: list[int] = []
    try:
        leaf.mkdir(exist_ok=True)
        for pid in _members(own):
            (leaf / "cgroup.procs").write_text(str(pid))
            moved.append(pid)
        (own / "cgroup.subtree_control").write_text("+memory")
    except OSError:
        for pid in moved:
            with contextlib.suppress(OSError):
                (own / "cgroup.procs").write_text(str(pid))
        with contextlib.suppress(OSError):
            leaf.rmdir()
        return False
    return True
