"""Which columns of a file hold the texts to classify, and whether its first line names them."""

from __future__ import annotations

import dataclasses
import json
import textwrap
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from xautolm_core.cli.output import warn
from xautolm_core.cli.prediction_files import TEXT_COLUMN
from xautolm_core.cli.prediction_files import RowFile
from xautolm_core.cli.prediction_files import decoded
from xautolm_core.cli.prediction_files import open_cells
from xautolm_core.cli.prediction_records import reading
from xautolm_core.errors import DataError
from xautolm_core.tasks.csv_table import column_names
from xautolm_core.tasks.csv_table import open_delimited
from xautolm_core.tasks.data_files import data_suffix
from xautolm_core.tasks.quoting import Quoting
from xautolm_core.tasks.spec import TaskType

_LONGEST_NAME_SHOWN = 60
_FIELDS: Mapping[str, tuple[str, str, str]] = {
    TaskType.TEXT_CLASSIFICATION: ("text", "text_pair", "label"),
    TaskType.QUESTION_ANSWERING: ("question", "context", "answers"),
    TaskType.TEXT_GENERATION: ("prompt", "messages", "completion"),
}
"""Type of task to the fields of its description that name columns."""
_PROMPT_NAMES = frozenset(
    {"prompt", "instruction", "input", "messages", "conversations", "question", "system"}
)


@dataclass(frozen=True)
class TaskColumns:
    """The names of the task's columns, where the user gave them.

    Attributes:
        text: Of the text, the question or the prompt.
        text_pair: Of the second text, the passage, or whole conversations.
        label: Of the class, the answers, or the texts to be written.
        task_type: Kind of the task.
    """

    text: str | None = None
    text_pair: str | None = None
    label: str | None = None
    task_type: str = TaskType.TEXT_CLASSIFICATION

    def names(self) -> list[str]:
        """Return those that are known."""
        return [name for name in (self.text, self.text_pair, self.label) if name is not None]


def columns_of_run(run: Path, task_type: str = TaskType.TEXT_CLASSIFICATION) -> TaskColumns:
    """Return the columns of the task of a run, or of the run that contains a model.

    Args:
        run: The run folder, or the model's.
        task_type: Kind of the task.
    """
    from xautolm_core.search.contract import SEARCH_FILE

    for folder in (run, run.parent):
        try:
            task = json.loads((folder / SEARCH_FILE).read_text(encoding="utf-8"))["task"]
            fields = _FIELDS.get(task_type, _FIELDS[TaskType.TEXT_CLASSIFICATION])
            text, pair, label = (task.get(field) for field in fields)
            return TaskColumns(text, pair, label, task_type)
        except (OSError, ValueError, KeyError, AttributeError):
            continue
    return TaskColumns(task_type=task_type)


def open_named(
    path: Path,
    task: TaskColumns,
    *,
    header: bool | None,
    column: str | None,
    quoting: Quoting = Quoting.AUTO,
) -> RowFile:
    """Decide whether the first line of a delimited file names the columns, and open the file.

    Args:
        path: The file.
        task: Its columns decide where no option does.
        header: What the user says of the first line, if anything.
        column: Name, or number in a file without names, of the text's column, if given.
        quoting: What the user says of the file's quotes.

    Raises:
        DataError: It cannot be decided, or several columns have one name.
    """
    tabs = data_suffix(path) == ".tsv"
    with reading(path):
        file = open_delimited(path, tabs=tabs, quoting=quoting)
        is_known = header is not None
        if header is None:
            header = _names_columns(file.first, task, path)
        if not header and file.layout.comment_lines:
            # Comments stand above names: without these, such lines are rows.
            file = open_delimited(path, tabs=tabs, quoting=quoting, with_comments=False)
    for warning in file.warnings:
        warn(warning)
    if header:
        names, nameless = column_names(path, file.first)
        return open_cells(file, names, nameless=nameless, has_header=True)
    if not is_known:
        warn(f"{path}: the first line is a text; if it names the column, say so with --header")
    if len(file.first) == 1:
        return open_cells(file, [column or TEXT_COLUMN], has_header=False)
    if column is None:
        raise DataError(
            f"{path} has {len(file.first)} columns without names",
            hint="Give the number of the text's column, as in --no-header --column 2",
        )
    numbers = [str(number) for number in range(1, len(file.first) + 1)]
    return open_cells(file, numbers, has_header=False)


