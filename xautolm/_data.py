"""Data in memory: frames, ``datasets`` objects, columns. They are saved with the run."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

from xautolm_core.errors import ConfigError
from xautolm_core.errors import DataError
from xautolm_core.tasks.spec import TaskSpec
from xautolm_core.tasks.task import SPLIT_NAMES

if TYPE_CHECKING:
    import pyarrow as pa

DEFAULT_NAME = "frame"
_HINT = (
    "Give a path, a pandas or polars frame, a datasets object, a mapping of columns such as "
    "{'text': [...], 'label': [...]}, or {'train': frame, 'test': frame}"
)


class Frames:
    """One table, or one for each split, written as Parquet.

    Args:
        frames: Split name to table; one table is that of ``train``.
        columns: What is kept of the tables; all if empty, or one of them is missing.
    """

    name = DEFAULT_NAME

    def __init__(self, frames: Mapping[str, pa.Table], columns: Sequence[str]) -> None:
        self._frames = frames
        self._columns = columns

    def save(self, folder: Path) -> Path:
        """Write the tables to a folder, and return what names the data in it.

        Raises:
            DataError: A column cannot be written.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        folder.mkdir(parents=True, exist_ok=True)
        for split, table in self._frames.items():
            wanted = [name for name in self._columns if name in table.column_names]
            kept = table.select(wanted) if wanted and len(wanted) == len(self._columns) else table
            try:
                pq.write_table(kept, folder / f"{split}.parquet", compression="zstd")
            except pa.ArrowException as error:
                raise DataError(
                    f"The frame cannot be kept ({error})",
                    hint="Name the columns with --text COL and --label COL; the others are left",
                ) from error
        return folder


class SavedDataset:
    """A ``Dataset`` or ``DatasetDict`` of the ``datasets`` library.

    Args:
        dataset: The object.
    """

    def __init__(self, dataset: Any) -> None:
        self._dataset = dataset
        parts = list(dataset.values()) if isinstance(dataset, Mapping) else [dataset]
        info = getattr(parts[0], "info", None) if parts else None
        self.name = str(getattr(info, "dataset_name", None) or DEFAULT_NAME)

    def save(self, folder: Path) -> Path:
        """Write the object to a folder, and return it."""
        from datasets.utils import logging

        # Its progress bar would disturb the search's own.
        shown = logging.is_progress_bar_enabled()
        logging.disable_progress_bar()
        try:
            self._dataset.save_to_disk(str(folder))
        finally:
            if shown:
                logging.enable_progress_bar()
        return folder


def given_data(data: object, named: Sequence[str] = ()) -> str | TaskSpec | Frames | SavedDataset:
    """Return data as a search takes them.

    Args:
        data: A path or name, a task, a frame of pandas or polars, a table of pyarrow, an object of
            ``datasets``, a mapping of column names to values, or one of split names to any of the
            tables.
        named: The columns of the task, if the caller has named them all.

    Raises:
        ConfigError: They are of none of these kinds.
        DataError: They cannot be read as a table.
    """
    if isinstance(data, TaskSpec):
        return data
    if isinstance(data, str | Path):
        return str(data)
    if _is_of("datasets", data) and hasattr(data, "save_to_disk"):
        return SavedDataset(data)
    if isinstance(data, Mapping) and data and set(data) <= set(SPLIT_NAMES):
        return Frames({str(split): _table(one, named) for split, one in data.items()}, named)
    return Frames({"train": _table(data, named)}, named)


def _is_of(package: str, data: object) -> bool:
    return type(data).__module__.partition(".")[0] == package


def _table(data: Any, named: Sequence[str]) -> pa.Table:
    import pyarrow as pa

    if _is_of("polars", data) and hasattr(data, "collect"):
        data = data.collect()
    try:
        if _is_of("pandas", data) and hasattr(data, "columns"):
            # Columns that Arrow cannot hold do no harm as long as they are not used.
            wanted = [name for name in named if name in data.columns]
            frame = data[wanted] if wanted and len(wanted) == len(named) else data
            # The index of a frame is not a column of the task.
            return pa.Table.from_pandas(frame, preserve_index=False)
        if isinstance(data, Mapping) and data:
            return pa.table({str(name): pa.array(values) for name, values in data.items()})
        if hasattr(data, "__arrow_c_stream__"):
            table = pa.table(data)
            fields = [field.with_type(_plain(field.type)) for field in table.schema]
            return table.cast(pa.schema(fields, table.schema.metadata))
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise DataError(f"The data are not a table ({error})", hint=_HINT) from error
    raise ConfigError(f"A {type(data).__name__} cannot be searched on", hint=_HINT)


def _plain(kind: pa.DataType) -> pa.DataType:
    """Return a type with views of strings in lists, as polars has them, made what Parquet takes."""
    import pyarrow as pa

    if pa.types.is_string_view(kind):
        return pa.large_string()
    if pa.types.is_list(kind):
        return pa.list_(_plain(kind.value_type))
    if pa.types.is_large_list(kind):
        return pa.large_list(_plain(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_plain(field.type)) for field in kind])
    return kind
