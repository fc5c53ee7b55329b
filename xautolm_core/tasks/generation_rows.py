"""From the columns of a split to its conversations: checked, mended where that is safe."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from xautolm_core.errors import DataError
from xautolm_core.tasks.accepted_answers import read_accepted
from xautolm_core.tasks.cells import cell_values
from xautolm_core.tasks.conversations import GenerationSplit
from xautolm_core.tasks.conversations import prompts
from xautolm_core.tasks.generation_columns import OPTIONS
from xautolm_core.tasks.generation_columns import ConversationForm
from xautolm_core.tasks.generation_columns import GenerationColumns
from xautolm_core.tasks.generation_columns import find_prompt_columns
from xautolm_core.tasks.messages import MESSAGE_SEPARATOR
from xautolm_core.tasks.messages import Message
from xautolm_core.tasks.messages import UnusableRow
from xautolm_core.tasks.messages import as_messages
from xautolm_core.tasks.messages import as_text
from xautolm_core.tasks.messages import read_messages
from xautolm_core.tasks.messages import require_turns
from xautolm_core.tasks.quality import text_numbers
from xautolm_core.tasks.questions import PASSAGE_PROMPT
from xautolm_core.tasks.refusal import refuse_or_drop
from xautolm_core.tasks.spec import TaskSpec
from xautolm_core.tasks.tables import Table
from xautolm_core.tasks.texts import MAX_CHARACTERS
from xautolm_core.tasks.texts import rows_phrase

_JOINED = "neighbouring messages of one role, which were joined"
_NUMBERS = "numbers or truth values for texts, which were taken as they are written"
_CUT = f"messages longer than {MAX_CHARACTERS:,} characters, of which the last ones were kept"


@dataclass(frozen=True, eq=False)
class ConversationRows:
    """The conversations of a split that can be used, and where they stand.

    Attributes:
        source: File or data set, for messages.
        numbers: Number of each row in its source, from 1.
        rows: Messages and accepted answers.
        groups: A number for each row, the same for equal prompts, or for equal passages where rows
            are questions on passages.
    """

    source: str
    numbers: np.ndarray
    rows: GenerationSplit
    groups: np.ndarray

    def take(self, places: np.ndarray) -> ConversationRows:
        """Return some of the rows, by index."""
        taken = pa.array(places, type=pa.int64())
        rows = GenerationSplit(self.rows.messages.take(taken), self.rows.answers.take(taken))
        return ConversationRows(self.source, self.numbers[places], rows, self.groups[places])


@dataclass
class _Row:
    """A row as it is read: the messages before the answer, and what was mended."""

    messages: tuple[Message, ...]
    answers: tuple[str, ...] = ()
    mended: frozenset[str] = frozenset()


def read_conversations(
    table: Table, columns: GenerationColumns, *, drop_invalid: bool
) -> tuple[ConversationRows, tuple[str, ...]]:
    """Read the conversations of a split; refuse rows that cannot be used, or leave them out.

    Args:
        table: The split.
        columns: Where what stands.
        drop_invalid: Leave out what cannot be used, with a warning.

    Returns:
        The usable rows and what the user should know.

    Raises:
        DataError: Rows cannot be used and are not to be left out, or none can be used.
    """
    cells = _cells(table, columns)
    found = [_read(row, columns, table.untyped, has_answer=True) for row in _by_row(cells, table)]
    faults = [
        (fault, np.array([one == fault for one in found]))
        for fault in dict.fromkeys(one for one in found if isinstance(one, str))
    ]
    kept, warnings = refuse_or_drop(
        table,
        faults,
        drop_invalid=drop_invalid,
        usable="a prompt and an answer",
        options="--prompt COL and --completion COL, or --messages COL",
    )
    rows = [one for one in found if isinstance(one, _Row)]
    for what in (_JOINED, _NUMBERS, _CUT):
        mended = [row for row, one in zip(kept, rows, strict=True) if what in one.mended]
        if mended:
            warnings.append(f"{table.source}: {rows_phrase(mended)} with {what}")
    split = split_of([one.messages for one in rows], [one.answers for one in rows])
    if columns.is_on_passages:
        passages = [as_text(cells["context"][row]) or "" for row in kept]
        groups = text_numbers(pa.chunked_array([pa.array(passages, pa.large_string())]), None)
    else:
        groups = text_numbers(prompts(split), None)
    return ConversationRows(table.source, kept + 1, split, groups), tuple(warnings)


def read_prompts(table: Table, spec: TaskSpec, *, first: int = 1) -> list[list[dict[str, str]]]:
    """Read the messages that new texts are to be written after.

    Args:
        table: Some rows; columns of answers are not needed, and not looked at. A last message of
            the assistant is left out.
        spec: Its columns go before those that are found by their names.
        first: Number of the table's first row, for messages.

    Returns:
        The messages of each row, with ``role`` and ``content``.

    Raises:
        DataError: No column holds prompts, or rows cannot be used; the message has their numbers.
    """
    columns = find_prompt_columns(table, spec)
    cells = _cells(table, columns)
    found = [_read(row, columns, table.untyped, has_answer=False) for row in _by_row(cells, table)]
    wrong = [(number, one) for number, one in enumerate(found) if isinstance(one, str)]
    if wrong:
        fault = wrong[0][1]
        rows = [number + first - 1 for number, one in wrong if one == fault]
        raise DataError(
            f"{table.source}: {rows_phrase(rows)} with {fault}", hint=f"Correct them. {OPTIONS}"
        )
    return [
        [{"role": message.role, "content": message.content} for message in one.messages]
        for one in found
        if isinstance(one, _Row)
    ]


def split_of(
    conversations: Sequence[Sequence[Message]], answers: Sequence[Sequence[str]]
) -> GenerationSplit:
    """Return conversations and the accepted answers to them as columns."""
    flat = [message for messages in conversations for message in messages]
    texts = pa.large_string()
    fields = [
        pa.array([message.role for message in flat], texts),
        pa.array([message.content for message in flat], texts),
    ]
    ends = np.cumsum([0, *map(len, conversations)])
    messages = pa.ListArray.from_arrays(
        pa.array(ends, pa.int32()), pa.StructArray.from_arrays(fields, ["role", "content"])
    )
    accepted = pa.array([list(one) for one in answers], pa.list_(texts))
    return GenerationSplit(pa.chunked_array([messages]), pa.chunked_array([accepted]))


def has_no_answers(table: Table, columns: GenerationColumns) -> bool:
    """Whether a column of answers is empty in every row."""
    if columns.completion is None:
        return False
    values = cell_values(table, columns.completion, "texts to be written", "--completion")
    return all(value == [] or as_text(value) == "" for value in values)


def _cells(table: Table, columns: GenerationColumns) -> Mapping[str, list[Any]]:
    """Return the values of the columns, by what they are."""
    named = {
        "prompt": columns.prompt,
        "completion": columns.completion,
        "messages": columns.messages,
        "context": columns.context,
        "system": columns.system,
    }
    cells: dict[str, list[Any]] = {}
    for what, column in named.items():
        values = cell_values(table, column, "texts", f"--{what}")
        names = table.class_names.get(column or "")
        if names is not None:
            values = [_class_name(value, names) for value in values]
        cells[what] = values
    return cells


def _class_name(value: Any, names: Sequence[str]) -> Any:
    """Return the name that a class index of a data set stands for."""
    if not isinstance(value, int):
        return value
    return names[value] if 0 <= value < len(names) else None


def _by_row(cells: Mapping[str, list[Any]], table: Table) -> Iterable[dict[str, Any]]:
    return ({what: values[row] for what, values in cells.items()} for row in range(table.rows))


def _read(
    cells: Mapping[str, Any], columns: GenerationColumns, untyped: bool, *, has_answer: bool
) -> _Row | str:
    """Return what a row holds, or what is wrong with it.

    Args:
        cells: Its values, by what they are.
        columns: Where they stand.
        untyped: Whether the format knows texts alone.
        has_answer: Whether it must have an answer.
    """
    read = _conversation if columns.form is ConversationForm.MESSAGES else _prompt_and_answer
    try:
        row = read(cells, columns, untyped, has_answer=has_answer)
        messages = _with_system(row.messages, cells["system"])
        require_turns(messages)
        if any(len(answer) > MAX_CHARACTERS for answer in row.answers):
            raise UnusableRow(f"an answer of more than {MAX_CHARACTERS:,} characters")
    except UnusableRow as error:
        return error.fault
    short = tuple(Message(one.role, one.content[-MAX_CHARACTERS:]) for one in messages)
    return _Row(short, row.answers, row.mended | ({_CUT} if short != messages else set()))


def _conversation(
    cells: Mapping[str, Any], columns: GenerationColumns, untyped: bool, *, has_answer: bool
) -> _Row:
    """Return the messages of a whole conversation, the last one of the assistant as the answer."""
    given = as_messages(cells["messages"], may_be_json=True)
    if given is None:
        raise UnusableRow("no list of messages with roles")
    read = read_messages(given)
    messages = read.messages
    answers: tuple[str, ...] = ()
    if messages and messages[-1].role == "assistant":
        messages, answers = messages[:-1], (messages[-1].content,)
    elif has_answer:
        raise UnusableRow("no answer: the last message is not one of the assistant")
    return _Row(messages, answers, _mended(read.was_joined, read.had_numbers))


def _prompt_and_answer(
    cells: Mapping[str, Any], columns: GenerationColumns, untyped: bool, *, has_answer: bool
) -> _Row:
    """Return the messages of a prompt, and its answers if it must have some."""
    given = as_messages(cells["prompt"], may_be_json=untyped)
    joined = numbers = False
    if given is not None:
        read = read_messages(given)
        messages, joined, numbers = read.messages, read.was_joined, read.had_numbers
        if messages and messages[-1].role == "assistant":
            raise UnusableRow("a prompt that ends with a message of the assistant")
    else:
        content, numbers = _prompt_text(cells, columns)
        messages = (Message("user", content),)
    if not has_answer:
        return _Row(messages, mended=_mended(joined, numbers))
    is_asked = columns.form is ConversationForm.QUESTIONS
    read_answers = _accepted if is_asked else _completions
    answers, were_numbers = read_answers(cells["completion"], untyped)
    return _Row(messages, answers, _mended(joined, numbers or were_numbers))


def _prompt_text(cells: Mapping[str, Any], columns: GenerationColumns) -> tuple[str, bool]:
    """Return the message of the user, and whether a part of it was a number."""
    has_context = columns.context is not None
    values = [cells["prompt"], cells["context"]] if has_context else [cells["prompt"]]
    prompt, *contexts = [as_text(value) for value in values]
    if prompt is None or None in contexts:
        raise UnusableRow("a prompt that is no text")
    context = "".join(text for text in contexts if text)
    if columns.form is ConversationForm.QUESTIONS:
        if not prompt.strip():
            raise UnusableRow("an empty question")
        if has_context and not context.strip():
            raise UnusableRow("an empty passage")
        content = PASSAGE_PROMPT.format(context=context, question=prompt) if context else prompt
    else:
        parts = [part for part in (prompt, context) if part.strip()]
        content = MESSAGE_SEPARATOR.join(parts)
        if not parts:
            raise UnusableRow("an empty prompt")
    return content, any(_is_number(value) for value in values)


def _completions(value: Any, untyped: bool) -> tuple[tuple[str, ...], bool]:
    """Return the accepted texts of a completion, and whether one was a number."""
    given = as_messages(value, may_be_json=untyped)
    if given is not None:
        read = read_messages(given)
        if [one.role for one in read.messages] != ["assistant"]:
            raise UnusableRow("a completion that is not one message of the assistant")
        return (read.messages[0].content,), read.had_numbers
    return _accepted(value, untyped=False)


def _accepted(value: Any, untyped: bool) -> tuple[tuple[str, ...], bool]:
    """Return the accepted texts of a cell, and whether one was a number."""
    several = value if isinstance(value, list) else [value]
    if any(isinstance(one, dict) for one in several) or (untyped and isinstance(value, str)):
        found = read_accepted(value, untyped=untyped)
        texts = None if found is None else list(found.texts)
    else:
        read = [as_text(one) for one in several]
        texts = None if None in read else [text for text in read if text]
    if texts is None:
        raise UnusableRow("an answer that is no text")
    filled = tuple(dict.fromkeys(text for text in texts if text.strip()))
    if not filled:
        raise UnusableRow("an empty answer")
    return filled, any(_is_number(one) for one in several)


def _with_system(messages: tuple[Message, ...], system: Any) -> tuple[Message, ...]:
    """Return messages after the one of a column for the system, if it says anything."""
    text = as_text(system)
    if text is None:
        raise UnusableRow("a message of the system that is no text")
    if not text.strip() or (messages and messages[0].role == "system"):
        return messages
    return (Message("system", text), *messages)


def _is_number(value: Any) -> bool:
    return isinstance(value, bool | int) or (isinstance(value, float) and value == value)  # noqa: PLR0124


def _mended(was_joined: bool, had_numbers: bool) -> frozenset[str]:
    found = ((_JOINED, was_joined), (_NUMBERS, had_numbers))
    return frozenset(what for what, is_so in found if is_so)
