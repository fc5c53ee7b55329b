"""From the columns of a split to its questions: checked, with the place of each answer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from xautolm_core.tasks.accepted_answers import Accepted
from xautolm_core.tasks.accepted_answers import read_accepted
from xautolm_core.tasks.cells import cell_values
from xautolm_core.tasks.question_columns import QuestionColumns
from xautolm_core.tasks.questions import NOT_FOUND
from xautolm_core.tasks.questions import QuestionSplit
from xautolm_core.tasks.refusal import refuse_or_drop
from xautolm_core.tasks.tables import Table
from xautolm_core.tasks.texts import MAX_CHARACTERS
from xautolm_core.tasks.texts import check_texts
from xautolm_core.tasks.texts import rows_phrase

_EMPTY = Accepted((), ())
_TRUE = frozenset({"true", "t", "yes", "y", "1", "1.0"})
_FALSE = frozenset({"false", "f", "no", "n", "0", "0.0", "", "nan"})


@dataclass(frozen=True, eq=False)
class QuestionRows:
    """The questions of a split that can be used, and where they stand.

    Attributes:
        source: File or data set, for messages.
        numbers: Number of each row in its source, from 1.
        rows: Questions, passages, answers.
    """

    source: str
    numbers: np.ndarray
    rows: QuestionSplit

    def take(self, places: np.ndarray) -> QuestionRows:
        """Return some of the rows, by index."""
        return QuestionRows(self.source, self.numbers[places], take_questions(self.rows, places))


def take_questions(split: QuestionSplit, places: np.ndarray) -> QuestionSplit:
    """Return some rows of a split, by index."""
    taken = pa.array(places, type=pa.int64())
    return QuestionSplit(*(column.take(taken) for column in vars(split).values()))


def read_questions(
    table: Table, columns: QuestionColumns, *, drop_invalid: bool
) -> tuple[QuestionRows, tuple[str, ...]]:
    """Read the questions of a split; refuse rows that cannot be used, or drop them with a warning.

    Args:
        table: The split, one question a row.
        columns: Where what stands.
        drop_invalid: Leave out what cannot be used.

    Returns:
        The usable rows and what the user should know.

    Raises:
        DataError: Rows cannot be used and are not to be dropped, or none can be used.
    """
    questions = check_texts(table, columns.question)
    contexts = check_texts(table, columns.context)
    passages = contexts.texts.to_pylist()
    flags = impossible_flags(table, columns)
    answers = answers_of(table, columns)
    found = [
        None if one is None or passage is None else _places(one, passage)
        for one, passage in zip(answers, passages, strict=True)
    ]
    no_text = np.array([one is None for one in answers])
    absent = np.array(
        [
            one is not None and bool(one.texts) and places is not None and max(places) < 0
            for one, places in zip(answers, found, strict=True)
        ]
    )
    faults = [
        ("no question", questions.missing | questions.empty),
        ("no passage", contexts.missing | contexts.empty),
        ("an answer that is no text", no_text),
        ("no answer that stands in the passage", absent),
        (
            f"a value of '{columns.impossible}' that is neither true nor false",
            np.array([flag is None for flag in flags], dtype=bool),
        ),
    ]
    kept, warnings = refuse_or_drop(
        table,
        faults,
        drop_invalid=drop_invalid,
        usable="a question, a passage and an answer in it",
        options="--question COL, --context COL and --answers COL",
    )
    usable = [(answers[row] or _EMPTY, found[row] or ()) for row in kept]
    warnings += _notes(table, kept, usable)
    truncated = questions.truncated + contexts.truncated
    if truncated:
        warnings.append(
            f"{table.source}: texts longer than {MAX_CHARACTERS:,} characters were truncated"
            f" to that: {truncated:,}"
        )
    places = pa.array(kept, type=pa.int64())
    rows = QuestionSplit(
        questions=questions.texts.take(places),
        contexts=contexts.texts.take(places),
        answers=_column([one.texts for one, _ in usable], pa.list_(pa.large_string())),
        starts=_column([starts for _, starts in usable], pa.list_(pa.int64())),
    )
    return QuestionRows(table.source, kept + 1, rows), tuple(warnings)


def _column(values: Sequence[Sequence[Any]], kind: pa.DataType) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(values, type=kind)])


def answers_of(table: Table, columns: QuestionColumns) -> list[Accepted | None]:
    """Return the accepted answers of each row; None where something is no text."""
    values = cell_values(table, columns.answers, "answers", "--answers")
    starts = cell_values(table, columns.starts, "answers", "--answers")
    flags = impossible_flags(table, columns)
    return [
        _EMPTY if flag else read_accepted(value, start, untyped=table.untyped)
        for value, start, flag in zip(values, starts, flags, strict=True)
    ]


def impossible_flags(table: Table, columns: QuestionColumns) -> list[bool | None]:
    """Return whether the data call each question unanswerable; None for what is no such flag."""
    return [
        _flag(value) for value in cell_values(table, columns.impossible, "answers", "--answers")
    ]


def _flag(value: Any) -> bool | None:
    """Return what a cell says, false if it is empty; None for what is neither true nor false."""
    word = "" if value is None else str(value).strip().casefold()
    if word in _TRUE:
        return True
    return False if word in _FALSE else None


def _places(accepted: Accepted, passage: str) -> tuple[int, ...]:
    """Return where each accepted answer stands in a passage; ``NOT_FOUND`` where it does not."""
    return tuple(
        place_of_answer(text, passage, start)
        for text, start in zip(accepted.texts, accepted.starts, strict=True)
    )


def place_of_answer(answer: str, passage: str, start: int | None) -> int:
    """Return where an answer stands in a passage.

    Args:
        answer: Not empty.
        passage: The passage.
        start: Where the data say that it stands, in characters; None if they do not.

    Returns:
        ``start`` if it is right. Else the occurrence nearest to it; without a start the first one
        as a word of its own, or the first one. ``NOT_FOUND`` if there is none.
    """
    if start is not None and passage.startswith(answer, start):
        return start
    if answer not in passage:
        return NOT_FOUND
    if start is not None:
        found = [match.start() for match in re.finditer(f"(?={re.escape(answer)})", passage)]
        return min(found, key=lambda place: abs(place - start))
    whole = re.search(rf"(?<!\w){re.escape(answer)}(?!\w)", passage)
    return whole.start() if whole else passage.index(answer)


def _notes(
    table: Table, kept: np.ndarray, usable: Sequence[tuple[Accepted, tuple[int, ...]]]
) -> list[str]:
    """Say which answers were found elsewhere than given, and which questions have none."""
    moved = [
        row
        for row, (one, places) in zip(kept, usable, strict=True)
        if any(
            place != NOT_FOUND and given is not None and given != place
            for place, given in zip(places, one.starts, strict=True)
        )
    ]
    silent = [row for row, (one, _) in zip(kept, usable, strict=True) if not one.was_given]
    notes = []
    if moved:
        notes.append(
            f"{table.source}: {rows_phrase(moved)} with an answer that does not begin where the"
            " data say: it was found elsewhere in the passage"
        )
    if silent:
        notes.append(
            f"{table.source}: {rows_phrase(silent)} with an empty answer: taken for questions that"
            " their passage does not answer"
        )
    return notes
