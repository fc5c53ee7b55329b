"""CPUs and memory as the control group allows them, in cgroup v1 and v2.

Inside a container the machine's own numbers mislead: a pod limited to 2 CPUs and 8 GiB sees all
the CPUs and all the memory of its node. A limit may be set on any level above the process, so the
whole path up to the root counts, and the smallest limit holds.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

# Kernels write "no limit" in v1 as the largest multiple of the page size below 2**63.
_NO_LIMIT_BYTES = 1 << 60
_ROOT = Path("/")


@dataclass(frozen=True)
class _Mount:
    """Where a control group hierarchy is mounted.

    Attributes:
        folder: The mount point.
        inside: Path within the hierarchy that is mounted there (``/`` unless bind-mounted).
        controllers: Names of its v1 controllers; empty for v2.
    """

    folder: Path
    inside: str
    controllers: frozenset[str]


@dataclass(frozen=True)
class GroupPlace:
    """Where the group of this process is, in one hierarchy.

    Attributes:
        version: Version of the control group interface.
        folder: Folder of the group; the mount point where the group itself cannot be seen.
        mount: Where the hierarchy is mounted.
        is_own: Whether the folder is the group's own. In a container the path may lie outside of
            the mount: then the mount point has the limits, but also groups of others.
    """

    version: Literal[1, 2]
    folder: Path
    mount: Path
    is_own: bool


def memory_limit_bytes(*, root: Path = _ROOT) -> int | None:
    """Return the smallest memory limit on the way from this process's group up; None if none.

    Args:
        root: Stands for ``/`` (tests give a folder of their own).
    """
    limits = [
        limit
        for folder in _groups("memory", root)
        for name in ("memory.max", "memory.limit_in_bytes")
        if (limit := _read_int(folder / name)) is not None and limit < _NO_LIMIT_BYTES
    ]
    return min(limits, default=None)


def total_memory_bytes(*, root: Path = _ROOT) -> int:
    """Return the memory that this process may use: the limit, or the machine's memory."""
    machine = _meminfo(root)["MemTotal"]
    limit = memory_limit_bytes(root=root)
    return machine if limit is None else min(machine, limit)


def available_memory_bytes(*, root: Path = _ROOT) -> int:
    """Return the memory that is free for new processes now.

    The smallest of what the machine has available and, on each level of the control group, the
    limit less what is in use there (page cache that can be dropped does not count as in use).
    """
    free = [max(0, limit - used) for limit, used in _limits_and_use(root)]
    return min([_meminfo(root)["MemAvailable"], *free])


def used_memory_share(*, root: Path = _ROOT) -> float | None:
    """Return the share in use of the memory limit that is nearest to being reached; None if none.

    Page cache that can be dropped does not count as in use.
    """
    shares = [used / limit for limit, used in _limits_and_use(root) if limit > 0]
    return max(shares, default=None)


def cpu_quota(*, root: Path = _ROOT) -> float | None:
    """Return the CPUs that the bandwidth limits allow, such as 1.5; None if there is no limit."""
    quotas: list[float] = []
    for folder in _groups("cpu", root):
        words = _read_words(folder / "cpu.max")
        if len(words) == 2 and words[0] != "max":
            quotas.append(int(words[0]) / int(words[1]))
        quota = _read_int(folder / "cpu.cfs_quota_us")
        period = _read_int(folder / "cpu.cfs_period_us")
        if quota is not None and quota > 0 and period:
            quotas.append(quota / period)
    return min(quotas, default=None)


def cpu_count(*, root: Path = _ROOT) -> int:
    """Return the CPUs that this process may use: affinity, cpuset and quota, at least 1."""
    counts = [_affinity_count() if root == _ROOT else os.cpu_count() or 1]
    for folder in _groups("cpuset", root):
        for name in ("cpuset.cpus.effective", "cpuset.effective_cpus", "cpuset.cpus"):
            if text := read_text(folder / name):
                counts.append(len(parse_cpu_list(text)))
                break
    quota = cpu_quota(root=root)
    if quota is not None:
        counts.append(math.ceil(quota))
    return max(1, min(counts))


def parse_cpu_list(text: str) -> set[int]:
    """Return the CPUs of a kernel list such as ``0-3,8``."""
    cpus: set[int] = set()
    for part in filter(None, text.strip().split(",")):
        first, _, last = part.partition("-")
        cpus.update(range(int(first), int(last or first) + 1))
    return cpus


