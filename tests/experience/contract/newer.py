"""Segments that a newer version wrote: read as far as that is possible, and never touched."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.experience.contract.base import StoreFixtures
from tests.experience.contract.base import flip
from tests.experience.contract.base import keys
from tests.experience.contract.base import position_in_row_group
from tests.experience.contract.base import sealed
from tests.experience.samples import sample
from xautolm_core.experience.codec import canonical
from xautolm_core.experience.codec import encode
from xautolm_core.experience.columns import column_type
from xautolm_core.experience.segment import VERSION_KEY
from xautolm_core.experience.segment import name_segment
from xautolm_core.experience.store import ObjectExperienceStore
from xautolm_core.objects.contract import ObjectStorage

NOTHING = timedelta(0)
ROWS = 6

Change = Callable[[pa.Table], pa.Table]


def _with_number(table: pa.Table) -> pa.Table:
    """Add a column that has nothing to do with the experience."""
    return table.append_column("carbon_grams", pa.array(range(len(table)), pa.int64()))


def _with_word(table: pa.Table) -> pa.Table:
    return table.append_column("grid", pa.array(["green"] * len(table)).dictionary_encode())


def _with_moved_word(table: pa.Table) -> pa.Table:
    """Move a word from ``rest`` to a column of its own."""
    rests = [json.loads(text) for text in table["rest"].to_pylist()]
    words = pa.array([rest.pop("region") for rest in rests]).dictionary_encode()
    return _with_rests(table, rests).append_column("region", words)


def _with_moved_number(table: pa.Table) -> pa.Table:
    """Move a number of all but two rows to a column that this version cannot know."""
    rests = [json.loads(text) for text in table["rest"].to_pylist()]
    numbers = [rest.pop("schema_version") if i > 1 else None for i, rest in enumerate(rests)]
    return _with_rests(table, rests).append_column("moved", pa.array(numbers, pa.int64()))


def _with_fewer(table: pa.Table) -> pa.Table:
    assert table["failure"].null_count == len(table)
    return table.drop_columns(["failure"])


def _with_other_ids(table: pa.Table) -> pa.Table:
    ids = pa.array([value.hex() for value in table["id"].to_pylist()])
    return table.set_column(table.schema.get_field_index("id"), "id", ids)


def _with_rests(table: pa.Table, rests: list[object]) -> pa.Table:
    texts = pa.array([canonical(rest) for rest in rests]).dictionary_encode()
    index = table.schema.get_field_index("rest")
    return table.set_column(index, "rest", texts.cast(column_type("rest")))


CHANGES: dict[str, tuple[Change, bytes, int]] = {
    "number": (_with_number, b"2", ROWS),
    "number-in-this-layout": (_with_number, b"1", ROWS),
    "word": (_with_word, b"2", ROWS),
    "nothing": (lambda table: table, b"17", ROWS),
    "fewer": (_with_fewer, b"2", ROWS),
    "moved-number": (_with_moved_number, b"2", 2),
    "ids": (_with_other_ids, b"2", 0),
}
"""What is changed, the version of the layout, and how many rows can be read then."""


def put_newer(storage: ObjectStorage, change: Change, version: bytes) -> str:
    """Replace the only segment of a store by one that a newer version might have written."""
    (old,) = keys(storage, "segments/")
    table = change(pq.read_table(pa.BufferReader(storage.get(old))))
    sink = pa.BufferOutputStream()
    versioned = table.replace_schema_metadata({VERSION_KEY: version})
    pq.write_table(versioned, sink, compression="zstd", write_page_checksum=True)
    data = sink.getvalue()
    ends = [table["ended_at"][place].as_py() for place in (0, -1)]
    segment = name_segment(data, generation=1, ends=ends, rows=len(table))
    storage.put(segment.key, data.to_pybytes())
    storage.delete(old)
    return segment.key


class NewerContract(StoreFixtures):
    """An older version is a careful guest."""

    @pytest.fixture(params=sorted(CHANGES))
    def change(self, request: pytest.FixtureRequest) -> tuple[Change, bytes, int]:
        return CHANGES[request.param]

    def test_a_newer_segment_is_read_and_never_touched(
        self,
        store: ObjectExperienceStore,
        storage: ObjectStorage,
        change: tuple[Change, bytes, int],
    ) -> None:
        _fill(store)
        key = put_newer(storage, change[0], change[1])
        data, readable = storage.get(key), change[2]
        fresh = ObjectExperienceStore(storage)
        assert list(fresh.scan()) == [sample("new", trial) for trial in range(readable)]
        assert fresh.stats().experiences == readable
        assert fresh.totals().trials.total() == readable
        assert sum(len(part.table(["id", "outcome"])) for part in fresh.view().segments) == readable
        expected = {key} if readable < ROWS else set()
        assert {fault.key for fault in fresh.faults} == expected
        report = fresh.verify()
        assert {fault.key for fault in report.faults} == expected
        for trial in range(12):
            fresh = ObjectExperienceStore(storage)
            fresh.append(sample("more", trial))
            fresh.compact(grace=NOTHING)
        assert storage.get(key) == data
        assert len(list(ObjectExperienceStore(storage).scan())) == readable + 12

    def test_a_word_that_moved_to_a_column_is_read_there(
        self, store: ObjectExperienceStore, storage: ObjectStorage
    ) -> None:
        for trial in range(ROWS):
            content = json.loads(encode(sample("new", trial)))["experience"]
            content["region"] = "north"
            storage.put(f"experiences/default/2026-03-01/{trial}.json", sealed(content))
        store.compact(grace=NOTHING)
        texts = [row.payload.text for row, _ in store.rows()]
        assert len(texts) == ROWS
        put_newer(storage, _with_moved_word, b"2")
        fresh = ObjectExperienceStore(storage)
        assert [row.payload.text for row, _ in fresh.rows()] == texts

    @pytest.mark.parametrize("name", ["number", "moved-number", "ids"])
    def test_single_objects_that_a_newer_segment_covers_stay(
        self, store: ObjectExperienceStore, storage: ObjectStorage, name: str
    ) -> None:
        _fill(store, timedelta(hours=1))  # the objects are still there
        put_newer(storage, *CHANGES[name][:2])
        assert len(list(ObjectExperienceStore(storage).scan())) == ROWS
        for _ in range(3):
            ObjectExperienceStore(storage).compact(grace=NOTHING)
        covered = CHANGES[name][2]
        assert len(keys(storage, "experiences/")) == covered
        assert len(list(ObjectExperienceStore(storage).scan())) == ROWS

    @pytest.mark.parametrize("name", ["number", "moved-number", "ids"])
    def test_what_is_forgotten_in_a_newer_segment_is_hidden_and_named(
        self, store: ObjectExperienceStore, storage: ObjectStorage, name: str
    ) -> None:
        store.append(sample("new", 0, task_fingerprint="secret"))
        _fill(store, first=1)
        key = put_newer(storage, *CHANGES[name][:2])
        data = storage.get(key)
        fresh = ObjectExperienceStore(storage)
        assert {fault.key for fault in fresh.forget(task_fingerprint="secret").left} == {key}
        fresh.compact(grace=NOTHING)
        assert storage.get(key) == data
        assert 0 not in [e.trial_number for e in fresh.scan()]

    def test_what_is_forgotten_and_cannot_be_read_in_a_newer_segment_is_named(
        self, store: ObjectExperienceStore, storage: ObjectStorage
    ) -> None:
        store.append(sample("new", 7, task_fingerprint="secret"))
        _fill(store, timedelta(hours=1))  # the objects are still there
        key = put_newer(storage, _with_moved_number, b"2")
        fresh = ObjectExperienceStore(storage)
        report = fresh.forget(task_fingerprint="secret")
        assert report.experiences == 1
        assert {fault.key for fault in report.left} == {key}

    def test_a_flipped_bit_in_a_newer_segment_is_named_and_left_to_its_version(
        self, store: ObjectExperienceStore, storage: ObjectStorage
    ) -> None:
        _fill(store)
        key = put_newer(storage, _with_number, b"2")
        flip(storage, key, position_in_row_group(storage, key, 0))
        report = ObjectExperienceStore(storage).verify()
        (fault,) = report.faults
        assert fault.key == key
        assert "newer xautolm" in fault.problem


def _fill(store: ObjectExperienceStore, grace: timedelta = NOTHING, first: int = 0) -> None:
    for trial in range(first, ROWS):
        store.append(sample("new", trial))
    store.compact(grace=grace)
