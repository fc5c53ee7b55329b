"""The law of ``predict``: as many answers as rows, in order, with all other columns."""

from __future__ import annotations

import csv
import io
import json
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from xautolm import Model
from xautolm_core.cli import prediction_columns
from xautolm_core.cli import prediction_files
from xautolm_core.cli import prediction_output
from xautolm_core.cli.predict_command import answer
from xautolm_core.cli.prediction_input import open_rows
from xautolm_core.cli.prediction_output import answer_columns
from xautolm_core.cli.prediction_output import write_answers
from xautolm_core.errors import DataError
from xautolm_core.records.configuration import Configuration
from xautolm_core.tasks.quoting import Quoting
from xautolm_core.tasks.task import Split
from xautolm_core.trial.classifier import Classifier
from xautolm_core.trial.saving import ModelCard

LABELS = ("a", "b", "c")
_CARD = ModelCard(
    task="t",
    fingerprint="0",
    has_pairs=False,
    labels=LABELS,
    configuration=Configuration(branch="tfidf", model=None, method="tfidf", parameters={}),
)


class DigestClassifier(Classifier):
    """Answers what the bytes of a text tell: another text, another probability."""

    def __init__(self) -> None:
        super().__init__(_CARD)

    def logits(self, split: Split, *, max_rows: int = 256) -> np.ndarray:
        return np.array([logits_of(text) for text in split.texts.to_pylist()], dtype=np.float32)


def digest_model() -> Model:
    """Return a model that is loaded already."""
    model = Model.__new__(Model)
    vars(model).update(_classifier=DigestClassifier(), _card={})
    return model


def logits_of(text: str) -> list[float]:
    digest = zlib.crc32(text.encode())
    return [float(digest >> shift & 0xFF) / 64 + shift / 4096 for shift in (0, 8, 16)]


def label_of(text: str) -> str:
    return LABELS[int(np.argmax(logits_of(text)))]


# What other libraries take for the end of a line, a record, a cell or a file.
_ODD = "\x00\x0b\x0c\x1a\x1c\x1d\x1e\x85\u2028\u2029\ufeff\ufffd\",;|\t'\\ \xa0éß漢😀"
_ENDS = "\n\r"


def _texts(odd: str) -> st.SearchStrategy[str]:
    characters = st.one_of(
        st.sampled_from(odd),
        st.characters(codec="utf-8", exclude_characters="" if "\n" in odd else _ENDS),
        st.sampled_from("abc"),
    )
    texts = st.text(characters, min_size=1, max_size=12)
    return texts.filter(lambda text: text.strip() and text not in ("nan", "NaN"))


CELLS = _texts(_ODD + _ENDS)
LINES = _texts(_ODD)
OTHERS = st.text(st.sampled_from(_ODD + _ENDS + "ab"), max_size=8)
ROWS = st.lists(st.tuples(OTHERS, CELLS, OTHERS), min_size=1)


@pytest.fixture(scope="module", autouse=True)
def _small_pieces() -> Iterator[None]:
    with (
        mock.patch.object(prediction_files, "PIECE_ROWS", 2),
        mock.patch.object(prediction_output, "_GROUP_ROWS", 3),
    ):
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("predictions")


def answered(file: Path, suffix: str, **options: Any) -> list[dict[str, Any]]:
    """Return what ``predict FILE --out`` writes."""
    rows = open_rows(file, (), (), has_pairs=False, run=file.parent, **options)
    out = file.parent / f"out{suffix}"
    names = answer_columns(rows.file.types, LABELS, with_classes=True)
    batches = answer(rows, digest_model(), answer_blank=False, batch_size=2)
    written = write_answers(batches, out, rows.file.types, names)
    found = read_back(out)
    assert len(found) == written
    return found


def warned(file: Path, suffix: str, **options: Any) -> tuple[list[dict[str, Any]], list[str]]:
    """Return what is written, and what is warned of."""
    warnings: list[str] = []
    with mock.patch.object(prediction_columns, "warn", warnings.append):
        return answered(file, suffix, **options), warnings


