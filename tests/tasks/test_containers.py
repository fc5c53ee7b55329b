"""Files that are something else than their name says."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import pickle
import tarfile
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

from tests.tasks.data import rows
from tests.tasks.data import write_csv
from tests.tasks.data import write_jsonl
from xautolm_core.errors import DataError
from xautolm_core.tasks.data_files import read_table
from xautolm_core.tasks.load import load_task
from xautolm_core.tasks.source import read_task_spec


def _csv(folder: Path) -> bytes:
    return write_csv(folder / "plain.csv", rows()).read_bytes()


def _parquet() -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows()), sink)
    return sink.getvalue()


def _zip(*members: str) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for name in members:
            archive.writestr(zipfile.ZipInfo(name), "text,label\n")
    return sink.getvalue()


def _tar() -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a.csv"))
    return sink.getvalue()


def _feather() -> bytes:
    sink = io.BytesIO()
    feather.write_feather(pa.Table.from_pylist(rows()), sink)
    return sink.getvalue()


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.CSV.GZ"])
@pytest.mark.parametrize("packed", [True, False])
def test_gzip_is_unpacked_whatever_the_name(tmp_path: Path, name: str, packed: bool) -> None:
    data = _csv(tmp_path)
    (tmp_path / name).write_bytes(gzip.compress(data) if packed else data)
    assert read_table(tmp_path / name).columns["text"].to_pylist() == [r["text"] for r in rows()]


def test_every_format_may_be_packed(tmp_path: Path) -> None:
    lines = write_jsonl(tmp_path / "plain.jsonl", rows()).read_bytes()
    for name, data in {
        "a.jsonl": lines,
        "a.parquet": _parquet(),
        "b.parquet.gz": _parquet(),
    }.items():
        (tmp_path / name).write_bytes(gzip.compress(data))
        assert read_table(tmp_path / name).rows == 40


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a"])
def test_parquet_is_read_whatever_the_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(_parquet())
    assert list(read_table(tmp_path / name).columns) == ["text", "label"]


def test_text_that_begins_like_parquet_is_text(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("PAR1,label\nfine,x\n")
    assert list(read_table(tmp_path / "a.csv").columns) == ["PAR1", "label"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (_zip("films.csv", "b.txt"), ("ZIP archive (of films.csv, b.txt)", "Unpack it")),
        (_zip(*"abcde"), ("(of a, b, c and 2 more)",)),
        (_zip(), ("ZIP archive (of nothing)",)),
        (_zip("xl/workbook.xml", "[Content_Types].xml"), ("Excel workbook", "CSV UTF-8")),
        (_zip("mimetype", "content.xml"), ("OpenDocument", "CSV UTF-8")),
        (_zip("films.csv")[:30], ("incomplete",)),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 and more", ("old Excel workbook", "CSV UTF-8")),
        # Without a time, so that all processes of a run collect the same tests.
        (gzip.compress(gzip.compress(b"text,label\n", mtime=0), mtime=0), ("gzip twice", "gunzip")),
        (bz2.compress(b"text,label\n"), ("bzip2",)),
        (lzma.compress(b"text,label\n"), ("xz",)),
        (_tar(), ("tar archive",)),
        (_feather(), ("Arrow file", "Parquet")),
        (b"Rar!\x1a\x07\x01\x00 and more", ("RAR archive", "Unpack it")),
        (b"SQLite format 3\x00 and more", ("SQLite database", "Parquet or CSV")),
        (b"Obj\x01 and more", ("Avro file", "Parquet or CSV")),
        (b"\x89HDF\r\n\x1a\n and more", ("HDF5 file", "Parquet or CSV")),
        (pickle.dumps(rows(), protocol=4), ("pickle of Python", "Parquet or CSV")),
        (pickle.dumps(rows(), protocol=2), ("pickle of Python", "Parquet or CSV")),
        (b"%PDF-1.7\n", ("PDF document", "Parquet or CSV")),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
            ("Git LFS", "git lfs pull"),
        ),
    ],
)
@pytest.mark.parametrize("name", ["a.csv", "a.parquet", "a.xlsx", "a"])
def test_what_is_no_table_is_named(
    tmp_path: Path, content: bytes, words: tuple[str, ...], name: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError) as caught:
        load_task(read_task_spec(str(tmp_path / name)))
    for word in (str(tmp_path / name), *words):
        assert word in str(caught.value)
    assert "iconv" not in str(caught.value)


@pytest.mark.parametrize("cut", [12, 20, -12])
def test_gzip_that_breaks_off_or_is_damaged_is_refused(tmp_path: Path, cut: int) -> None:
    whole = gzip.compress(_csv(tmp_path))
    damaged = bytearray(whole)
    damaged[cut] ^= 0xFF
    for content in (whole[:cut], bytes(damaged)):
        (tmp_path / "a.csv").write_bytes(content)
        with pytest.raises(DataError):
            read_table(tmp_path / "a.csv")


def test_an_ending_that_says_nothing_is_named(tmp_path: Path) -> None:
    for name, words in (("a.doc", "the ending '.doc'"), ("plain", "no ending")):
        (tmp_path / name).write_text("text,label\n")
        with pytest.raises(DataError, match=words):
            read_table(tmp_path / name)
