"""The memory of a process tree, for machines without usable control groups.

The proportional set size (PSS) shares out the pages that several processes map: those that a trial
inherited from the fork server are not charged to it in full. Reading it walks all pages, so it is
read only where the resident set size (RSS), which is never smaller, exceeds the limit.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def resident_bytes(pid: int) -> int:
    """Return the resident set size of a process; 0 if it has ended."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES
    except (OSError, IndexError):
        return 0


def proportional_bytes(pid: int) -> int:
    """Return the proportional set size of a process, swapped pages included.

    It is the resident set size where the kernel does not provide it (Linux < 4.14, permissions).
    """
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return resident_bytes(pid)
    kibibytes = 0
    for line in lines:
        name, _, value = line.partition(":")
        if name in ("Pss", "SwapPss"):
            kibibytes += int(value.split()[0])
    return kibibytes * 1024


def tree_bytes(pids: Collection[int], limit_bytes: int | None) -> int:
    """Return the total memory of processes: the PSS if the RSS exceeds the limit, else the RSS."""
    resident = sum(resident_bytes(pid) for pid in pids)
    if limit_bytes is None or resident <= limit_bytes:
        return resident
    return sum(proportional_bytes(pid) for pid in pids)