def read_back(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".parquet":
        return list(pq.read_table(path).to_pylist())
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_bytes().decode().split("\n")[:-1]]
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def check(found: list[dict[str, Any]], texts: list[str], column: str = "text") -> None:
    assert [row[column] for row in found] == texts
    assert [row["prediction"] for row in found] == [label_of(text) for text in texts]
    for row, text in zip(found, texts, strict=True):
        expected = np.exp(logits_of(text)) / np.exp(logits_of(text)).sum()
        probabilities = [float(row[f"probability.{label}"]) for label in LABELS]
        assert np.allclose(probabilities, expected, atol=1e-5)
        assert float(row["probability"]) == max(probabilities)


OUT = st.sampled_from([".csv", ".jsonl", ".parquet"])


@settings(max_examples=100, deadline=None)
@given(
    lines=st.lists(LINES, min_size=1),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    bom=st.booleans(),
    closed=st.booleans(),
    is_file=st.booleans(),
    out=OUT,
)
@example(["one text\u2028still one text", "tail\x85"], "\n", True, True, True, ".csv")
def test_lines(
    folder: Path, lines: list[str], end: str, bom: bool, closed: bool, is_file: bool, out: str
) -> None:
    lines = [lines[0].lstrip("\ufeff").strip() or "x", *lines[1:]]
    content = end.join(lines) + (end if closed else "")
    encoded = content.encode("utf-8-sig" if bom else "utf-8")
    if is_file:
        (folder / "in.txt").write_bytes(encoded)
        check(answered(folder / "in.txt", out), lines)
        return
    with mock.patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(encoded))):
        rows = open_rows(Path("-"), (), (), run=folder)
        batches = list(rows.batches(answer_blank=False))
    assert [text for batch in batches for text in batch.texts] == lines
    assert [batch.first for batch in batches] == list(range(1, len(lines) + 1, 2))


@settings(max_examples=100, deadline=None)
@given(
    rows=ROWS,
    delimiter=st.sampled_from(",;\t|"),
    style=st.sampled_from([(csv.QUOTE_MINIMAL, "\r\n"), (csv.QUOTE_ALL, "\n"), (1, "\r")]),
    bom=st.booleans(),
    out=OUT,
)
def test_delimited_files(
    folder: Path,
    rows: list[tuple[str, str, str]],
    delimiter: str,
    style: tuple[Any, str],
    bom: bool,
    out: str,
) -> None:
    path = folder / ("in.tsv" if delimiter == "\t" else "in.csv")
    with path.open("w", encoding="utf-8-sig" if bom else "utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter, quoting=style[0], lineterminator=style[1])
        writer.writerows([("prediction", "text", "note"), *rows])
    try:
        found, warnings = warned(path, out, quoting=Quoting.QUOTED)
    except DataError as error:
        # Two ways to read it differ in their rows.
        assert "the file has" in str(error)
        return
    assert len(found) == len(rows)
    if warnings:
        rows = [(row["prediction"], row["text"], row["note"]) for row in found]
    texts = [text for _, text, _ in rows]
    assert [(row["prediction"], row["text"], row["note"]) for row in found] == rows
    assert [row["prediction_2"] for row in found] == [label_of(text) for text in texts]


@settings(max_examples=50, deadline=None)
@given(texts=st.lists(CELLS, min_size=1), named=st.booleans(), bom=st.booleans(), out=OUT)
def test_one_column_with_a_name_and_without(
    folder: Path, texts: list[str], named: bool, bom: bool, out: str
) -> None:
    with (folder / "one.csv").open(
        "w", encoding="utf-8-sig" if bom else "utf-8", newline=""
    ) as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerows([("review",)] * named + [(text,) for text in texts])
    try:
        found, warnings = warned(folder / "one.csv", out, header=named, quoting=Quoting.QUOTED)
    except DataError as error:
        # Two ways to read it differ in their rows.
        assert "the file has" in str(error)
        return
    assert len(found) == len(texts)
    if not warnings:
        check(found, texts, "review" if named else "text")


_JSON = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    CELLS,
    st.lists(st.integers(0, 9), max_size=2),
    st.dictionaries(CELLS, st.none() | CELLS, max_size=2),
)


