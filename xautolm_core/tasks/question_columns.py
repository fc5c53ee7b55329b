"""Which columns hold questions, passages and answers, and whether a table holds such at all."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Any

from xautolm_core.errors import DataError
from xautolm_core.tasks.accepted_answers import read_accepted
from xautolm_core.tasks.column_content import has_few_values
from xautolm_core.tasks.column_content import is_text
from xautolm_core.tasks.columns import listed
from xautolm_core.tasks.columns import plain_name
from xautolm_core.tasks.columns import require_column
from xautolm_core.tasks.squad_json import holds_articles
from xautolm_core.tasks.tables import Table

if TYPE_CHECKING:
    from xautolm_core.tasks.spec import TaskSpec

_QUESTIONS = ("question", "questions", "query", "question_text")
_CONTEXTS = ("context", "contexts", "passage", "paragraph", "document", "article", "passage_text")
_ANSWERS = ("answers", "answer", "answer_text", "gold_answers", "gold_answer", "answers_spans")
_STARTS = ("answer_start", "answer_starts", "start", "answers_start")
_IMPOSSIBLE = ("is_impossible", "unanswerable", "is_unanswerable")
_CLASSES = ("label", "labels")
_LOOKED_AT = 200
_OPTIONS = "Say which with --question COL, --context COL and --answers COL"


@dataclass(frozen=True)
class QuestionColumns:
    """The names of the columns that matter.

    Attributes:
        question: Questions.
        context: Passages.
        answers: Accepted answers.
        starts: Where the answers begin, if a column of its own says so.
        impossible: Whether a passage does not answer its question, if a column says so.
    """

    question: str
    context: str
    answers: str
    starts: str | None
    impossible: str | None


def holds_questions(table: Table, spec: TaskSpec) -> bool:
    """Whether a table is one of questions on passages, by what is given and by its columns.

    A question and a passage with a class are a pair of texts. So are those with an answer of a few
    kinds ("yes", "no") that does not stand in the passage.
    """
    others = (spec.text, spec.label, spec.labels, spec.prompt, spec.completion, spec.messages)
    if any(column is not None for column in others):
        return False
    if spec.question is not None or spec.context is not None or spec.answers is not None:
        return True
    if holds_articles(table):
        return _first(table, _CLASSES) is None
    question, context, answers = question_columns_by_name(table)
    if question is None or context is None or answers is None or _first(table, _CLASSES):
        return False
    if not is_text(table, question) or not is_text(table, context):
        return False
    return _are_answers(table, context, answers)


def _are_answers(table: Table, context: str, answers: str) -> bool:
    """Whether a column holds answers rather than a few classes."""
    if answers in table.nested:
        return True
    column = table.columns[answers]
    if isinstance(column, list):
        return any(isinstance(value, str | list | dict) for value in column)
    if not is_text(table, answers):
        return False
    if not has_few_values(table, answers):
        return True
    pairs = list(itertools.islice(zip(column, table.columns[context], strict=True), _LOOKED_AT))
    given = [(read_accepted(_plain(a), untyped=table.untyped), _plain(c)) for a, c in pairs]
    rows = [(found.texts, str(c or "")) for found, c in given if found is not None and found.texts]
    inside = sum(any(text in passage for text in texts) for texts, passage in rows)
    return 2 * inside >= len(rows) > 0


def _plain(value: Any) -> Any:
    """Return a value of a column as Python has it."""
    return value.as_py() if hasattr(value, "as_py") else value


def find_question_columns(table: Table, spec: TaskSpec) -> QuestionColumns:
    """Find the columns of questions, passages and answers: as given, or by their names.

    Raises:
        DataError: A given column does not exist, or one of the three is not found.
    """
    wanted = (
        ("question", "--question", spec.question, _QUESTIONS),
        ("context", "--context", spec.context, _CONTEXTS),
        ("answers", "--answers", spec.answers, _ANSWERS),
    )
    found: dict[str, str] = {}
    for what, option, given, names in wanted:
        if given is not None:
            require_column(table, given, option)
        column = given or _first(table, [n for n in names if n not in found.values()])
        if column is None:
            raise DataError(
                f"{table.source}: no column is named like the {what} of questions"
                f" (columns: {listed(list(table.columns))})",
                hint=_OPTIONS,
            )
        found[what] = column
    if len(set(found.values())) < len(found):
        raise DataError(
            f"{table.source}: the same column is taken twice ({', '.join(found.values())})",
            hint=_OPTIONS,
        )
    return QuestionColumns(
        **found, starts=_first(table, _STARTS), impossible=_first(table, _IMPOSSIBLE)
    )


def question_and_context(table: Table) -> tuple[str | None, str | None]:
    """Return the columns that are named like questions and like passages, None for what is not."""
    return question_columns_by_name(table)[:2]


def question_columns_by_name(table: Table) -> tuple[str | None, str | None, str | None]:
    """Return the columns that are named like questions, passages and answers, None for others."""
    return _first(table, _QUESTIONS), _first(table, _CONTEXTS), _first(table, _ANSWERS)


def _first(table: Table, names: Sequence[str]) -> str | None:
    """Return the first column that goes by one of these names, the strongest name first."""
    by_name = {plain_name(name): name for name in reversed(list(table.columns))}
    return next((by_name[name] for name in names if name in by_name), None)
