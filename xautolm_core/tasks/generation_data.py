"""Loading a text generation task: check, mend, cut splits by prompt."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping

import numpy as np

from xautolm_core.tasks.columns import require_column
from xautolm_core.tasks.conversations import GenerationSplit
from xautolm_core.tasks.conversations import GenerationTask
from xautolm_core.tasks.fingerprint import digest_of_content
from xautolm_core.tasks.fingerprint import joined_texts
from xautolm_core.tasks.generation_columns import ConversationForm
from xautolm_core.tasks.generation_columns import GenerationColumns
from xautolm_core.tasks.generation_columns import find_generation_columns
from xautolm_core.tasks.generation_quality import find_generation_faults
from xautolm_core.tasks.generation_rows import ConversationRows
from xautolm_core.tasks.generation_rows import has_no_answers
from xautolm_core.tasks.generation_rows import read_conversations
from xautolm_core.tasks.group_cut import cut_by_group
from xautolm_core.tasks.quality import unlabelled_split
from xautolm_core.tasks.quality import warnings_of
from xautolm_core.tasks.spec import TaskSpec
from xautolm_core.tasks.spec import TaskType
from xautolm_core.tasks.squad_json import one_question_a_row
from xautolm_core.tasks.tables import Table
from xautolm_core.tasks.task import SPLIT_NAMES
from xautolm_core.tasks.task import Finding
from xautolm_core.tasks.task import SplitName
from xautolm_core.tasks.task import Task

_KIND = b"xautolm conversations 1"
_TURNS_SHOWN = 4


def load_conversations(spec: TaskSpec, tables: Mapping[SplitName, Table]) -> GenerationTask:
    """Check the data of a text generation task.

    Args:
        spec: The task's description.
        tables: Its data.

    Returns:
        The task with all three splits.

    Raises:
        DataError: The data cannot be used.
    """
    flat = {split: one_question_a_row(table) for split, table in tables.items()}
    columns = find_generation_columns(flat["train"], spec)
    warnings = tuple(warning for table in flat.values() for warning in table.warnings)
    given: dict[SplitName, ConversationRows] = {}
    unanswered: list[Finding] = []
    for split in (name for name in SPLIT_NAMES if name in flat):
        why = "" if split == "train" else _why_unanswered(flat[split], columns)
        if why:
            unanswered.append(unlabelled_split(split, flat[split].source, flat[split].rows, why))
            continue
        for column, option in columns.required:
            require_column(flat[split], column, option)
        given[split], found = read_conversations(
            flat[split], columns, drop_invalid=spec.drop_invalid
        )
        warnings += found
    splits = _all_splits(given, spec, columns)
    findings = (*unanswered, *find_generation_faults(splits, columns))
    return Task(
        name=spec.name or "task",
        type=TaskType.TEXT_GENERATION,
        fingerprint=digest_of_content(
            _KIND, (), {split: _contents(part.rows) for split, part in given.items()}
        ),
        labels=(),
        splits={split: part.rows for split, part in splits.items()},
        languages=spec.languages,
        warnings=(*warnings, *warnings_of(findings)),
        notes=(_in_words(columns, given["train"].rows),),
        findings=findings,
    )


def _why_unanswered(table: Table, columns: GenerationColumns) -> str:
    """Return why a held-out split is without answers, as that of many benchmarks; else nothing."""
    if columns.completion is None:
        return ""
    if columns.completion not in table.columns:
        has_rest = columns.prompt in table.columns
        return f"there is no column '{columns.completion}'" if has_rest else ""
    if has_no_answers(table, columns):
        return f"column '{columns.completion}' is empty in each of its {table.rows:,} rows"
    return ""


def _all_splits(
    given: Mapping[SplitName, ConversationRows], spec: TaskSpec, columns: GenerationColumns
) -> dict[SplitName, ConversationRows]:
    """Return all three splits, those not given cut from the training rows."""
    splits = dict(given)
    missing = [split for split in SPLIT_NAMES if split not in given]
    if missing:
        pool = given["train"]
        on_passages = columns.is_on_passages
        parts = cut_by_group(
            np.zeros(len(pool.rows), dtype=np.int64),
            pool.groups,
            missing,
            spec.splits,
            spec.seed,
            group="passage" if on_passages else "prompt",
            reason=f"{'questions on a passage' if on_passages else 'equal prompts'} stay on one"
            " side",
        )
        splits.update((split, pool.take(rows)) for split, rows in parts.items())
    return {split: splits[split] for split in SPLIT_NAMES}


def _contents(split: GenerationSplit) -> Iterator[bytes]:
    """Yield what is in each row, the lengths keeping its parts apart."""
    for messages, answers in zip(
        split.messages.to_pylist(), split.answers.to_pylist(), strict=True
    ):
        texts = [text for message in messages for text in (message["role"], message["content"])]
        yield joined_texts((*texts, "", *answers))


def _in_words(columns: GenerationColumns, rows: GenerationSplit) -> str:
    """Say what the data were taken for, with the lengths of the first row; no text of it."""
    prompt, completion = f"column '{columns.prompt}'", f"'{columns.completion}'"
    also = f" with '{columns.context}'" if columns.context else ""
    forms = {
        ConversationForm.MESSAGES: f"conversations in column '{columns.messages}', whose last"
        " message is learnt",
        ConversationForm.PROMPTS: f"prompts in {prompt}, texts to be written in {completion}",
        ConversationForm.INSTRUCTIONS: f"instructions in {prompt}{also}, texts to be written in"
        f" {completion}",
        ConversationForm.QUESTIONS: f"questions in {prompt}{also}, answers in {completion}",
    }
    turns = [f"{m['role']} {len(m['content']):,}" for m in rows.messages[0].as_py()]
    answer = len(rows.answers[0][0].as_py())
    shown = ", ".join(turns)
    if len(turns) > _TURNS_SHOWN:
        shown = f"{', '.join(turns[:2])}, ..., {turns[-1]}"
    return (
        f"Taken for text generation: {forms[columns.form]}; the first row: {shown} characters,"
        f" to be answered in {answer:,}"
    )