def _names_columns(first: Sequence[str], task: TaskColumns, path: Path) -> bool:
    """Decide by the task's columns whether a first line names columns.

    A task whose columns were found by their names is as good as one that says them: what would be
    found in it again is a header.

    Raises:
        DataError: It cannot be decided.
    """
    from xautolm_core.tasks.columns import is_text_name
    from xautolm_core.tasks.columns import plain_name

    if set(first) & set(task.names()):
        return True
    looks_named = any(is_text_name(name) for name in first)
    if task.task_type == TaskType.TEXT_GENERATION:
        looks_named = looks_named or any(plain_name(name) in _PROMPT_NAMES for name in first)
    if looks_named and task.text is None:
        return True
    if len(first) == 1 and not looks_named:
        return False
    shown = ", ".join(textwrap.shorten(name, _LONGEST_NAME_SHOWN) for name in first)
    known = f": the task's are {', '.join(task.names())}" if task.names() else ""
    raise DataError(
        f"{path}: the first line ({shown}) may be names of columns or a row{known}",
        hint="Say which column holds the text with --column COL, or that there are no names with"
        " --no-header" + (" and the column's number, as in --column 2" if len(first) > 1 else ""),
    )


def choose_columns(
    file: RowFile,
    task: TaskColumns,
    *,
    column: str | None,
    pair_column: str | None,
    has_pairs: bool | None,
) -> tuple[str, str | None]:
    """Find the columns of the texts: as given, as the task has them, or by name and content.

    Args:
        file: The rows.
        task: Whose columns are taken where none is given.
        column: Column of the text, if given.
        pair_column: Column of the second text, if given.
        has_pairs: Whether the model wants second texts, if that is known.

    Returns:
        The column of the text, and that of the second one if there is any.

    Raises:
        DataError: There is no such column, or several could be meant.
    """
    from xautolm_core.tasks.columns import find_text_columns
    from xautolm_core.tasks.columns import require_column
    from xautolm_core.tasks.question_columns import question_and_context

    some = next(file.pieces(), None)
    if some is None:
        raise DataError(f"{file.source} has columns but no rows", hint="Give texts to classify")
    columns = {name: decoded(values) for name, values in some.columns.items()}
    table = dataclasses.replace(some, columns=columns)
    for option, given in (("--column", column), ("--pair-column", pair_column)):
        if given is not None:
            require_column(table, given, option)
    if column is None and task.text in columns:
        column = task.text
    if pair_column is None and task.text_pair in columns:
        pair_column = task.text_pair
    if task.task_type == TaskType.QUESTION_ANSWERING:
        found = question_and_context(table)
        column, pair_column = column or found[0], pair_column or found[1]
        if column is None or pair_column is None:
            raise DataError(
                f"{file.source} has no columns named like a question and its passage",
                hint="Name them with --column COL and --pair-column COL",
            )
    if column is None:
        ignored = [name for name in (pair_column, task.label) if name is not None]
        looks_for_pairs = pair_column is None and has_pairs is not False
        try:
            column, second = find_text_columns(table, ignored=ignored, has_pairs=looks_for_pairs)
        except DataError as error:
            raise DataError(error.problem, hint="Name the column with --column COL") from error
        pair_column = pair_column or second
    if column == pair_column:
        raise DataError(
            f"{file.source}: '{column}' cannot be both texts of a pair",
            hint="Name two columns with --column COL and --pair-column COL",
        )
    return column, pair_column
