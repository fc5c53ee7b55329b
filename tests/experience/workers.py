"""Processes that write to, read from and compact a store while a test watches.

Run as ``python -m tests.experience.workers ROLE ADDRESS ARGUMENT``.
"""

from __future__ import annotations

import sys
import time

from tests.experience.samples import sample
from xautolm_core.experience.open import open_store


def write(address: str, search: str, count: int) -> None:
    """Append experiences, telling each id once its append has returned."""
    store = open_store(address)
    for trial in range(count):
        print(store.append(sample(search, trial)), flush=True)


def read(address: str, seconds: float) -> None:
    """Read all the time; print what was wrong, and how many reads there were."""
    store = open_store(address)
    end = time.monotonic() + seconds
    reads, known = 0, 0
    while time.monotonic() < end:
        found = list(store.scan())
        ids = [experience.id for experience in found]
        if len(set(ids)) != len(ids):
            print("an experience came twice")
        if len(ids) < known:
            print(f"{known} experiences became {len(ids)}")
        if found != sorted(found, key=lambda e: (e.ended_at, e.id)):
            print("not in order")
        known = len(ids)
        pinned = store.snapshot()
        if len(list(store.read(pinned))) < known:
            print("a snapshot lost something")
        reads += 1
    for fault in store.faults:
        print(f"fault {fault}")
    print(f"reads {reads}")


def compact(address: str, seconds: float) -> None:
    """Compact all the time."""
    store = open_store(address)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        store.compact()
    for fault in store.faults:
        print(f"fault {fault}")


if __name__ == "__main__":
    role, address, argument, *rest = sys.argv[1:]
    if role == "write":
        write(address, argument, int(rest[0]))
    elif role == "read":
        read(address, float(argument))
    else:
        compact(address, float(argument))
