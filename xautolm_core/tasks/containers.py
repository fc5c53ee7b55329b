"""What a file is by its first bytes, where its name says something else, or nothing."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path

from xautolm_core.errors import DataError
from xautolm_core.tasks.text_files import open_bytes

CONTAINER_SUFFIXES = (
    ".xlsx",
    ".xlsm",
    ".xls",
    ".ods",
    ".zip",
    ".7z",
    ".tar",
    ".bz2",
    ".xz",
    ".zst",
    ".arrow",
    ".feather",
)
"""Endings of files that hold tables, but that are refused with advice."""

_PARQUET = b"PAR1"
_START_BYTES = 512
_MEMBERS_NAMED = 3
_SAVE_AS_CSV = "Save its sheet as 'CSV UTF-8' in a spreadsheet program and give that file"
_UNPACK = "Unpack it and give the file or folder that comes out"
_WRITE_AS_TABLE = "Write it as Parquet or CSV"
_ZIP = re.compile(rb"PK(\x03\x04|\x05\x06)")
# What no text begins with; a ZIP archive is looked into.
_REFUSED = (
    (re.compile(rb"\x1f\x8b"), "is packed by gzip twice", "Unpack it once: gunzip {name}"),
    (re.compile(rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), "is an old Excel workbook", _SAVE_AS_CSV),
    (re.compile(rb"BZh[1-9](1AY&SY|\x17rE8P\x90)"), "is packed by bzip2", _UNPACK),
    (re.compile(rb"\xfd7zXZ\x00"), "is packed by xz", _UNPACK),
    (re.compile(rb"\x28\xb5\x2f\xfd"), "is packed by Zstandard", _UNPACK),
    (re.compile(rb"7z\xbc\xaf\x27\x1c"), "is a 7z archive", _UNPACK),
    (re.compile(rb"(?s).{257}ustar[\x00 ]"), "is a tar archive", _UNPACK),
    (re.compile(rb"Rar!\x1a\x07"), "is a RAR archive", _UNPACK),
    (re.compile(rb"ARROW1\x00\x00"), "is an Arrow file", _WRITE_AS_TABLE),
    (re.compile(rb"SQLite format 3\x00"), "is an SQLite database", _WRITE_AS_TABLE),
    (re.compile(rb"Obj\x01"), "is an Avro file", _WRITE_AS_TABLE),
    (re.compile(rb"\x89HDF\r\n\x1a\n"), "is an HDF5 file", _WRITE_AS_TABLE),
    (
        re.compile(rb"\x80[\x02-\x05][\x28\x5d\x63\x7d\x80\x8c\x95]"),
        "is a pickle of Python",
        _WRITE_AS_TABLE,
    ),
    (re.compile(rb"%PDF-\d"), "is a PDF document", "Write its texts as Parquet or CSV"),
    (
        re.compile(rb"version https://git-lfs\.github\.com/spec/"),
        "is a pointer of Git LFS, not the data",
        "Fetch the data: run 'git lfs pull' in its folder",
    ),
)


def refuse_container(path: Path) -> None:
    """Refuse a file whose content is an archive, a workbook or otherwise no table known here.

    Args:
        path: A file; a gzip file is checked as it is unpacked.

    Raises:
        DataError: If it is one, with advice.
        OSError: If it cannot be read.
    """
    with open_bytes(path) as file:
        start = file.read(_START_BYTES)
        if _ZIP.match(start):
            what, hint = _look_into_zip(file)
            raise DataError(f"{path} {what}", hint=hint)
    for pattern, what, hint in _REFUSED:
        if pattern.match(start):
            raise DataError(f"{path} {what}", hint=hint.format(name=path.name))


def is_parquet(path: Path) -> bool:
    """Whether a file begins and ends as Parquet files do, packed by gzip or not."""
    with open_bytes(path) as file:
        if file.read(len(_PARQUET)) != _PARQUET:
            return False
        end = _PARQUET
        while chunk := file.read(1 << 20):
            end = (end + chunk)[-len(_PARQUET) :]
        return end == _PARQUET


def _look_into_zip(file: io.BufferedIOBase) -> tuple[str, str]:
    """Return what a ZIP archive is, and advice."""
    try:
        names = zipfile.ZipFile(file).namelist()
    except (zipfile.BadZipFile, OSError, EOFError):
        return "is an incomplete ZIP archive or workbook", "Copy or fetch it again"
    if any(name.startswith("xl/") for name in names):
        return "is an Excel workbook", _SAVE_AS_CSV
    if {"mimetype", "content.xml"} <= set(names):
        return "is an OpenDocument file", _SAVE_AS_CSV
    shown = ", ".join(names[:_MEMBERS_NAMED]) or "nothing"
    more = f" and {len(names) - _MEMBERS_NAMED} more" if len(names) > _MEMBERS_NAMED else ""
    return f"is a ZIP archive (of {shown}{more})", _UNPACK