def _affinity_count() -> int:
    """Return the number of CPUs that the scheduler may run this process on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def group_places(
    controller: str, *, root: Path = _ROOT, proc: Path | None = None
) -> list[GroupPlace]:
    """Return the group of this process in each hierarchy that may have a controller.

    Args:
        controller: Such as ``memory``. A hierarchy of version 2 may be without it.
        root: Stands for ``/``.
        proc: Stands for ``/proc/self``; that below ``root`` if None.
    """
    proc = proc or root / "proc/self"
    own_paths = _own_groups(proc)
    places: list[GroupPlace] = []
    for mount in _mounts(proc, root):
        if mount.controllers and controller not in mount.controllers:
            continue
        own = own_paths.get(controller if mount.controllers else "")
        if own is None:
            continue
        inside = mount.inside.rstrip("/")
        is_below = own == inside or own.startswith(inside + "/")
        relative = own[len(inside) :] if is_below else "/"
        folder = mount.folder / relative.strip("/")
        is_own = (is_below or own == "/") and ".." not in folder.parts and folder.is_dir()
        version: Literal[1, 2] = 1 if mount.controllers else 2
        places.append(GroupPlace(version, folder if is_own else mount.folder, mount.folder, is_own))
    return places


def _groups(controller: str, root: Path) -> Iterator[Path]:
    """Yield the folders of this process's group for a controller, from its own up to the root."""
    for place in group_places(controller, root=root):
        folder = place.folder
        yield folder
        while folder != place.mount:
            folder = folder.parent
            yield folder


def _own_groups(proc: Path) -> dict[str, str]:
    """Return the group path of this process by v1 controller; under ``""`` for v2."""
    paths: dict[str, str] = {}
    for line in read_text(proc / "cgroup").splitlines():
        parts = line.split(":", 2)
        if len(parts) == 3:
            for controller in parts[1].split(","):
                paths[controller] = parts[2]
    return paths


def _mounts(proc: Path, root: Path) -> list[_Mount]:
    """Return the control group hierarchies that are mounted."""
    mounts: list[_Mount] = []
    for line in read_text(proc / "mountinfo").splitlines():
        mount_part, _, kind_part = line.partition(" - ")
        fields, kind = mount_part.split(), kind_part.split()
        if len(fields) < 5 or len(kind) < 3 or not kind[0].startswith("cgroup"):
            continue
        is_v1 = kind[0] == "cgroup"
        options = frozenset(kind[2].split(",")) if is_v1 else frozenset()
        mounts.append(_Mount(root / fields[4].lstrip("/"), fields[3], options))
    return mounts


def _limits_and_use(root: Path) -> Iterator[tuple[int, int]]:
    """Yield limit and use in bytes of each level of the control group that has a memory limit."""
    for folder in _groups("memory", root):
        for limit_name, usage_name, cache_name in (
            ("memory.max", "memory.current", "inactive_file"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        ):
            limit = _read_int(folder / limit_name)
            usage = _read_int(folder / usage_name)
            if limit is None or usage is None or limit >= _NO_LIMIT_BYTES:
                continue
            droppable = read_stat(folder / "memory.stat", cache_name)
            yield limit, max(0, usage - droppable)


def _meminfo(root: Path) -> dict[str, int]:
    """Return the machine's memory figures in bytes."""
    figures: dict[str, int] = {}
    for line in read_text(root / "proc/meminfo").splitlines():
        name, _, rest = line.partition(":")
        words = rest.split()
        if words and words[0].isdigit():
            figures[name] = int(words[0]) * (1024 if words[-1] == "kB" else 1)
    figures.setdefault("MemTotal", 0)
    figures.setdefault("MemAvailable", figures.get("MemFree", figures["MemTotal"]))
    return figures


def read_text(path: Path) -> str:
    """Return a file's text; empty if it cannot be read, as files of other versions cannot."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""


def _read_words(path: Path) -> list[str]:
    """Return the words of a file."""
    return read_text(path).split()


def _read_int(path: Path) -> int | None:
    """Return the integer that a file holds; None for ``max`` or nothing."""
    text = read_text(path).strip()
    return int(text) if text.lstrip("-").isdigit() else None


def read_stat(path: Path, name: str) -> int:
    """Return one figure of a ``memory.stat`` file; 0 if it is not there."""
    for line in read_text(path).splitlines():
        key, _, value = line.partition(" ")
        if key == name:
            return int(value)
    return 0
