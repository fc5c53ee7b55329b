"""Data behind ``s3://``: fetched into a private folder, for as long as they are read."""

from __future__ import annotations

import dataclasses
import itertools
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from xautolm_core.errors import DataError
from xautolm_core.errors import StoreError
from xautolm_core.tasks.data_files import HUB_FOLDER
from xautolm_core.tasks.data_files import is_data_file
from xautolm_core.validation import did_you_mean

if TYPE_CHECKING:
    from xautolm_core.objects.s3 import S3Objects

MAX_LISTED = 10_000
"""Objects below a folder that are looked at: more are not a data set."""


def remote_path(address: str) -> PurePosixPath:
    """Return ``/bucket/key`` of an ``s3://`` address, without its settings."""
    parts = urlsplit(address)
    return PurePosixPath(f"/{parts.netloc}{parts.path}")


def is_remote_file(address: str) -> bool:
    """Whether an ``s3://`` address names one data file; otherwise it names a folder of them."""
    return not urlsplit(address).path.endswith("/") and is_data_file(Path(remote_path(address)))


def check_remote(address: str) -> None:
    """Make sure that an address and its settings are well formed; no server is asked.

    Raises:
        ConfigError: They are not, or there are no credentials.
    """
    try:
        _objects(address)
    except StoreError as error:
        raise DataError(error.problem, hint=error.hint) from error


@contextmanager
def fetched(address: str) -> Iterator[Path]:
    """Fetch a data file, or the data files right below a folder; remove them in the end.

    Where there are none right below it, those in its folder ``data`` are fetched.

    An error of the block names the address in the place of the file that it was read from.

    Args:
        address: ``s3://bucket/key.csv`` or ``s3://bucket/folder/``, with settings if need be (see
            ``read_s3_settings``). Each file is held in memory once, as it is fetched.

    Yields:
        The file, or the folder; nobody else may read it.

    Raises:
        DataError: There are no such data, they cannot be read, or there is no space for them.
    """
    try:
        objects = _objects(address)
        with tempfile.TemporaryDirectory(prefix="xautolm-data-") as name:
            folder = Path(name)
            for key in _keys(objects, address):
                _fetch(objects, key, folder / key)
            try:
                yield folder / remote_path(address).name if is_remote_file(address) else folder
            except DataError as error:
                here, there = name, objects.address
                raise DataError(
                    error.problem.replace(here, there), hint=error.hint.replace(here, there)
                ) from error
    except StoreError as error:
        raise DataError(error.problem, hint=error.hint) from error


def _objects(address: str) -> S3Objects:
    """Return the objects of the folder that a data file lies in, or that is named."""
    from xautolm_core.objects.s3 import S3Objects
    from xautolm_core.objects.s3_settings import read_s3_settings

    settings = read_s3_settings(address)
    if is_remote_file(address):
        folder = settings.prefix.rpartition("/")[0]
        settings = dataclasses.replace(settings, prefix=folder)
    return S3Objects(settings)


def _keys(objects: S3Objects, address: str) -> list[str]:
    """Return which objects are to be fetched."""
    if is_remote_file(address):
        return [remote_path(address).name]
    listed = [info.key for info in itertools.islice(objects.list(), MAX_LISTED + 1)]
    if len(listed) > MAX_LISTED:
        raise DataError(
            f"{objects.address} has more than {MAX_LISTED:,} objects",
            hint="Give the folder right above the train, validation and test files, or one file",
        )
    data = [key for key in listed if is_data_file(Path(key))]
    found = [key for key in data if "/" not in key]
    # A repository of the hub, copied as it is.
    found = found or [k for k in data if k.startswith(f"{HUB_FOLDER}/") and k.count("/") == 1]
    if not found:
        raise DataError(
            f"{objects.address} has no data files" if listed else _absent(objects.address),
            hint="Put train.csv, validation.csv and test.csv there (or .jsonl, .parquet)"
            if listed
            else "Check the address; a file's name ends in .csv, .jsonl or .parquet",
        )
    return found


def _fetch(objects: S3Objects, key: str, file: Path) -> None:
    try:
        data = objects.get(key)
    except KeyError:
        beside = [info.key for info in itertools.islice(objects.list(), MAX_LISTED)]
        raise DataError(
            _absent(f"{objects.address}/{key}"),
            hint=did_you_mean(key, beside) or "Check the address",
        ) from None
    try:
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(data)
    except OSError as error:
        raise DataError(
            f"{objects.address}/{key} cannot be kept in {file.parent} ({error.strerror})",
            hint="Name a folder with space left in the variable TMPDIR",
        ) from error


def _absent(place: str) -> str:
    return f"{place} does not exist"
