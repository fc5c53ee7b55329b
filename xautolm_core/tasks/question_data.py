"""Loading a question answering task: check, find the answers, cut splits by passage."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence

import numpy as np

from xautolm_core.errors import DataError
from xautolm_core.tasks.columns import require_column
from xautolm_core.tasks.fingerprint import digest_of_content
from xautolm_core.tasks.fingerprint import joined_texts
from xautolm_core.tasks.group_cut import cut_by_group
from xautolm_core.tasks.quality import text_numbers
from xautolm_core.tasks.quality import unlabelled_split
from xautolm_core.tasks.quality import warnings_of
from xautolm_core.tasks.question_columns import QuestionColumns
from xautolm_core.tasks.question_columns import find_question_columns
from xautolm_core.tasks.question_quality import find_question_faults
from xautolm_core.tasks.question_rows import QuestionRows
from xautolm_core.tasks.question_rows import answers_of
from xautolm_core.tasks.question_rows import impossible_flags
from xautolm_core.tasks.question_rows import read_questions
from xautolm_core.tasks.questions import QuestionSplit
from xautolm_core.tasks.questions import QuestionTask
from xautolm_core.tasks.spec import SplitFractions
from xautolm_core.tasks.spec import TaskSpec
from xautolm_core.tasks.spec import TaskType
from xautolm_core.tasks.squad_json import one_question_a_row
from xautolm_core.tasks.tables import Table
from xautolm_core.tasks.task import SPLIT_NAMES
from xautolm_core.tasks.task import Finding
from xautolm_core.tasks.task import SplitName
from xautolm_core.tasks.task import Task

_KIND = b"xautolm questions 1"


def load_questions(spec: TaskSpec, tables: Mapping[SplitName, Table]) -> QuestionTask:
    """Check the data of a question answering task.

    Args:
        spec: The task's description.
        tables: Its data.

    Returns:
        The task with all three splits.

    Raises:
        DataError: The data cannot be used.
    """
    flat = {split: one_question_a_row(table) for split, table in tables.items()}
    columns = find_question_columns(flat["train"], spec)
    warnings = tuple(warning for table in flat.values() for warning in table.warnings)
    given: dict[SplitName, QuestionRows] = {}
    unanswered: list[Finding] = []
    for split in (name for name in SPLIT_NAMES if name in flat):
        why = "" if split == "train" else _why_unlabelled(flat[split], columns, given["train"])
        if why:
            unanswered.append(unlabelled_split(split, flat[split].source, flat[split].rows, why))
            continue
        _require(flat[split], columns)
        given[split], found = read_questions(flat[split], columns, drop_invalid=spec.drop_invalid)
        warnings += found
    if not any(given["train"].rows.answers.to_pylist()):
        raise DataError(
            f"{given['train'].source}: no question has an answer",
            hint="Name the column of the answers with --answers COL",
        )
    splits = _all_splits(given, spec)
    findings = (*unanswered, *find_question_faults(splits))
    return Task(
        name=spec.name or "task",
        type=TaskType.QUESTION_ANSWERING,
        fingerprint=digest_of_content(
            _KIND, (), {split: _contents(part.rows) for split, part in given.items()}
        ),
        labels=(),
        splits={split: part.rows for split, part in splits.items()},
        languages=spec.languages,
        warnings=(*warnings, *warnings_of(findings)),
        notes=(
            f"Taken for question answering: questions in column '{columns.question}', passages in"
            f" '{columns.context}', answers in '{columns.answers}'",
        ),
        findings=findings,
    )


def _require(table: Table, columns: QuestionColumns) -> None:
    """Refuse a split that lacks a column."""
    wanted = (
        (columns.question, "--question"),
        (columns.context, "--context"),
        (columns.answers, "--answers"),
    )
    for column, option in wanted:
        require_column(table, column, option)


def _why_unlabelled(table: Table, columns: QuestionColumns, train: QuestionRows) -> str:
    """Return why a held-out split is without labels, as that of many benchmarks; else nothing.

    A split may also consist of unanswerable questions: if a column says so, or if its lists of
    answers are empty as most of those in training are.
    """
    if columns.answers not in table.columns:
        has_rest = columns.question in table.columns and columns.context in table.columns
        return f"there is no column '{columns.answers}'" if has_rest else ""
    found = answers_of(table, columns)
    if any(one is None or one.texts for one in found) or any(impossible_flags(table, columns)):
        return ""
    is_listed = any(one is not None and one.was_given for one in found)
    if is_listed and 2 * sum(map(bool, train.rows.answers.to_pylist())) < len(train.rows):
        return ""
    return f"column '{columns.answers}' is empty in each of its {table.rows:,} rows"


def _contents(split: QuestionSplit) -> Iterator[bytes]:
    """Yield what is in each row, the lengths keeping its parts apart."""
    columns = (split.questions, split.contexts, split.answers)
    for question, context, answers in zip(*(c.to_pylist() for c in columns), strict=True):
        yield joined_texts((question, context, *answers))


def _all_splits(
    given: Mapping[SplitName, QuestionRows], spec: TaskSpec
) -> dict[SplitName, QuestionRows]:
    """Return all three splits, those not given cut from the training rows."""
    splits = dict(given)
    missing = [split for split in SPLIT_NAMES if split not in given]
    if missing:
        pool = given["train"]
        passages = text_numbers(pool.rows.contexts, None)
        parts = cut_by_passage(pool.rows, passages, missing, spec.splits, spec.seed)
        splits.update((split, pool.take(rows)) for split, rows in parts.items())
    return {split: splits[split] for split in SPLIT_NAMES}


def cut_by_passage(
    rows: QuestionSplit,
    passages: np.ndarray,
    missing: Sequence[SplitName],
    fractions: SplitFractions,
    seed: int,
) -> Mapping[SplitName, np.ndarray]:
    """Divide the training rows into training and the missing splits, whole passages each.

    Questions on a passage that a model has learnt from are easier than those on a new one. The
    share of questions without an answer is kept.

    Args:
        rows: The training rows.
        passages: A number for the passage of each row, the same for equal ones.
        missing: Which of ``validation`` and ``test`` are to be cut.
        fractions: Their shares of the rows, and their largest size.
        seed: Seed of the split.

    Returns:
        Sorted row indices of ``train`` and of each missing split.

    Raises:
        DataError: There are too few passages, or the shares leave nothing to train on.
    """
    import pyarrow.compute as pc

    is_answered = pc.greater(pc.list_value_length(rows.answers), 0).to_numpy().astype(np.int64)
    return cut_by_group(
        is_answered,
        passages,
        missing,
        fractions,
        seed,
        group="passage",
        reason="questions on a passage stay on one side",
    )
