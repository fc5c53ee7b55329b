"""Which columns hold prompts, conversations and the texts to be written, and in which form."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from xautolm_core.errors import DataError
from xautolm_core.tasks.columns import listed
from xautolm_core.tasks.columns import plain_name
from xautolm_core.tasks.columns import require_column
from xautolm_core.tasks.messages import holds_messages
from xautolm_core.tasks.question_columns import find_question_columns
from xautolm_core.tasks.question_columns import question_columns_by_name
from xautolm_core.tasks.squad_json import holds_articles
from xautolm_core.tasks.tables import Table

if TYPE_CHECKING:
    from xautolm_core.tasks.spec import TaskSpec

_MESSAGES = ("messages", "conversations", "conversation")
_INSTRUCTIONS = ("instruction",)
_INPUTS = ("input", "context")
_SYSTEM = ("system", "system_prompt")
_CLASSES = ("label", "labels")
# What a prompt and the text to be written are called where the names leave no choice.
_NAMED = (
    (("prompt",), ("completion", "completions", "response")),
    (_INSTRUCTIONS, ("output", "response")),
)
# Names that do not tell a text to be written from a class: they count if the user says what it is.
_MORE_PROMPTS = ("prompt", *_INSTRUCTIONS, "input", "source", "question", "query", "text")
_MORE_COMPLETIONS = (
    *("completion", "completions", "response", "output", "target"),
    *("answers", "answer", "references", "label"),
)
_LOOKED_AT = 50
OPTIONS = (
    "Say which with --prompt COL and --completion COL, or --messages COL for whole conversations"
)


class ConversationForm(StrEnum):
    """How a table holds its conversations."""

    PROMPTS = "prompts"
    INSTRUCTIONS = "instructions"
    MESSAGES = "messages"
    QUESTIONS = "questions"


@dataclass(frozen=True)
class GenerationColumns:
    """The names of the columns that matter.

    Attributes:
        form: Which of them there are.
        prompt: Prompts, instructions or questions; None where ``messages`` has all.
        completion: Texts to be written, likewise.
        messages: Whole conversations, the last message of each being the text to be written.
        context: What comes with an instruction as its input, or with a question as its passage.
        system: Messages of the system that come first.
    """

    form: ConversationForm
    prompt: str | None = None
    completion: str | None = None
    messages: str | None = None
    context: str | None = None
    system: str | None = None

    @property
    def is_on_passages(self) -> bool:
        """Whether rows are questions on passages."""
        return self.form is ConversationForm.QUESTIONS and self.context is not None

    @property
    def required(self) -> tuple[tuple[str, str], ...]:
        """The columns that each split must have, with the options that name them."""
        context = self.context if self.is_on_passages else None
        is_asked = self.form is ConversationForm.QUESTIONS
        columns = (
            (self.messages, "--messages"),
            (self.prompt, "--question" if is_asked else "--prompt"),
            (context, "--context"),
            (self.completion, "--answers" if is_asked else "--completion"),
        )
        return tuple((name, option) for name, option in columns if name is not None)


def holds_conversations(table: Table, spec: TaskSpec) -> bool:
    """Whether a table is one of texts to be written, by what is given and by its columns.

    Conversations, prompts with completions, and instructions with outputs are. A table with a
    column of classes is none, nor is one of questions with answers.
    """
    if spec.text is not None or spec.label is not None or spec.labels is not None:
        return False
    if any(column is not None for column in (spec.prompt, spec.completion, spec.messages)):
        return True
    return _first(table, _CLASSES) is None and _by_form(table) is not None


def find_generation_columns(table: Table, spec: TaskSpec) -> GenerationColumns:
    """Find the columns of prompts and of texts to be written: as given, or by their names.

    Raises:
        DataError: A given column does not exist, columns of two forms are given, or none is found.
    """
    is_asked = any(column is not None for column in (spec.question, spec.context, spec.answers))
    is_prompted = spec.prompt is not None or spec.completion is not None
    if (spec.messages is not None) + is_asked + is_prompted > 1:
        raise DataError(
            f"{table.source}: columns of several forms of text generation are given",
            hint="Give --prompt and --completion, or --messages, or --question and --answers",
        )
    if spec.messages is not None:
        require_column(table, spec.messages, "--messages")
        return _whole_form(table, spec.messages)
    if is_asked:
        return _of_questions(table, spec)
    found = _prompted(table, spec) if is_prompted else _by_form(table) or _by_more(table, spec)
    if found is None:
        raise DataError(
            f"{table.source}: no columns are named like prompts and texts to be written (columns:"
            f" {listed(list(table.columns))})",
            hint=OPTIONS,
        )
    return found


def find_prompt_columns(table: Table, spec: TaskSpec) -> GenerationColumns:
    """Find the columns of new prompts, which need no texts to be written beside them.

    Args:
        table: Some rows.
        spec: Its columns go before those that are found by their names.

    Raises:
        DataError: A given column does not exist, or none is found.
    """
    if spec.messages is not None:
        return find_generation_columns(table, spec)
    with contextlib.suppress(DataError):
        # A file that has the texts to be written as well is read as in training.
        return find_generation_columns(table, spec)
    question, context, _ = question_columns_by_name(table)
    given = spec.prompt or spec.question
    found = None if given or spec.context else _by_form(table, has_answers=False)
    if found is not None:
        return found
    column = given or question or _first(table, _MORE_PROMPTS)
    if column is None:
        raise DataError(
            f"{table.source}: no column is named like a prompt (columns:"
            f" {listed(list(table.columns))})",
            hint=OPTIONS,
        )
    require_column(table, column, "--prompt" if spec.prompt else "--question")
    if spec.prompt is None and column in (spec.question, question):
        if spec.context is not None:
            require_column(table, spec.context, "--context")
        passage = spec.context or (context if context != column else None)
        return GenerationColumns(ConversationForm.QUESTIONS, column, context=passage)
    return _prompt_form(table, column, None)


def _by_form(table: Table, *, has_answers: bool = True) -> GenerationColumns | None:
    """Return the columns of a table whose names leave no choice."""
    messages = next(
        (name for name in _all(table, _MESSAGES) if holds_messages(_head(table, name))), None
    )
    if messages is not None:
        return _whole_form(table, messages)
    for prompts, completions in _NAMED:
        prompt, completion = _first(table, prompts), _first(table, completions)
        if prompt is not None and (completion is not None or not has_answers):
            return _prompt_form(table, prompt, completion)
    return None


def _whole_form(table: Table, messages: str) -> GenerationColumns:
    """Return the columns of whole conversations."""
    system = _first(table, _SYSTEM)
    return GenerationColumns(ConversationForm.MESSAGES, messages=messages, system=system)


def _prompt_form(table: Table, prompt: str, completion: str | None) -> GenerationColumns:
    """Return the columns of prompts or, where they are called so, of instructions."""
    system = _first(table, _SYSTEM)
    if plain_name(prompt) not in _INSTRUCTIONS:
        return GenerationColumns(ConversationForm.PROMPTS, prompt, completion, system=system)
    inputs = next((name for name in _all(table, _INPUTS) if name != completion), None)
    return GenerationColumns(
        ConversationForm.INSTRUCTIONS, prompt, completion, context=inputs, system=system
    )


def _by_more(table: Table, spec: TaskSpec) -> GenerationColumns | None:
    """Return the columns of a table that is known to be one of text generation."""
    question, _, answers = question_columns_by_name(table)
    if holds_articles(table) or (question is not None and answers is not None):
        return _of_questions(table, spec)
    prompt = _first(table, _MORE_PROMPTS)
    completion = _first(table, [name for name in _MORE_COMPLETIONS if name != prompt])
    if prompt is None or completion is None:
        return None
    return _prompt_form(table, prompt, completion)


def _of_questions(table: Table, spec: TaskSpec) -> GenerationColumns:
    """Return the columns of questions and answers, with passages where there are any."""
    question, context, answers = question_columns_by_name(table)
    if spec.context is None and context is None:
        named = {"question": spec.question or question, "answers": spec.answers or answers}
        for what, column in named.items():
            if column is None:
                raise DataError(
                    f"{table.source}: no column is named like the {what} of questions (columns:"
                    f" {listed(list(table.columns))})",
                    hint="Say which with --question COL and --answers COL",
                )
            require_column(table, column, f"--{what}")
        return GenerationColumns(ConversationForm.QUESTIONS, named["question"], named["answers"])
    found = find_question_columns(table, spec)
    return GenerationColumns(
        ConversationForm.QUESTIONS, found.question, found.answers, context=found.context
    )


def _prompted(table: Table, spec: TaskSpec) -> GenerationColumns:
    """Return the columns of prompts and completions of which at least one is given."""
    wanted = (
        ("prompt", "--prompt", spec.prompt, _MORE_PROMPTS),
        ("completion", "--completion", spec.completion, _MORE_COMPLETIONS),
    )
    found: dict[str, str] = {}
    taken = {spec.prompt, spec.completion}
    for what, option, given, names in wanted:
        if given is not None:
            require_column(table, given, option)
        free = [name for name in _all(table, names) if name not in taken]
        column = given or next(iter(free), None)
        if column is None:
            raise DataError(
                f"{table.source}: no column is named like a {what} (columns:"
                f" {listed(list(table.columns))})",
                hint=OPTIONS,
            )
        found[what] = column
    if found["prompt"] == found["completion"]:
        raise DataError(
            f"{table.source}: the same column is taken twice ({found['prompt']})", hint=OPTIONS
        )
    return _prompt_form(table, found["prompt"], found["completion"])


def _head(table: Table, name: str) -> list[object]:
    """Return the first values of a column as Python has them."""
    column = table.nested.get(name, table.columns[name])
    head = itertools.islice(column, _LOOKED_AT)
    return [value.as_py() if hasattr(value, "as_py") else value for value in head]


def _all(table: Table, names: Sequence[str]) -> list[str]:
    """Return the columns that go by these names, the strongest name first."""
    by_name = {plain_name(name): name for name in reversed(list(table.columns))}
    return [by_name[name] for name in names if name in by_name]


def _first(table: Table, names: Sequence[str]) -> str | None:
    return next(iter(_all(table, names)), None)
