"""Predictions, printed or written to a file, batch by batch."""

from __future__ import annotations

import contextlib
import json
import math
import sys
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any
from typing import BinaryIO
from typing import Protocol

from xautolm_core.cli.output import one_line
from xautolm_core.errors import ConfigError
from xautolm_core.errors import StoreError
from xautolm_core.request.locations import check_can_write

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from xautolm_core.cli.prediction_input import RowBatch

    Columns = Mapping[str, pa.ChunkedArray | list[Any]]

_SUFFIXES = (".csv", ".jsonl", ".parquet")
_SHOWN_CHARACTERS = 70
# A row group of Parquet: small ones make a file slow to read and its footer large.
_GROUP_ROWS = 1 << 15
_GROUP_BYTES = 1 << 24


class Answered(Protocol):
    """Some rows with a model's answers, in order."""

    @property
    def rows(self) -> RowBatch:
        """The rows."""

    def cells(self, *, with_classes: bool) -> Sequence[Sequence[Any]]:
        """Return the columns of ``answer_columns``: the answer to each row, and what is beside it.

        Args:
            with_classes: Whether each class has a column.
        """

    def json_lines(self) -> Iterator[str]:
        """Yield a JSON object for each row."""

    def plain_lines(self, *, with_classes: bool) -> Iterator[str]:
        """Yield answer, probability and text of each row, tabs between them."""


@dataclass(frozen=True)
class AnsweredBatch:
    """Some rows with the classes that a model gives them. See ``Answered``.

    Attributes:
        rows: The rows.
        labels: The model's class names.
        probabilities: Of each class for each row, float32, (rows, classes).
    """

    rows: RowBatch
    labels: Sequence[str]
    probabilities: np.ndarray

    def cells(self, *, with_classes: bool) -> Sequence[Sequence[Any]]:
        """Return each row's most probable class, how probable it is, perhaps those of all."""
        by_class = self.probabilities.T.tolist() if with_classes else []
        return [self._best(), self.probabilities.max(1).tolist(), *by_class]

    def _best(self) -> list[str]:
        return [self.labels[place] for place in self.probabilities.argmax(1)]

    def json_lines(self) -> Iterator[str]:
        """Yield a class for each row, with the probabilities of all."""
        for label, row in zip(self._best(), self.probabilities.tolist(), strict=True):
            probabilities = dict(zip(self.labels, row, strict=True))
            document = {"label": label, "probabilities": probabilities}
            yield json.dumps(document, ensure_ascii=False)

    def plain_lines(self, *, with_classes: bool) -> Iterator[str]:
        """Yield class, probability, perhaps those of all classes, and text of each row."""
        names = [one_line(label) for label in self.labels]
        for text, row in zip(self.rows.texts, self.probabilities.tolist(), strict=True):
            highest = max(row)
            cells = [names[row.index(highest)], f"{highest:.4f}"]
            if with_classes:
                cells += [f"{name}={value:.4f}" for name, value in zip(names, row, strict=True)]
            yield "\t".join([*cells, shown_text(text)])


@dataclass(frozen=True)
class AnsweredQuestions:
    """Some questions with a model's answers. See ``Answered``.

    Attributes:
        rows: The rows.
        answers: The answer to each; empty for none.
        scores: How probable each is, in [0, 1].
    """

    rows: RowBatch
    answers: Sequence[str]
    scores: Sequence[float]

    def cells(self, *, with_classes: bool) -> Sequence[Sequence[Any]]:
        """Return each row's answer, and how probable it is."""
        return [self.answers, self.scores]

    def json_lines(self) -> Iterator[str]:
        """Yield the answer to each row with its score."""
        for answer, score in zip(self.answers, self.scores, strict=True):
            yield json.dumps({"answer": answer, "score": score}, ensure_ascii=False)

    def plain_lines(self, *, with_classes: bool) -> Iterator[str]:
        """Yield answer, score and question of each row."""
        for question, answer, score in zip(self.rows.texts, self.answers, self.scores, strict=True):
            yield "\t".join([one_line(answer), f"{score:.4f}", shown_text(question)])


