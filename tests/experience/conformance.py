"""What every experience store must do. A backend's test subclasses ``ExperienceStoreContract``."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.experience.samples import START
from tests.experience.samples import sample
from xautolm_core.errors import StoreError
from xautolm_core.experience.codec import encode
from xautolm_core.experience.contract import ExperienceFilter
from xautolm_core.experience.contract import SnapshotId
from xautolm_core.experience.schema import Experience
from xautolm_core.experience.schema import ExperienceFailure
from xautolm_core.experience.store import ObjectExperienceStore
from xautolm_core.objects.contract import ObjectInfo
from xautolm_core.objects.contract import ObjectStorage
from xautolm_core.outcomes import Outcome

WRITERS = 4
EXPERIENCES_A_WRITER = 25
REPOSITORY = Path(__file__).parents[2]


class Killed(BaseException):
    """Stands for SIGKILL: nothing may catch it."""


class DyingStorage:
    """Passes everything on, and dies before or after the n-th change."""

    def __init__(self, inner: ObjectStorage, changes: int, *, after: bool) -> None:
        self._inner = inner
        self._left = changes
        self._after = after

    def put(self, key: str, data: bytes) -> None:
        self._change(lambda: self._inner.put(key, data))

    def delete(self, key: str) -> None:
        self._change(lambda: self._inner.delete(key))

    def delete_many(self, keys: Iterable[str]) -> None:
        for key in keys:
            self.delete(key)

    def get(self, key: str) -> bytes:
        return self._inner.get(key)

    def get_many(self, keys: Iterable[str]) -> Iterator[tuple[str, bytes | StoreError]]:
        return self._inner.get_many(keys)

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        return self._inner.list(prefix)

    def _change(self, act: Callable[[], None]) -> None:
        self._left -= 1
        if self._left == 0 and not self._after:
            raise Killed
        act()
        if self._left == 0:
            raise Killed


class ExperienceStoreContract:
    """Subclasses give the fixtures ``storage`` (empty) and ``address`` (of the same storage)."""

    @pytest.fixture
    def storage(self) -> ObjectStorage:
        raise NotImplementedError

    @pytest.fixture
    def address(self) -> str:
        raise NotImplementedError

    @pytest.fixture
    def store(self, storage: ObjectStorage) -> ObjectExperienceStore:
        return ObjectExperienceStore(storage)

    # Appending and scanning

    def test_an_empty_store_is_fine(self, store: ObjectExperienceStore) -> None:
        assert list(store.scan()) == []
        assert store.get("absent") is None
        assert store.compact() == 0
        assert list(store.read(store.snapshot())) == []
        assert store.verify().faults == ()

    def test_what_was_appended_is_scanned(self, store: ObjectExperienceStore) -> None:
        experience = sample()
        assert store.append(experience) == experience.id
        assert list(store.scan()) == [experience]
        assert store.get(experience.id) == experience

    def test_appending_again_changes_nothing(
        self, store: ObjectExperienceStore, storage: ObjectStorage
    ) -> None:
        store.append(sample())
        before = [(i.key, storage.get(i.key)) for i in storage.list()]
        store.append(sample())
        store.append(sample(scores={}))
        assert [(i.key, storage.get(i.key)) for i in storage.list()] == before

    def test_the_same_attempt_with_another_date_comes_once(
        self, store: ObjectExperienceStore
    ) -> None:
        first, second = sample(), sample(ended_at=START + timedelta(days=2))
        store.append(second)
        store.append(first)
        assert list(store.scan()) == [first]
        store.compact()
        assert list(store.scan()) == [first]

    def test_a_scan_is_ordered_by_end_and_id(self, store: ObjectExperienceStore) -> None:
        experiences = [sample("a", 5), sample("b", 1), sample("c", 1), sample("a", 0)]
        for experience in experiences:
            store.append(experience)
        expected = sorted(experiences, key=lambda e: (e.ended_at, e.id))
        assert list(store.scan()) == expected
        store.compact()
        store.append(sample("late", 3))
        assert [e.search_id for e in store.scan()][-2:] == ["late", "a"]

    def test_filters_choose(self, store: ObjectExperienceStore) -> None:
        store.append(sample("a", 0))
        store.append(sample("a", 1, outcome=Outcome.OOM_HOST))
        store.append(sample("b", 2, tenant="other", task_name="news", task_fingerprint="0"))

        def found(**wanted: object) -> list[int]:
            return [e.trial_number for e in store.scan(ExperienceFilter(**wanted))]  # type: ignore[arg-type]

        assert found() == [0, 1, 2]
        assert found(tenant="other") == [2]
        assert found(search_id="a") == [0, 1]
        assert found(exclude_search_id="a") == [2]
        assert found(outcomes=(Outcome.OOM_HOST,)) == [1]
        assert found(task_name="news") == [2]
        assert found(task_types=("text-classification",)) == [0, 1, 2]
        assert found(task_types=("question-answering",)) == []
        assert found(extractor="another") == []
        assert found(ended_before=START + timedelta(minutes=30)) == [0]

    def test_get_takes_an_unambiguous_beginning(self, store: ObjectExperienceStore) -> None:
        one = sample("a", 0, id="abcd1" + "0" * 27)
        other = sample("a", 1, id="abcd2" + "0" * 27)
        store.append(one)
        for _ in range(2):
            store.append(other)
            assert store.get("abcd1") == one
            assert store.get(other.id) == other
            assert store.get("abc") is None
            assert store.get("abcd3") is None
            assert store.get("../etc") is None
            with pytest.raises(StoreError, match="2 experiences begin with"):
                store.get("abcd")
            store.compact(grace=timedelta(0))

    def test_an_id_that_is_none_is_refused(self, store: ObjectExperienceStore) -> None:
        with pytest.raises(StoreError, match="no id of an experience"):
            store.append(sample(id="../x"))

    def test_odd_names_make_safe_and_distinct_keys(
        self, store: ObjectExperienceStore, storage: ObjectStorage
    ) -> None:
        names = ["a/b", "a_b", "../../etc", "é" * 200, "a b", ".hidden"]
        for name in names:
            store.append(sample(name))
        assert {e.search_id for e in store.scan()} == set(names)
        assert len(list(storage.list("experiences/default/2026-03-01/"))) == len(names)
        with pytest.raises(StoreError, match="no usable name"):
            store.append(sample(tenant="../up"))

    def test_what_must_not_be_kept_is_not(self, store: ObjectExperienceStore) -> None:
        failure = ExperienceFailure(
            kind="OSError", message="cannot read\n/home/someone/data.csv " + "x" * 500
        )
        features = sample().task_features.model_copy(
            update={"values": {"rows": float("nan"), "words": 3.0}}
        )
        store.append(
            sample(failure=failure, task_features=features, seconds={"train": float("inf")})
        )
        (kept,) = store.scan()
        assert kept.failure is not None
        assert "someone" not in kept.failure.message
        assert "\n" not in kept.failure.message
        assert len(kept.failure.message) <= 300
        assert kept.task_features.values == {"rows": None, "words": 3.0}
        assert kept.seconds == {}

    # Snapshots and compaction

    def test_a_snapshot_is_read_exactly(self, store: ObjectExperienceStore) -> None:
        first = [sample("a", i) for i in range(3)]
        for experience in first:
            store.append(experience)
        pinned = store.snapshot()
        assert store.snapshot() == pinned
        store.append(sample("a", 9))
        store.append(sample("early", 0, ended_at=START - timedelta(days=9)))
        assert list(store.read(pinned)) == first
        assert store.compact() == 5
        assert list(store.read(pinned)) == first
        assert len(list(store.scan())) == 5

    def test_a_snapshot_of_compacted_experiences(self, store: ObjectExperienceStore) -> None:
        store.append(sample("a", 0))
        store.compact()
        store.append(sample("a", 1))
        pinned = store.snapshot()
        store.compact()
        assert [e.trial_number for e in store.read(pinned)] == [0, 1]

    def test_an_unknown_snapshot_is_refused(self, store: ObjectExperienceStore) -> None:
        for value in ("0" * 64, "../../etc/passwd", ""):
            with pytest.raises(StoreError):
                store.read(SnapshotId(value))

    def test_a_snapshot_names_what_is_gone(
        self, store: ObjectExperienceStore, storage: ObjectStorage
    ) -> None:
        store.append(sample("a", 0))
        store.append(sample("a", 1))
        pinned = store.snapshot()
        (first, _) = [i.key for i in storage.list("experiences/")]
        storage.delete(first)
        assert [e.trial_number for e in store.read(pinned)] == [1]
        assert [(f.key, f.problem) for f in store.faults] == [(first, "is gone")]

    def test_compaction_counts_and_keeps_everything(
        self, store: ObjectExperienceStore, storage: ObjectStorage
    ) -> None:
        for trial in range(4):
            store.append(sample("a", trial))
        before = list(store.scan())
        assert store.compact() == 4
        assert store.compact() == 0
        assert list(store.scan()) == before
        store.append(sample("b", 0))
        assert store.compact() == 1
        assert len(list(store.scan())) == 5
        assert len(list(storage.list("experiences/"))) == 5
        assert store.verify().faults == ()

    def test_an_object_with_an_old_clock_belongs_to_the_tail(
        self, store: ObjectExperienceStore
    ) -> None:
        store.append(sample("a", 0))
        store.compact()
        store.append(sample("late", 0, ended_at=START - timedelta(days=400)))
        assert [e.search_id for e in store.scan()] == ["late", "a"]

    @pytest.mark.parametrize("after", [False, True])
    @pytest.mark.parametrize("grace_seconds", [0, 3600])
    def test_compaction_may_be_killed_at_any_step(
        self,
        store: ObjectExperienceStore,
        storage: ObjectStorage,
        grace_seconds: int,
        after: bool,
    ) -> None:
        grace = timedelta(seconds=grace_seconds)
        for trial in range(12):
            store.append(sample("a", trial))
            store.compact(grace=grace)
        store.append(sample("a", 12))
        pinned = store.snapshot()
        store.append(sample("b", 0, ended_at=START - timedelta(days=1)))
        expected = list(store.scan())
        for step in range(1, 1000):
            dying = ObjectExperienceStore(DyingStorage(storage, step, after=after))  # type: ignore[arg-type]
            try:
                dying.compact(grace=grace)
            except Killed:
                assert list(store.scan()) == expected
                assert len(list(store.read(pinned))) == 13
                assert store.faults == ()
                store.append(sample("b", step))
                expected = list(store.scan())
            else:
                break
        assert step > 3
        store.compact(grace=timedelta(0))
        assert list(store.scan()) == expected
        assert len(list(store.read(pinned))) == 13
        assert store.verify().faults == ()
        assert list(storage.list("experiences/")) == []

    # Corruption

    @pytest.mark.parametrize(
        "damage",
        [
            lambda data: b"",
            lambda data: data[: len(data) // 2],
            lambda data: data.replace(b"0.8", b"0.9", 1),
            lambda data: b"\xff" + data[1:],
            lambda data: b"[]",
            lambda data: b'{"digest":"x","experience":{}}',
            lambda data: b"null",
            lambda data: b"[" * 100_000,
        ],
    )
    def test_a_corrupt_object_is_named_and_skipped(
        self,
        store: ObjectExperienceStore,
        storage: ObjectStorage,
        damage: Callable[[bytes], bytes],
    ) -> None:
        good = sample("good")
        store.append(good)
        store.append(sample("bad"))
        key = _key(storage, "bad")
        storage.put(key, damage(storage.get(key)))
        assert list(store.scan()) == [good]
        assert [fault.key for fault in store.faults] == [key]
        assert [fault.key for fault in store.verify().faults] == [key]
        assert store.compact() == 1
        assert list(store.read(store.snapshot())) == [good]
        damaged = storage.get(key)
        # Written again, it is found again, and the corrupt object is still there as evidence.
        store.append(sample("bad"))
        store.append(sample("bad"))
        assert {e.search_id for e in store.scan()} == {"good", "bad"}
        assert storage.get(key) == damaged
        assert len(list(storage.list("experiences/"))) == 3

    def test_a_corrupt_object_is_still_read_from_a_segment(
        self, store: ObjectExperienceStore, storage: ObjectStorage
    ) -> None:
        store.append(sample())
        pinned = store.snapshot()
        store.compact()
        key = _key(storage, "search")
        storage.put(key, b"torn")
        assert list(store.scan()) == [sample()]
        assert list(store.read(pinned)) == [sample()]
        assert [fault.key for fault in store.verify().faults] == [key]
        store.compact(grace=timedelta(0))
        assert storage.get(key) == b"torn"

    @pytest.mark.parametrize("kind", ["segments/", "manifests/"])
    @pytest.mark.parametrize("remove", [False, True])
    def test_a_broken_segment_or_manifest_costs_speed_alone(
        self, store: ObjectExperienceStore, storage: ObjectStorage, kind: str, remove: bool
    ) -> None:
        for trial in range(3):
            store.append(sample("a", trial))
        store.compact()
        store.append(sample("a", 3))
        store.compact()
        for info in list(storage.list(kind)):
            data = storage.get(info.key)
            if remove:
                storage.delete(info.key)
            else:
                storage.put(info.key, data[:-9] + b"?" + data[-8:])
        assert len(list(store.scan())) == 4
        if not (remove and kind == "manifests/"):
            assert store.faults
            assert store.verify().faults
        assert store.compact() == 4
        assert len(list(store.scan())) == 4

    def test_a_foreign_file_is_named_and_left_alone(
        self, store: ObjectExperienceStore, storage: ObjectStorage
    ) -> None:
        store.append(sample())
        storage.put("experiences/default/README.txt", b"hello")
        assert len(list(store.scan())) == 1
        assert [f.key for f in store.faults] == ["experiences/default/README.txt"]
        assert store.verify().objects == 2
        assert storage.get("experiences/default/README.txt") == b"hello"

    def test_what_a_newer_version_wrote_is_read(
        self, store: ObjectExperienceStore, storage: ObjectStorage
    ) -> None:
        content = json.loads(encode(sample()))["experience"]
        content["schema_version"] = 9
        content["carbon_grams"] = 3.5
        content["configuration"]["quantization"] = "int4"
        storage.put("experiences/default/2026-03-01/new.json", _sealed(content))
        content["id"], content["outcome"] = "0" * 32, "abducted"
        storage.put("experiences/default/2026-03-01/odd.json", _sealed(content))
        (found,) = store.scan()
        assert found.schema_version == 9
        assert found.configuration == sample().configuration
        (fault,) = store.faults
        assert "outcome" in fault.problem
        assert "schema version 9" in fault.problem

    # Many processes at once

    def test_writers_readers_and_a_compactor_at_once(
        self, store: ObjectExperienceStore, address: str
    ) -> None:
        seconds = "8"
        readers = [_worker("read", address, seconds) for _ in range(2)]
        compactor = _worker("compact", address, seconds)
        writers = [
            _worker("write", address, f"search-{i}", str(EXPERIENCES_A_WRITER))
            for i in range(WRITERS)
        ]
        twin = _worker("write", address, "search-0", str(EXPERIENCES_A_WRITER))
        told = [_ended(writer).split() for writer in (*writers, twin)]
        assert all(len(ids) == EXPERIENCES_A_WRITER for ids in told)
        for reader in readers:
            answer = _ended(reader).split()
            assert answer[:1] == ["reads"], answer
            assert int(answer[1]) > 1
        assert _ended(compactor) == ""
        assert len(list(store.scan())) == WRITERS * EXPERIENCES_A_WRITER
        assert {e.id for e in store.scan()} == {i for ids in told for i in ids}
        store.compact()
        assert len(list(store.scan())) == WRITERS * EXPERIENCES_A_WRITER
        assert store.verify().faults == ()

    def test_a_killed_writer_leaves_no_torn_object(
        self, store: ObjectExperienceStore, address: str
    ) -> None:
        chance = random.Random(5)
        told: set[str] = set()
        for turn in range(4):
            writer = _worker("write", address, f"killed-{turn}", "100000")
            assert writer.stdout is not None
            told.add(writer.stdout.readline().strip())
            time.sleep(chance.uniform(0.0, 0.15))
            writer.send_signal(signal.SIGKILL)
            rest = writer.communicate()[0].splitlines()
            told.update(line for line in rest if len(line) == 32)
        found: list[Experience] = list(store.scan())
        assert told <= {e.id for e in found}
        # At most the one that each was writing was not told any more.
        assert len(found) <= len(told) + 4
        assert store.faults == ()
        assert store.verify().faults == ()


def _key(storage: ObjectStorage, search: str) -> str:
    keys: list[ObjectInfo] = [i for i in storage.list("experiences/") if f"-{search}-" in i.key]
    return keys[0].key


def _sealed(content: dict[str, object]) -> bytes:
    from xautolm_core.experience.codec import canonical
    from xautolm_core.experience.codec import digest_of

    text = canonical(content)
    return f'{{"digest":"{digest_of(text)}","experience":{text}}}'.encode()


def _worker(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.experience.workers", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
    )


def _ended(process: subprocess.Popen[str]) -> str:
    out = process.communicate(timeout=120)[0]
    assert process.returncode == 0
    return out.strip()
