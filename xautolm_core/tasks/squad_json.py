"""SQuAD's own files: articles of paragraphs of questions, made a row for each question."""

from __future__ import annotations

import dataclasses
from typing import Any

from xautolm_core.errors import DataError
from xautolm_core.tasks.tables import Table

PARAGRAPHS = "paragraphs"
_HINT = (
    'Write articles as {"paragraphs": [{"context": "...", "qas": [{"question": "...", "answers":'
    ' [{"text": "...", "answer_start": 0}]}]}]}, or one question a row'
)


def holds_articles(table: Table) -> bool:
    """Whether a table holds SQuAD's articles: lists of paragraphs."""
    column = table.columns.get(PARAGRAPHS)
    if isinstance(column, list):
        return PARAGRAPHS in table.nested or any(isinstance(value, list) for value in column)
    return False


def one_question_a_row(table: Table) -> Table:
    """Return the questions of a table of SQuAD's articles (v1.1 or v2.0); other tables as they are.

    Rows are counted through the questions in their order.

    Raises:
        DataError: An article or a paragraph lacks what it should hold.
    """
    if not holds_articles(table):
        return table
    articles = table.columns[PARAGRAPHS]
    if not isinstance(articles, list) or len(articles) < table.rows:
        raise DataError(f"{table.source}: '{PARAGRAPHS}' holds no paragraphs", hint=_HINT)
    columns: dict[str, list[Any]] = {"question": [], "context": [], "answers": []}
    columns["is_impossible"] = []
    for number, paragraphs in enumerate(articles, start=1):
        for place, paragraph in enumerate(_list(paragraphs, table, f"article {number}"), start=1):
            where = f"paragraph {place} of article {number}"
            if not isinstance(paragraph, dict) or "context" not in paragraph:
                raise DataError(f"{table.source}: {where} has no context", hint=_HINT)
            for entry in _list(paragraph.get("qas"), table, where):
                if not isinstance(entry, dict):
                    raise DataError(f"{table.source}: {where} has a question that is no object")
                columns["question"].append(entry.get("question"))
                columns["context"].append(paragraph["context"])
                columns["answers"].append(entry.get("answers"))
                columns["is_impossible"].append(entry.get("is_impossible"))
    rows = len(columns["question"])
    if not rows:
        raise DataError(f"{table.source} holds no question", hint=_HINT)
    return dataclasses.replace(table, rows=rows, columns=columns, class_names={}, others={})


def _list(value: Any, table: Table, where: str) -> list[Any]:
    if not isinstance(value, list):
        what = "paragraphs" if where.startswith("article") else "questions ('qas')"
        raise DataError(f"{table.source}: {where} has no list of {what}", hint=_HINT)
    return value