def shown_text(text: str) -> str:
    """Return a text on one line, cut where it is long."""
    shown = one_line(text)
    return shown if len(shown) <= _SHOWN_CHARACTERS else f"{shown[: _SHOWN_CHARACTERS - 1]}…"


@dataclass(frozen=True)
class AnswerColumns:
    """The names of the columns that answers are written to.

    Attributes:
        prediction: Of the answer, or the most probable class.
        others: Of what is beside it, in order: its probability, and that of each class if they are
            requested; of a written text how long it is.
        types: Name of each column to its Arrow type.
    """

    prediction: str
    others: tuple[str, ...]
    types: Mapping[str, pa.DataType]

    @property
    def with_classes(self) -> bool:
        """Whether each class has a column."""
        return len(self.others) > 1


def answer_columns(
    taken: Collection[str], labels: Sequence[str], *, with_classes: bool
) -> AnswerColumns:
    """Name the columns of answers with probabilities.

    Args:
        taken: Names of the input's columns.
        labels: The model's class names.
        with_classes: Whether each class has a column.
    """
    import pyarrow as pa

    classes = [f".{label}" for label in labels] if with_classes else []
    others = {("probability", tail): pa.float64() for tail in ("", *classes)}
    return named_apart(taken, others)


def named_apart(
    taken: Collection[str], others: Mapping[tuple[str, str], pa.DataType]
) -> AnswerColumns:
    """Name the columns of answers: apart from all others, so that nothing is replaced.

    Args:
        taken: Names of the input's columns.
        others: Beginning and end of the name of each column beside the answer, to its type. A
            number comes between them where a name is taken.
    """
    import pyarrow as pa

    number = 1
    while True:
        middle = "" if number == 1 else f"_{number}"
        prediction = f"prediction{middle}"
        types = {f"{begin}{middle}{end}": kind for (begin, end), kind in others.items()}
        if not {prediction, *types} & set(taken):
            kinds = {prediction: pa.large_string(), **types}
            return AnswerColumns(prediction, tuple(types), kinds)
        number += 1


def check_out_file(path: Path) -> None:
    """Refuse a file of an unknown format or in a folder that cannot be written; write nothing.

    Raises:
        ConfigError: It cannot be written.
    """
    if path.suffix.lower() not in _SUFFIXES:
        raise ConfigError(
            f"--out: {path} has no known format", hint=f"End it in {', '.join(_SUFFIXES)}"
        )
    if not path.absolute().parent.is_dir():
        raise ConfigError(f"--out: {path.parent} does not exist", hint="Make the folder first")
    if path.is_dir():
        raise ConfigError(f"--out: {path} is a folder", hint="Give a file")
    check_can_write(path.parent, "--out")


def print_answers(answered: Iterable[Answered], *, as_json: bool, with_classes: bool) -> None:
    """Print a line per text: class, probability and text, or a JSON object.

    Args:
        answered: The answers; each batch is printed before the next one is asked for.
        as_json: Print an object with all probabilities.
        with_classes: Print the probability of each class before the text.
    """
    for batch in answered:
        lines = batch.json_lines() if as_json else batch.plain_lines(with_classes=with_classes)
        sys.stdout.write("".join(f"{line}\n" for line in lines))
        sys.stdout.flush()


def write_answers(
    answered: Iterable[Answered],
    path: Path,
    types: Mapping[str, pa.DataType | None],
    names: AnswerColumns,
) -> int:
    """Write all columns of the input and the answers beside them; return the number of rows.

    The file appears when all is written, or not at all.

    Args:
        answered: The answers; each batch is written before the next one is asked for.
        path: The file; its suffix selects the format.
        types: Arrow types of the input's columns.
        names: Of the columns of the answers.

    Raises:
        StoreError: The file cannot be written.
    """
    written = 0
    with _writing(path), contextlib.ExitStack() as stack:
        write = stack.enter_context(_open_writer(path, {**types, **names.types}))
        for batch in answered:
            cells = batch.cells(with_classes=names.with_classes)
            named = zip((names.prediction, *names.others), cells, strict=True)
            write({**batch.rows.columns, **{name: list(column) for name, column in named}})
            written += len(cells[0])
    return written


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"cannot write {path}: {error.strerror or error}", hint="Choose another file"
        ) from error


