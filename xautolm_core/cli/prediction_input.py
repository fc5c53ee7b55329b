"""The rows that ``xautolm predict`` classifies."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

from xautolm_core.cli.prediction_columns import TaskColumns
from xautolm_core.cli.prediction_columns import choose_columns
from xautolm_core.cli.prediction_columns import columns_of_run
from xautolm_core.cli.prediction_columns import open_named
from xautolm_core.cli.prediction_files import TEXT_COLUMN
from xautolm_core.cli.prediction_files import RowFile
from xautolm_core.cli.prediction_files import decoded
from xautolm_core.cli.prediction_files import open_json_lines
from xautolm_core.cli.prediction_files import open_lines
from xautolm_core.cli.prediction_files import open_parquet
from xautolm_core.cli.prediction_files import open_standard_input
from xautolm_core.cli.prediction_files import open_whole
from xautolm_core.cli.prediction_records import is_json_lines
from xautolm_core.cli.prediction_records import reading
from xautolm_core.errors import ConfigError
from xautolm_core.errors import DataError
from xautolm_core.tasks.quoting import Quoting
from xautolm_core.tasks.spec import TaskType

if TYPE_CHECKING:
    import pyarrow as pa

    from xautolm_core.tasks.tables import Table

_LINES_SUFFIX = ".txt"
_STANDARD_INPUT = "-"
_PAIR_COLUMN = "text_pair"
_ROWS_NAMED = 5
# What the tasks' reader takes for a missing value where no type says so.
_UNTYPED_MISSING = ("nan", "NaN")


@dataclass(frozen=True)
class RowOptions:
    """How rows are given on the command line to a model of one kind.

    Attributes:
        text: Option of the text.
        pair: Option of what comes with it; empty if nothing does.
        does: What such a model does.
        example: Options of an example.
    """

    text: str
    pair: str
    does: str
    example: str

    @property
    def wanted(self) -> str:
        """The options that are wanted."""
        is_alone = self.does == _CLASSIFIES or not self.pair
        return self.text if is_alone else f"{self.text} and {self.pair}"


_CLASSIFIES = "classifies texts"
_OPTIONS: Mapping[str, RowOptions] = {
    TaskType.TEXT_CLASSIFICATION: RowOptions(
        "--text", "--text-pair", _CLASSIFIES, "--text 'A text'"
    ),
    TaskType.QUESTION_ANSWERING: RowOptions(
        *("--question", "--context", "answers questions on passages"),
        "--question 'Who?' --context 'Ada.'",
    ),
    TaskType.TEXT_GENERATION: RowOptions(
        "--prompt", "", "writes texts after prompts", "--prompt 'A prompt'"
    ),
}


def row_options(task_type: str) -> RowOptions:
    """Return how rows are given to a model for a kind of task; of unknown ones as to a classifier.

    Args:
        task_type: Name of the kind of task.
    """
    return _OPTIONS.get(task_type, _OPTIONS[TaskType.TEXT_CLASSIFICATION])


@dataclass(frozen=True)
class RowBatch:
    """Some rows to classify, in order.

    Attributes:
        first: Number of the first of them, from 1.
        texts: Their texts; empty where there is none.
        pairs: Their second texts likewise, or None for single texts.
        columns: All columns of the input, the texts' too, as Arrow data or as lists.
    """

    first: int
    texts: Sequence[str]
    pairs: Sequence[str] | None
    columns: Mapping[str, pa.ChunkedArray | list[Any]]

    def blank_rows(self) -> list[int]:
        """Return the numbers of the rows with nothing but white space in a text."""
        seconds = self.texts if self.pairs is None else self.pairs
        return [
            row
            for row, texts in enumerate(zip(self.texts, seconds, strict=True), start=self.first)
            if not all(text.strip() for text in texts)
        ]


@dataclass(frozen=True)
class InputRows:
    """Rows to classify, not yet read.

    Attributes:
        file: Where they come from.
        text: Column of the text; empty where several columns may make up a prompt.
        pair: Column of the second text; None for single texts.
    """

    file: RowFile
    text: str
    pair: str | None

    def batches(self, *, answer_blank: bool) -> Iterator[RowBatch]:
        """Read the rows from the beginning, in order.

        Args:
            answer_blank: Whether a row without a text is a row like any other.

        Raises:
            DataError: They cannot be read, or one has no text.
        """
        first = 1
        for piece in self.file.pieces():
            batch = self.batch_of(piece, first)
            if not answer_blank:
                self._refuse(batch.blank_rows())
            yield batch
            first += piece.rows
        if first == 1:
            raise DataError(f"{self.file.source} has no text", hint="Give texts to classify")

    def batch_of(self, piece: Table, first: int) -> RowBatch:
        """Return the texts of some rows.

        Args:
            piece: The rows.
            first: Number of the first of them, from 1.

        Raises:
            DataError: Something in them is no text.
        """
        pairs = None if self.pair is None else column_texts(piece, self.pair, first)
        return RowBatch(first, column_texts(piece, self.text, first), pairs, piece.columns)

    def check(self, *, answer_blank: bool) -> None:
        """Read all rows once, so that what is wrong is said before the first answer.

        Raises:
            DataError: They cannot be read, or some have no text: the first of them are named.
        """
        blank: list[int] = []
        count = 0
        for batch in self.batches(answer_blank=True):
            if not answer_blank:
                found = batch.blank_rows()
                count += len(found)
                blank += found[: _ROWS_NAMED - len(blank)]
        self._refuse(blank, count)

    def _refuse(self, rows: Sequence[int], count: int | None = None) -> None:
        """Refuse rows without text, of which there may be more than are named."""
        if not rows:
            return
        count = count or len(rows)
        unit = self.file.unit if count == 1 else f"{self.file.unit}s"
        named = ", ".join(map(str, rows[:_ROWS_NAMED]))
        where = f"{unit} {named}" if count <= _ROWS_NAMED else f"the first: {named}"
        raise DataError(
            f"{self.file.source}: {count:,} {unit} without a text ({where})",
            hint="Leave them out, or have them answered as they are with --blank answer",
        )


def open_rows(
    file: Path | None,
    texts: Sequence[str],
    pairs: Sequence[str],
    *,
    column: str | None = None,
    pair_column: str | None = None,
    header: bool | None = None,
    quoting: Quoting | None = None,
    has_pairs: bool | None = None,
    task_type: str = TaskType.TEXT_CLASSIFICATION,
    run: Path,
) -> InputRows:
    """Open the rows of ``--text`` (or ``--question``) or of a file.

    Args:
        file: A data file, a text file with a text a line, or ``-`` for standard input.
        texts: What ``--text`` gave.
        pairs: What ``--text-pair`` gave.
        column: Column of the text in the file; that of the task or found if None.
        pair_column: Column of the second text, likewise.
        header: Whether the first line of a delimited file names its columns; None: the task's
            columns decide.
        quoting: What the user says of the quotes in a delimited file.
        has_pairs: Whether the model wants second texts, if that is known.
        task_type: Kind of task that it was trained for.
        run: The run, which knows the names of the task's columns.

    Raises:
        ConfigError: Both or neither are given, or the numbers of texts differ.
        DataError: The file cannot be used.
    """
    options = row_options(task_type)
    if (file is None) == (not texts):
        raise ConfigError(
            f"give either {options.text} or a FILE" + (", not both" if texts else ""),
            hint=f"For example: xautolm predict RUN {options.example}",
        )
    if file is None:
        return _given_texts(texts, pairs, options)
    if pairs:
        raise ConfigError(
            f"{options.pair} belongs to {options.text}", hint="Use --pair-column with a FILE"
        )
    task = columns_of_run(run, task_type)
    if header is None and (column is not None or pair_column is not None):
        header = _is_delimited(file) or None
    opened = _open_file(file, task, header=header, quoting=quoting, column=column)
    if opened.unit == "line":
        if column is not None or pair_column is not None:
            raise ConfigError(
                f"{opened.source} has one text a line, and no columns",
                hint="Leave --column and --pair-column out",
            )
        return InputRows(opened, TEXT_COLUMN, None)
    if task_type == TaskType.TEXT_GENERATION:
        if column is None:
            return InputRows(opened, "", pair_column)
        task = TaskColumns(task_type=task_type)
    names = choose_columns(
        opened, task, column=column, pair_column=pair_column, has_pairs=has_pairs
    )
    return InputRows(opened, *names)


def _given_texts(texts: Sequence[str], pairs: Sequence[str], options: RowOptions) -> InputRows:
    """Return the texts of the command line as rows."""
    import pyarrow as pa

    from xautolm_core.tasks.tables import Table

    if pairs and len(pairs) != len(texts):
        raise ConfigError(
            f"{len(texts)} times {options.text} but {len(pairs)} times {options.pair}",
            hint=f"Give one {options.pair} for each {options.text}",
        )
    columns: dict[str, pa.ChunkedArray | list[Any]] = {}
    kind = pa.large_string()
    for name, option, values in (
        (TEXT_COLUMN, options.text, texts),
        (_PAIR_COLUMN, options.pair, pairs),
    ):
        try:
            columns[name] = pa.chunked_array([pa.array(values, type=kind)])
        except UnicodeEncodeError as error:
            raise DataError(f"{option} is not UTF-8", hint="Re-encode the text") from error
    if not pairs:
        del columns[_PAIR_COLUMN]
    table = Table(options.text, len(texts), columns)
    file = RowFile(table.source, dict.fromkeys(columns, kind), lambda: iter([table]))
    return InputRows(file, TEXT_COLUMN, _PAIR_COLUMN if pairs else None)


def _is_delimited(path: Path) -> bool:
    from xautolm_core.tasks.data_files import CSV_SUFFIXES
    from xautolm_core.tasks.data_files import data_suffix

    return data_suffix(path) in CSV_SUFFIXES


def _open_file(
    path: Path,
    task: TaskColumns,
    *,
    header: bool | None,
    quoting: Quoting | None,
    column: str | None,
) -> RowFile:
    """Open a file by its ending, or by what it turns out to be."""
    from xautolm_core.tasks.containers import is_parquet
    from xautolm_core.tasks.containers import refuse_container
    from xautolm_core.tasks.data_files import JSON_SUFFIXES
    from xautolm_core.tasks.data_files import PARQUET_SUFFIXES
    from xautolm_core.tasks.data_files import data_suffix
    from xautolm_core.tasks.data_files import read_table

    header_option = None if header is None else "--header" if header else "--no-header"
    option = header_option or (None if quoting is None else "--quoting")
    if option is not None and not _is_delimited(path):
        raise ConfigError(f"{option} is for files such as .csv and .tsv", hint="Leave it out")
    if str(path) == _STANDARD_INPUT:
        return open_standard_input()
    if path.exists() and not path.is_dir() and not path.is_file():
        raise DataError(
            f"{path} is not a regular file",
            hint="Give its lines to standard input instead, with - for the FILE",
        )
    if not path.is_file() or not path.stat().st_size:
        read_table(path)  # which says what is wrong with it
    suffix = data_suffix(path)
    with reading(path):
        refuse_container(path)
        is_table = suffix in PARQUET_SUFFIXES or is_parquet(path)
    if is_table:
        return open_parquet(path)
    if suffix == _LINES_SUFFIX:
        return open_lines(path)
    if _is_delimited(path):
        return open_named(path, task, header=header, column=column, quoting=quoting or Quoting.AUTO)
    if suffix in JSON_SUFFIXES and is_json_lines(path):
        return open_json_lines(path)
    return open_whole(path)


def column_texts(piece: Table, column: str, first: int) -> list[str]:
    """Return the texts of a column; empty where there is none.

    Args:
        piece: The rows.
        column: Name of the column.
        first: Number of the first row, for messages.

    Raises:
        DataError: The column holds anything but texts.
    """
    import pyarrow as pa

    values = decoded(piece.columns[column])
    if not isinstance(values, list):
        is_text = pa.types.is_large_string(values.type)
        if not is_text and values.null_count < len(values):
            kind = "bytes that are not UTF-8" if "binary" in str(values.type) else str(values.type)
            raise _no_texts(piece, column, kind)
        values = values.to_pylist()
    for row, value in enumerate(values, start=first):
        if value is not None and not isinstance(value, str):
            raise _no_texts(piece, column, f"{type(value).__name__} in row {row:,}")
    missing = (None, *_UNTYPED_MISSING) if piece.untyped else (None,)
    return ["" if value in missing else value for value in values]


def _no_texts(piece: Table, column: str, found: str) -> DataError:
    return DataError(
        f"{piece.source}: column '{column}' holds other values than texts ({found})",
        hint="Name the column of the texts with --column COL",
    )
