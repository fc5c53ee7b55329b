"""Data sets of the ``datasets`` library: by name from its hub or cache, or a saved folder."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import urllib.parse
import urllib.request
from collections.abc import Iterator
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

from xautolm_core.errors import DataError
from xautolm_core.errors import MissingExtraError
from xautolm_core.tasks.column_content import kind_words
from xautolm_core.tasks.tables import Table
from xautolm_core.tasks.tables import is_nested_text
from xautolm_core.tasks.tables import is_scalar
from xautolm_core.tasks.tables import readable_columns

if TYPE_CHECKING:
    import pyarrow as pa

_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?(:[\w.,=+-]+)?")
_CONNECT_SECONDS = 3.0
_SAVED_MARKERS = ("dataset_dict.json", "state.json")


def looks_like_hub_name(argument: str) -> bool:
    """Whether the argument has the form ``name``, ``owner/name`` or either with ``:config``."""
    return _NAME.fullmatch(argument) is not None


def is_saved_dataset(folder: Path) -> bool:
    """Whether the folder was written by ``save_to_disk`` of the ``datasets`` library."""
    return any((folder / marker).is_file() for marker in _SAVED_MARKERS)


def read_saved_dataset(folder: Path) -> Mapping[str, Table]:
    """Read a folder written by ``save_to_disk``.

    Returns:
        Split name, as the folder has it, to table; one table named ``train`` if it has no splits.

    Raises:
        DataError: If the folder is broken.
        MissingExtraError: If the ``datasets`` library is not installed.
    """
    datasets = _library(f"reading {folder}, a folder of the datasets library,")
    try:
        loaded = datasets.load_from_disk(str(folder))
    except Exception as error:
        raise DataError(
            f"{folder} is no whole folder of the datasets library ({_one_line(error)})",
            hint="Write it again with save_to_disk",
        ) from error
    return _tables(loaded, str(folder))


def read_hub_dataset(name: str) -> Mapping[str, Table]:
    """Read a data set from the hub, or from the library's cache.

    Args:
        name: ``name`` or ``owner/name``, with ``:config`` where it has several.

    Raises:
        DataError: If it cannot be had.
        MissingExtraError: If the ``datasets`` library is not installed.
    """
    datasets = _library(f"the data set '{name}' (no file or folder of that name is here)")
    path, _, config = name.partition(":")
    try:
        with contextlib.nullcontext() if _hub_answers() else _offline(datasets):
            loaded = datasets.load_dataset(path, config or None)
    except Exception as error:
        hint = "Check the name and the network, or give a local file or folder"
        if "onfig name is missing" in str(error):
            hint = f"Choose a configuration: {path}:CONFIG"
        raise DataError(
            f"'{name}' is no file or folder here, and as a data set of the hub it cannot be had"
            f" ({_one_line(error)})",
            hint=hint,
        ) from error
    return _tables(loaded, name)


def _library(purpose: str) -> Any:
    """Import the ``datasets`` library."""
    try:
        import datasets
    except ImportError as error:
        raise MissingExtraError("trial", purpose) from error
    return datasets


def _hub_answers() -> bool:
    """Whether a connection to the hub can be made at all (the library's own tries take long)."""
    if any(urllib.request.getproxies().get(kind) for kind in ("https", "http", "all")):
        return True
    endpoint = urllib.parse.urlsplit(os.environ.get("HF_ENDPOINT", "https://huggingface.co"))
    port = endpoint.port or (80 if endpoint.scheme == "http" else 443)
    try:
        socket.create_connection((endpoint.hostname or "", port), _CONNECT_SECONDS).close()
    except OSError:
        return False
    return True


@contextlib.contextmanager
def _offline(datasets: Any) -> Iterator[None]:
    """Let the library look into its cache alone."""
    import huggingface_hub

    places: tuple[Any, ...] = (datasets.config, huggingface_hub.constants)
    before = [place.HF_HUB_OFFLINE for place in places]
    for place in places:
        place.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        for place, value in zip(places, before, strict=True):
            place.HF_HUB_OFFLINE = value


def _one_line(error: Exception) -> str:
    """Return the first line of an error's message, without its tail."""
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0][:200]}".rstrip(": ")


def _tables(loaded: Any, source: str) -> Mapping[str, Table]:
    """Turn a ``Dataset`` or a ``DatasetDict`` into tables."""
    if hasattr(loaded, "column_names") and isinstance(loaded.column_names, list):
        return {"train": _table(loaded, source)}
    return {str(split): _table(part, f"{source}, {split}") for split, part in loaded.items()}


def _table(dataset: Any, source: str) -> Table:
    """Turn one ``Dataset`` into a table of its scalar columns, and its lists of texts."""
    rows: pa.Table = dataset.with_format("arrow")[:]
    others = {f.name: kind_words(f.type) for f in rows.schema if not is_scalar(f.type)}
    class_names = {
        name: list(feature.names)
        for name, feature in dataset.features.items()
        if type(feature).__name__ == "ClassLabel"
    }
    nested = {f.name: rows[f.name] for f in rows.schema if is_nested_text(f.type)}
    columns = readable_columns(rows)
    return Table(source, rows.num_rows, columns, class_names, others=others, nested=nested)
