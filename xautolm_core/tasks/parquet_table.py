"""Parquet files: their scalar columns."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

from xautolm_core.errors import DataError
from xautolm_core.tasks.tables import Table
from xautolm_core.tasks.tables import is_scalar
from xautolm_core.tasks.tables import plain

if TYPE_CHECKING:
    import pyarrow as pa


def read_parquet(path: Path) -> Table:
    """Read the scalar columns of a Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet

    try:
        file = pyarrow.parquet.ParquetFile(path)
        schema = file.schema_arrow
        wanted = [f.name for f in schema if is_scalar(f.type)]
        table = file.read(columns=wanted, use_threads=False)
        table.validate(full=True)
    except pa.ArrowInvalid as error:
        raise DataError(
            f"{path} is no valid Parquet file ({error})",
            hint="Check that it was written and copied whole",
        ) from error
    columns: dict[str, pa.ChunkedArray | list[Any]] = {}
    for name in wanted:
        columns[name] = plain(table.column(name))
    # Columns of other types are kept by name alone, so that messages can list them.
    for column in schema.names:
        columns.setdefault(column, [])
    return Table(str(path), table.num_rows, columns, _hub_class_names(schema.metadata))


def _hub_class_names(metadata: Mapping[bytes, bytes] | None) -> dict[str, list[str]]:
    """Read the class names that the ``datasets`` library writes into a Parquet file."""
    try:
        features = json.loads((metadata or {})[b"huggingface"])["info"]["features"]
    except (KeyError, ValueError, TypeError):
        return {}
    return {
        name: list(feature["names"])
        for name, feature in features.items()
        if isinstance(feature, dict) and feature.get("_type") == "ClassLabel"
    }
