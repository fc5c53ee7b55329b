"""Prompts of ``xautolm predict``, and what a model wrote after them."""

from __future__ import annotations

import json
from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

from xautolm_core.cli.output import one_line
from xautolm_core.cli.prediction_input import InputRows
from xautolm_core.cli.prediction_input import RowBatch
from xautolm_core.cli.prediction_input import column_texts
from xautolm_core.cli.prediction_output import AnswerColumns
from xautolm_core.cli.prediction_output import named_apart
from xautolm_core.cli.prediction_output import shown_text
from xautolm_core.errors import DataError
from xautolm_core.tasks.spec import TaskSpec

if TYPE_CHECKING:
    from xautolm_core.tasks.conversations import Conversation
    from xautolm_core.tasks.tables import Table
    from xautolm_core.trial.generation.generator import GeneratedText

_COLUMN_HINT = "Correct what is wrong, or name the column of the prompts with --column COL"
ROWS_AT_ONCE = 64
"""Rows that are answered before their answers are handed on: writing takes a second or so a row."""


@dataclass(frozen=True)
class PromptBatch(RowBatch):
    """Some prompts, in order. Their texts are their messages, by blank lines.

    Attributes:
        conversations: The messages of each.
    """

    conversations: Sequence[Conversation]

    def parts(self) -> Iterator[PromptBatch]:
        """Yield it in parts of at most ``ROWS_AT_ONCE`` rows, in order."""
        for begin in range(0, len(self.texts), ROWS_AT_ONCE):
            these = slice(begin, begin + ROWS_AT_ONCE)
            yield replace(
                self,
                first=self.first + begin,
                texts=self.texts[these],
                columns={name: column[these] for name, column in self.columns.items()},
                conversations=self.conversations[these],
            )


@dataclass(frozen=True)
class PromptRows(InputRows):
    """Prompts, not yet read.

    Attributes:
        spec: Names the columns that they are made of; None where they are texts of one column.
    """

    spec: TaskSpec | None = None

    def batch_of(self, piece: Table, first: int) -> PromptBatch:
        """Return the prompts of some rows.

        Args:
            piece: The rows.
            first: Number of the first of them, from 1.

        Raises:
            DataError: One of them is no prompt, or the columns are not found.
        """
        from xautolm_core.tasks.generation_rows import read_prompts

        if self.spec is None:
            texts = column_texts(piece, self.text, first)
            conversations: list[Conversation] = [
                [{"role": "user", "content": text}] for text in texts
            ]
        else:
            try:
                conversations = list(read_prompts(piece, self.spec, first=first))
            except DataError as error:
                raise DataError(error.problem, hint=_COLUMN_HINT) from error
            texts = ["\n\n".join(one["content"] for one in row) for row in conversations]
        return PromptBatch(first, texts, None, piece.columns, conversations)


def prompt_rows(rows: InputRows, run: Path) -> PromptRows:
    """Return rows as prompts.

    Args:
        rows: Texts that are the prompts as they are, or a file whose columns are not chosen.
        run: The run folder, or the model's: its task knows the columns.
    """
    return PromptRows(rows.file, rows.text, None, None if rows.text else spec_of_run(run))


def spec_of_run(run: Path) -> TaskSpec:
    """Return the description of the task of a run, or of the run that contains a model.

    Args:
        run: The run folder, or the model's.

    Returns:
        Its description; one without any columns where it is not known.
    """
    from pydantic import ValidationError

    from xautolm_core.search.contract import SEARCH_FILE

    for folder in (run, run.parent):
        try:
            document = json.loads((folder / SEARCH_FILE).read_text(encoding="utf-8"))
            return TaskSpec.model_validate(document["task"])
        except (OSError, ValueError, KeyError, TypeError, ValidationError):
            continue
    return TaskSpec()


@dataclass(frozen=True)
class WrittenAnswers:
    """Some prompts with what a model wrote. See ``Answered``.

    Attributes:
        rows: The prompts.
        found: What was written after each.
    """

    rows: PromptBatch
    found: Sequence[GeneratedText]

    def cells(self, *, with_classes: bool) -> Sequence[Sequence[Any]]:
        """Return each text, its tokens, and whether it was cut."""
        return [
            [one.text for one in self.found],
            [one.tokens for one in self.found],
            [one.is_cut for one in self.found],
        ]

    def json_lines(self) -> Iterator[str]:
        """Yield the text that was written after each prompt, its tokens, and whether it was cut."""
        for text, tokens, is_cut in zip(*self.cells(with_classes=False), strict=True):
            document = {"prediction": text, "generated_tokens": tokens, "is_cut": is_cut}
            yield json.dumps(document, ensure_ascii=False)

    def plain_lines(self, *, with_classes: bool) -> Iterator[str]:
        """Yield text, number of tokens and prompt of each row, tabs between them."""
        for one, prompt in zip(self.found, self.rows.texts, strict=True):
            tokens = f"{one.tokens} tokens{', cut' if one.is_cut else ''}"
            yield "\t".join([one_line(one.text), tokens, shown_text(prompt)])


def written_columns(taken: Collection[str]) -> AnswerColumns:
    """Name the columns of what is written after prompts.

    Args:
        taken: Names of the input's columns.
    """
    import pyarrow as pa

    others: Mapping[tuple[str, str], pa.DataType] = {
        ("generated_tokens", ""): pa.int64(),
        ("is_cut", ""): pa.bool_(),
    }
    return named_apart(taken, others)
