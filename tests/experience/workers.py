"""Processes that write to, read from and compact a store while a test watches.

Run as ``python -m tests.experience.workers ROLE ADDRESS ARGUMENT...``. Those that work until they
are told to stop first print ``ready``; they stop when their input ends.
"""

from __future__ import annotations

import sys
import threading
from datetime import datetime
from datetime import timedelta

from tests.experience.samples import sample
from xautolm_core.experience.open import open_store
from xautolm_core.experience.store import ObjectExperienceStore


def write(address: str, search: str, count: int) -> None:
    """Append experiences, telling each id once its append has returned."""
    store = _open(address)
    for trial in range(count):
        print(store.append(sample(search, trial)), flush=True)


def write_late(address: str, search: str, started_at: str) -> None:
    """Append one experience by a clock that shows an earlier time."""
    started = datetime.fromisoformat(started_at)
    late = sample(search, started_at=started, ended_at=started + timedelta(minutes=1))
    print(_open(address).append(late), flush=True)


def read(address: str) -> None:
    """Read all the time; print what was wrong, and how many reads there were."""
    store = _open(address)
    told_to_stop = _told_to_stop()
    reads, known = 0, set[str]()
    while not told_to_stop.is_set():
        found = list(store.scan())
        ids = [experience.id for experience in found]
        if len(set(ids)) != len(ids):
            print("an experience came twice")
        if not known <= set(ids):
            print(f"{len(known - set(ids))} of {len(known)} experiences were lost")
        if found != sorted(found, key=lambda e: (e.ended_at, e.id)):
            print("not in order")
        known = set(ids)
        reads += 1
    for fault in store.faults:
        print(f"fault {fault}")
    print(f"reads {reads}")


def compact(address: str, grace_seconds: float) -> None:
    """Compact all the time."""
    store = _open(address)
    told_to_stop = _told_to_stop()
    while not told_to_stop.is_set():
        store.compact(grace=timedelta(seconds=grace_seconds))
    for fault in store.faults:
        print(f"fault {fault}")


def forget(address: str, task: str) -> None:
    """Forget a task."""
    store = _open(address)
    print("ready", flush=True)
    store.forget(task_fingerprint=task)


def _open(address: str) -> ObjectExperienceStore:
    store = open_store(address)
    assert isinstance(store, ObjectExperienceStore)
    store.totals()  # so that all that is needed is imported
    return store


def _told_to_stop() -> threading.Event:
    event = threading.Event()

    def wait() -> None:
        sys.stdin.read()
        event.set()

    threading.Thread(target=wait, daemon=True).start()
    print("ready", flush=True)
    return event


if __name__ == "__main__":
    role, where, *rest = sys.argv[1:]
    if role == "write":
        write(where, rest[0], int(rest[1]))
    elif role == "write-late":
        write_late(where, *rest)
    elif role == "read":
        read(where)
    elif role == "compact":
        compact(where, float(rest[0]))
    else:
        forget(where, rest[0])
