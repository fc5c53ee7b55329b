"""Many processes at once."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from pathlib import Path

import pytest

from tests.experience.contract.base import StoreFixtures
from tests.experience.contract.base import keys
from tests.experience.samples import sample
from xautolm_core.experience.store import ObjectExperienceStore
from xautolm_core.objects.contract import ObjectStorage

REPOSITORY = Path(__file__).parents[3]

Start = Callable[..., subprocess.Popen[str]]


class AtOnceContract(StoreFixtures):
    """Nothing is lost, nothing comes twice, nothing is torn."""

    def test_writers_readers_and_a_compactor_at_once(
        self, store: ObjectExperienceStore, address: str
    ) -> None:
        _work_at_once(store, address, writers=3, count=15, compactors=1, readers=1, grace="2")

    def test_a_writer_whose_clock_is_an_hour_behind(
        self, store: ObjectExperienceStore, storage: ObjectStorage, address: str
    ) -> None:
        store.append(sample("a", ended_at=datetime.now(UTC)))
        store.compact(grace=timedelta(0))
        written_at = store.stats().compacted_at
        assert written_at is not None
        hour_ago = (written_at - timedelta(hours=1)).isoformat()
        with processes() as start:
            told = ended(start("write-late", address, "late", hour_ago))
        assert [e.id for e in store.scan()] == [told, sample("a").id]
        assert store.stats().tail == 1
        assert store.compact(grace=timedelta(0)) == 1
        assert keys(storage, "experiences/") == []
        assert [e.id for e in store.scan()] == [told, sample("a").id]

    @pytest.mark.slow
    @pytest.mark.timeout(1800)
    def test_eight_writers_two_compactors_and_three_readers(
        self, store: ObjectExperienceStore, address: str
    ) -> None:
        _work_at_once(store, address, writers=8, count=500, compactors=2, readers=3, grace="0")

    def test_a_killed_writer_leaves_no_torn_object(
        self, store: ObjectExperienceStore, address: str
    ) -> None:
        chance = random.Random(5)
        told: set[str] = set()
        with processes() as start:
            for turn in range(4):
                writer = start("write", address, f"killed-{turn}", "100000")
                assert writer.stdout is not None
                told.add(writer.stdout.readline().strip())
                time.sleep(chance.uniform(0.0, 0.15))
                writer.send_signal(signal.SIGKILL)
                rest = writer.communicate()[0].splitlines()
                told.update(line for line in rest if len(line) == 32)
        found = list(store.scan())
        assert told <= {e.id for e in found}
        # At most the one that each was writing was not told any more.
        assert len(found) <= len(told) + 4
        assert store.faults == ()
        assert store.verify().faults == ()

    def test_a_killed_compactor_is_followed_by_the_next(
        self, store: ObjectExperienceStore, storage: ObjectStorage, address: str
    ) -> None:
        chance = random.Random(9)
        with processes() as start:
            for turn in range(4):
                for trial in range(10):
                    store.append(sample(f"s{turn}", trial))
                compactor = start("compact", address, "0")
                assert compactor.stdout is not None
                assert compactor.stdout.readline().strip() == "ready"
                time.sleep(chance.uniform(0.0, 0.3))
                compactor.send_signal(signal.SIGKILL)
                compactor.communicate()
                assert len(list(store.scan())) == 10 * (turn + 1)
        for _ in range(2):
            store.compact(grace=timedelta(0))
        assert keys(storage, "experiences/") == []
        assert len(list(store.scan())) == 40
        assert store.faults == ()
        assert store.verify().faults == ()

    def test_a_killed_forgetter_is_followed_by_the_next(
        self, store: ObjectExperienceStore, storage: ObjectStorage, address: str
    ) -> None:
        chance = random.Random(3)
        for trial in range(20):
            store.append(sample("s", trial, task_fingerprint=f"task-{trial % 4}"))
            if trial % 6 == 0:
                store.compact()
        with processes() as start:
            for task in range(4):
                forgetter = start("forget", address, f"task-{task}")
                assert forgetter.stdout is not None
                assert forgetter.stdout.readline().strip() == "ready"
                time.sleep(chance.uniform(0.0, 0.2))
                forgetter.send_signal(signal.SIGKILL)
                forgetter.communicate()
                assert len(list(store.scan())) in (20 - 5 * task, 15 - 5 * task)
                store.forget(task_fingerprint=f"task-{task}")
                assert len(list(store.scan())) == 15 - 5 * task
                assert store.totals().trials.total() == 20
                assert store.verify().faults == ()
        assert store.faults == ()


def _work_at_once(
    store: ObjectExperienceStore,
    address: str,
    *,
    writers: int,
    count: int,
    compactors: int,
    readers: int,
    grace: str,
) -> None:
    """Run processes until the writers are done; then all that was told must be there, once."""
    with processes() as start:
        around = [start("compact", address, grace) for _ in range(compactors)]
        around += [start("read", address) for _ in range(readers)]
        for process in around:
            assert process.stdout is not None
            assert process.stdout.readline().strip() == "ready"
        at_work = [start("write", address, f"search-{i}", str(count)) for i in range(writers)]
        at_work.append(start("write", address, "search-0", str(count)))
        told = [ended(writer).split() for writer in at_work]
        assert all(len(ids) == count for ids in told)
        answers = [stopped(process) for process in around]
    assert answers[:compactors] == [""] * compactors
    for answer in answers[compactors:]:
        name, reads = answer.split()
        assert name == "reads", answer
        assert int(reads) > 0
    for _ in range(2):
        found = list(store.scan())
        assert len(found) == writers * count
        assert {e.id for e in found} == {i for ids in told for i in ids}
        store.compact(grace=timedelta(0))
    assert store.faults == ()
    assert store.verify().faults == ()


@contextmanager
def processes() -> Iterator[Start]:
    """Start workers (see ``workers``); none of them outlives the block."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.experience.workers", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=REPOSITORY,
        )
        started.append(process)
        return process

    try:
        yield start
    finally:
        for process in started:
            process.kill()
            process.communicate()


def stopped(process: subprocess.Popen[str]) -> str:
    """Ask a worker to stop (its input ends), and return what it printed."""
    return ended(process)


def ended(process: subprocess.Popen[str]) -> str:
    out = process.communicate(timeout=1500)[0]
    assert process.returncode == 0, out
    return out.strip()
