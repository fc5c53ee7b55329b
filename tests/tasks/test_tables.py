"""What becomes of the columns of Parquet files and of shards."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tasks.data import rows
from tests.tasks.data import write_jsonl
from xautolm_core.errors import DataError
from xautolm_core.tasks.labels import read_labels
from xautolm_core.tasks.load import load_task
from xautolm_core.tasks.parquet_table import read_parquet
from xautolm_core.tasks.source import read_task_spec
from xautolm_core.tasks.tables import Table
from xautolm_core.tasks.tables import concatenate
from xautolm_core.tasks.task import SPLIT_NAMES


def as_hub(table: pa.Table, names: list[str] | None, column: str = "label") -> pa.Table:
    """Return a table with the class names that the ``datasets`` library would write."""
    if names is None:
        return table
    features = {column: {"names": names, "_type": "ClassLabel"}}
    return table.replace_schema_metadata(
        {"huggingface": json.dumps({"info": {"features": features}})}
    )


def contents(folder: Path) -> list[tuple[str, str]]:
    task = load_task(read_task_spec(str(folder)))
    return sorted(
        (text, task.labels[label])
        for split in SPLIT_NAMES
        for text, label in zip(
            task.splits[split].texts.to_pylist(), task.splits[split].labels, strict=True
        )
    )


_NAMES = st.lists(st.sampled_from("abcdef"), min_size=1, max_size=6, unique=True)


@given(
    st.lists(st.tuples(_NAMES, st.lists(st.integers(-2, 6), max_size=8)), min_size=1, max_size=4)
)
def test_shards_keep_the_class_names_of_their_rows(
    shards: list[tuple[list[str], list[int]]],
) -> None:
    tables = [
        Table(
            str(number), len(codes), {"y": pa.chunked_array([pa.array(codes, pa.int8())])}, {"y": n}
        )
        for number, (n, codes) in enumerate(shards)
    ]
    joined = concatenate(tables)
    found = read_labels({"train": joined}, "y", None)
    read = [found.names[i] if i >= 0 else None for i in found.indices["train"]]
    meant = [n[c] if 0 <= c < len(n) else None for n, codes in shards for c in codes]
    assert read == meant
    assert joined.rows == len(meant)


def test_shards_whose_class_names_are_in_another_order(tmp_path: Path) -> None:
    records = rows(120)
    for number, names in enumerate((["neg", "pos"], ["pos", "neg"])):
        part = records[number * 60 : number * 60 + 60]
        coded = [{**r, "label": names.index(r["label"])} for r in part]
        table = as_hub(pa.Table.from_pylist(coded), names)
        pq.write_table(table, tmp_path / f"train-{number}-of-2.parquet")
    assert contents(tmp_path) == sorted((r["text"], r["label"]) for r in records)


def test_splits_whose_class_names_are_in_another_order(tmp_path: Path) -> None:
    records = rows(60)
    for split, names in (("train", ["neg", "pos"]), ("test", ["other", "pos", "neg"])):
        coded = [{"text": split + r["text"], "label": names.index(r["label"])} for r in records]
        pq.write_table(as_hub(pa.Table.from_pylist(coded), names), tmp_path / f"{split}.parquet")
    expected = [(split + r["text"], r["label"]) for r in records for split in ("train", "test")]
    assert contents(tmp_path) == sorted(expected)


def test_shards_of_which_only_one_knows_the_class_names_are_refused(tmp_path: Path) -> None:
    table = pa.Table.from_pylist([{**r, "label": i % 2} for i, r in enumerate(rows())])
    pq.write_table(as_hub(table, ["a", "b"]), tmp_path / "train-0-of-2.parquet")
    pq.write_table(table, tmp_path / "train-1-of-2.parquet")
    with pytest.raises(DataError, match=r"train-0-of-2\.parquet names the classes of .*'label'"):
        contents(tmp_path)


def test_categories_in_another_order_are_mapped_by_name(tmp_path: Path) -> None:
    records = rows(120)
    for number, categories in enumerate((["neg", "pos"], ["pos", "unused", "neg"])):
        part = records[number * 60 : number * 60 + 60]
        codes = pa.array([categories.index(r["label"]) for r in part], pa.int8())
        table = pa.table(
            {
                "text": [r["text"] for r in part],
                "label": pa.DictionaryArray.from_arrays(codes, categories),
            }
        )
        pq.write_table(table, tmp_path / f"train-{number}-of-2.parquet")
    assert contents(tmp_path) == sorted((r["text"], r["label"]) for r in records)


@pytest.mark.parametrize(
    ("one", "other", "joined"),
    [
        (pa.array([1, 2], pa.int8()), pa.array([300], pa.int32()), [1, 2, 300]),
        (pa.array([1, 2], pa.int64()), pa.array([0.5], pa.float32()), [1.0, 2.0, 0.5]),
        (pa.nulls(2), pa.array(["a"]), [None, None, "a"]),
        (pa.array(["a"]), pa.array([b"b"], pa.binary()), ["a", "b"]),
        (pa.array(["a"]), pa.array([b"\xff"], pa.binary()), [b"a", b"\xff"]),
        (pa.nulls(1), pa.nulls(2), [None] * 3),
        (pa.array([[1]]), pa.array(["a"]), []),
        (pa.array(["a"]), pa.array([1]), None),
        (pa.array([True]), pa.array([1]), None),
        (pa.array([2**63], pa.uint64()), pa.array([1]), None),
    ],
)
def test_shards_of_other_types(
    tmp_path: Path, one: pa.Array, other: pa.Array, joined: list[Any] | None
) -> None:
    tables = []
    for number, values in enumerate((one, other)):
        file = tmp_path / f"{number}.parquet"
        pq.write_table(pa.table({"x": values}), file)
        tables.append(read_parquet(file))
    if joined is None:
        with pytest.raises(DataError, match="column 'x' has different types"):
            concatenate(tables)
        return
    column = concatenate(tables).columns["x"]
    assert (column if isinstance(column, list) else column.to_pylist()) == joined


def test_shards_with_other_columns_are_refused_by_name(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "train-0-of-2.jsonl", rows())
    write_jsonl(tmp_path / "train-1-of-2.jsonl", [{**r, "more": 1} for r in rows()])
    with pytest.raises(DataError, match=r"train-0-of-2\.jsonl has no column 'more'"):
        contents(tmp_path)


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    columns = [pa.array(["a"]), pa.array(["b"]), pa.array([1])]
    pq.write_table(pa.Table.from_arrays(columns, ["text", "text", "label"]), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"a\.parquet has the column 'text' twice"):
        contents(tmp_path / "a.parquet")


class TestBytes:
    @pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.binary(8)])
    def test_strings_stored_as_bytes_are_read(self, tmp_path: Path, kind: pa.DataType) -> None:
        records = [(f"né {number:04}", r["label"]) for number, r in enumerate(rows())]
        table = pa.table(
            {
                "text": pa.array([text.encode() for text, _ in records], kind),
                "label": pa.array([label.encode() for _, label in records], pa.binary()),
            }
        )
        pq.write_table(table, tmp_path / "a.parquet")
        assert contents(tmp_path / "a.parquet") == sorted(records)

    def test_categories_stored_as_bytes_are_read(self, tmp_path: Path) -> None:
        labels = pa.array([r["label"].encode() for r in rows()]).dictionary_encode()
        table = pa.table({"text": [r["text"] for r in rows()], "label": labels})
        pq.write_table(table, tmp_path / "a.parquet")
        assert {label for _, label in contents(tmp_path / "a.parquet")} == {"neg", "pos"}

    @pytest.mark.parametrize("column", ["text", "label"])
    @pytest.mark.parametrize("stored_as", [pa.binary(), pa.string()])
    def test_what_is_no_utf8_is_named_with_its_row(
        self, tmp_path: Path, column: str, stored_as: pa.DataType
    ) -> None:
        values = {name: [r[name].encode() for r in rows()] for name in ("text", "label")}
        values[column][6] = "né".encode("latin-1")
        arrays = {name: pa.array(v, pa.binary()) for name, v in values.items()}
        if stored_as == pa.string():
            buffers = arrays[column].buffers()
            arrays[column] = pa.Array.from_buffers(pa.string(), len(arrays[column]), buffers)
        pq.write_table(pa.table(arrays), tmp_path / "a.parquet")
        with pytest.raises(DataError) as caught:
            contents(tmp_path / "a.parquet")
        assert f"column '{column}' holds bytes that are not UTF-8" in str(caught.value)
        assert "row 7 (byte 1 is 0xe9)" in str(caught.value)

    def test_other_columns_may_hold_any_bytes(self, tmp_path: Path) -> None:
        table = pa.Table.from_pylist([{**r, "picture": b"\xff\xd8"} for r in rows()])
        pq.write_table(table, tmp_path / "a.parquet")
        assert len(contents(tmp_path / "a.parquet")) == 40