@settings(max_examples=100, deadline=None)
@given(
    rows=st.lists(st.tuples(CELLS, st.dictionaries(st.sampled_from("xyz"), _JSON)), min_size=2),
    ascii_only=st.booleans(),
    end=st.sampled_from(["\n", "\r\n", "\n\n"]),
    out=OUT,
)
def test_json_lines(
    folder: Path, rows: list[tuple[str, dict[str, Any]]], ascii_only: bool, end: str, out: str
) -> None:
    records = [{"id": i, "text": text, **other} for i, (text, other) in enumerate(rows)]
    lines = [json.dumps(record, ensure_ascii=ascii_only) + end for record in records]
    (folder / "in.jsonl").write_bytes("".join(lines).encode())
    found = answered(folder / "in.jsonl", out)
    check(found, [text for text, _ in rows])
    assert [int(row["id"]) for row in found] == list(range(len(rows)))
    if out == ".jsonl":
        for row, record in zip(found, records, strict=True):
            assert {name: row[name] for name in record} == record


@settings(max_examples=50, deadline=None)
@given(
    rows=st.lists(st.tuples(CELLS, st.none() | st.integers(0, 9), st.lists(CELLS)), min_size=1),
    kind=st.sampled_from([pa.string(), pa.large_string(), pa.binary(), "categories"]),
    group=st.integers(1, 5),
    out=OUT,
)
def test_parquet(
    folder: Path, rows: list[tuple[str, int | None, list[str]]], kind: Any, group: int, out: str
) -> None:
    texts, numbers, lists = map(list, zip(*rows, strict=True))
    column = pa.array(texts)
    column = column.dictionary_encode() if kind == "categories" else column.cast(kind)
    table = pa.table({"text": column, "n": numbers, "tags": pa.array(lists, pa.list_(pa.string()))})
    pq.write_table(table, folder / "in.parquet", row_group_size=group)
    found = answered(folder / "in.parquet", out)
    if kind == pa.binary() and out == ".parquet":
        assert pq.read_schema(folder / "out.parquet").field("text").type == kind
        found = [{**row, "text": row["text"].decode()} for row in found]
    check(found, texts)
    if out == ".csv":
        expected = [("" if n is None else str(n), tags) for _, n, tags in rows]
        assert [(row["n"], json.loads(row["tags"])) for row in found] == expected
    else:
        assert [(row["n"], row["tags"]) for row in found] == [row[1:] for row in rows]


def test_a_json_array_is_read_as_a_whole(folder: Path) -> None:
    records = [{"id": i, "text": f"text {i}", "tags": [i]} for i in range(5)]
    (folder / "in.json").write_text(json.dumps(records, indent=1))
    found = answered(folder / "in.json", ".jsonl")
    check(found, [record["text"] for record in records])
    assert [row["tags"] for row in found] == [[i] for i in range(5)]


class _Endless(io.RawIOBase):
    """A stream that never ends."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        content = b"text\n"
        buffer[: len(content)] = content
        return len(content)


def test_answers_do_not_wait_for_the_end_of_the_input(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(_Endless())))
    rows = open_rows(Path("-"), (), (), run=folder)
    answers = answer(rows, digest_model(), answer_blank=False, batch_size=2)
    assert [next(answers).rows.first for _ in range(3)] == [1, 3, 5]


def test_a_file_is_there_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = b"one\ntwo\nthree\nfour\nfi\xffve\n"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    rows = open_rows(Path("-"), (), (), run=tmp_path)
    names = answer_columns(rows.file.types, LABELS, with_classes=False)
    for suffix in (".csv", ".jsonl", ".parquet"):
        batches = answer(rows, digest_model(), answer_blank=False, batch_size=2)
        with pytest.raises(DataError, match="line 5 is not UTF-8: its byte 3 is 0xff"):
            write_answers(batches, tmp_path / f"out{suffix}", rows.file.types, names)
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    assert list(tmp_path.iterdir()) == []
