"""Parquet files: their scalar columns, and lists and structures of texts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

from xautolm_core.errors import DataError
from xautolm_core.tasks.column_content import kind_words
from xautolm_core.tasks.tables import Table
from xautolm_core.tasks.tables import as_bytes
from xautolm_core.tasks.tables import is_nested_text
from xautolm_core.tasks.tables import is_scalar
from xautolm_core.tasks.tables import readable_columns
from xautolm_core.tasks.tables import refuse_duplicate_columns
from xautolm_core.tasks.text_files import is_gzip
from xautolm_core.tasks.text_files import open_bytes

if TYPE_CHECKING:
    import pyarrow as pa


def read_parquet(path: Path) -> Table:
    """Read the scalar columns of a Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet

    try:
        file = pyarrow.parquet.ParquetFile(_unpacked(path))
        schema = file.schema_arrow
        refuse_duplicate_columns(path, schema.names)
        wanted = [f.name for f in schema if is_scalar(f.type)]
        table = file.read(columns=wanted, use_threads=False)
        for column in table.columns:
            # Whether strings are UTF-8 is seen to below, column by column.
            as_bytes(column).validate(full=True)
        read = readable_columns(table)
        nested = _nested(file, [f.name for f in schema if is_nested_text(f.type)])
    except pa.ArrowInvalid as error:
        raise DataError(
            f"{path} is not a valid Parquet file ({error})",
            hint="Check that it was written and copied whole",
        ) from error
    # Columns of other types are kept by name and kind alone, so that messages can list them.
    columns: dict[str, pa.ChunkedArray | list[Any]] = {n: read.get(n, []) for n in schema.names}
    others = {f.name: kind_words(f.type) for f in schema if f.name not in read}
    return Table(
        str(path),
        table.num_rows,
        columns,
        _hub_class_names(schema.metadata),
        others=others,
        nested=nested,
    )


def _nested(file: Any, names: list[str]) -> dict[str, pa.ChunkedArray]:
    """Read columns of lists and structures of texts."""
    if not names:
        return {}
    table = file.read(columns=names, use_threads=False)
    table.validate(full=True)
    return dict(zip(table.column_names, table.columns, strict=True))


def _unpacked(path: Path) -> Any:
    """Return what pyarrow opens: the path, or the content of a file that gzip has packed."""
    import pyarrow as pa

    if not is_gzip(path):
        return path
    with open_bytes(path) as file:
        return pa.BufferReader(file.read())


def _hub_class_names(metadata: Mapping[bytes, bytes] | None) -> dict[str, list[str]]:
    """Read the class names that the ``datasets`` library writes into a Parquet file."""
    try:
        features = json.loads((metadata or {})[b"huggingface"])["info"]["features"]
    except (KeyError, ValueError, TypeError):
        return {}
    return {
        name: [str(class_name) for class_name in feature["names"]]
        for name, feature in features.items()
        if isinstance(feature, dict)
        and feature.get("_type") == "ClassLabel"
        and isinstance(feature.get("names"), list)
    }