@contextlib.contextmanager
def _open_writer(
    path: Path, types: Mapping[str, pa.DataType | None]
) -> Iterator[Callable[[Columns], None]]:
    """Yield a function that writes rows, with all columns; the file appears at the end."""
    from xautolm_core.whole_files import whole_file

    with whole_file(path) as file:
        match path.suffix.lower():
            case ".jsonl":
                yield lambda columns: _write_json(file, columns)
            case ".csv":
                with _csv_writer(file, types) as write:
                    yield write
            case _:
                with _parquet_writer(file, types) as write:
                    yield write


def _write_json(file: BinaryIO, columns: Columns) -> None:
    values = [
        column if isinstance(column, list) else column.to_pylist() for column in columns.values()
    ]
    for row in zip(*values, strict=True):
        record = dict(zip(columns, row, strict=True))
        file.write(_json_text(record).encode("utf-8") + b"\n")


@contextlib.contextmanager
def _csv_writer(
    file: BinaryIO, types: Mapping[str, pa.DataType | None]
) -> Iterator[Callable[[Columns], None]]:
    import pyarrow as pa
    import pyarrow.csv

    schema = pa.schema([(name, _cell_type(kind)) for name, kind in types.items()])
    with pyarrow.csv.CSVWriter(file, schema) as writer:
        yield lambda columns: writer.write_table(_as_table(columns, schema))


@contextlib.contextmanager
def _parquet_writer(
    file: BinaryIO, types: Mapping[str, pa.DataType | None]
) -> Iterator[Callable[[Columns], None]]:
    import pyarrow as pa
    import pyarrow.parquet

    text = pa.large_string()
    schema = pa.schema([(name, text if kind is None else kind) for name, kind in types.items()])
    waiting: list[Any] = []

    def flush() -> None:
        if waiting:
            group = pa.concat_tables(waiting)
            writer.write_table(group, row_group_size=max(len(group), 1))
            waiting.clear()

    def write(columns: Columns) -> None:
        waiting.append(_as_table(columns, schema))
        rows, size = sum(map(len, waiting)), sum(table.nbytes for table in waiting)
        if rows >= _GROUP_ROWS or size >= _GROUP_BYTES:
            flush()

    with pyarrow.parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        yield write
        flush()


def _cell_type(kind: pa.DataType | None) -> pa.DataType:
    """Return the type of a column of CSV: its own where that has a plain text, else a string."""
    import pyarrow as pa

    tests = (
        pa.types.is_boolean,
        pa.types.is_integer,
        pa.types.is_floating,
        pa.types.is_decimal,
        pa.types.is_date,
        pa.types.is_timestamp,
    )
    is_plain = kind is not None and any(test(kind) for test in tests)
    return kind if is_plain else pa.large_string()


def _as_table(columns: Columns, schema: pa.Schema) -> pa.Table:
    """Return columns as Arrow data of a schema; what a type cannot hold is written as JSON."""
    import pyarrow as pa

    def converted(name: str, kind: pa.DataType) -> pa.ChunkedArray | pa.Array:
        values = columns[name]
        if not isinstance(values, list):
            if values.type == kind:
                return values
            if pa.types.is_string(values.type) or pa.types.is_null(values.type):
                return values.cast(kind)
            values = values.to_pylist()
        if kind != pa.large_string():
            return pa.array(values, type=kind)
        return pa.array([_cell(value) for value in values], type=kind)

    return pa.table([converted(f.name, f.type) for f in schema], schema=schema)


def _cell(value: Any) -> str | None:
    """Return a value as text: as JSON where it has no plain form."""
    plain = _plain_value(value)
    return plain if plain is None or isinstance(plain, str) else _json_text(plain)


def _json_text(value: Any) -> str:
    """Return a value as JSON; what is not finite becomes null, dates and bytes become strings."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError):
        return json.dumps(_plain_value(value), ensure_ascii=False)


def _plain_value(value: Any) -> Any:
    """Return a value that JSON can express."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(name): _plain_value(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain_value(item) for item in value]
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return value if isinstance(value, str | int | None) else str(value)
