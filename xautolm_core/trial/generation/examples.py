"""Training rows that an untuned model sees before each prompt, as earlier turns."""

from __future__ import annotations

import json
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from xautolm_core.whole_files import write_json

if TYPE_CHECKING:
    from xautolm_core.tasks.conversations import GenerationSplit
    from xautolm_core.trial.generation.rendering import Message

EXAMPLES_FILE = "xautolm-examples.json"
"""Beside a saved model: what it sees before each prompt."""


@dataclass(frozen=True)
class Examples:
    """Conversations with their answers.

    Attributes:
        turns: Their messages, one after the other.
    """

    turns: tuple[Mapping[str, str], ...] = ()

    def before(self, messages: Sequence[Message]) -> list[Message]:
        """Return a conversation with the examples before it; a system message stays first."""
        system = list(messages[:1]) if messages and messages[0]["role"] == "system" else []
        return [*system, *self.turns, *messages[len(system) :]]

    def write(self, folder: Path) -> None:
        """Write the examples to a model's folder, if there are any.

        Raises:
            OSError: They cannot be written.
        """
        if self.turns:
            write_json(folder / EXAMPLES_FILE, {"turns": [dict(turn) for turn in self.turns]})


def choose_examples(split: GenerationSplit, count: int) -> Examples:
    """Return some rows of a split as examples: the same for the same split.

    Args:
        split: The training split.
        count: How many; fewer where the split has fewer.
    """
    rows = np.sort(np.random.default_rng(0).permutation(len(split))[:count])
    turns: list[Mapping[str, str]] = []
    for row in rows.tolist():
        messages = split.messages[row].as_py()
        turns += [message for message in messages if message["role"] != "system"]
        turns.append({"role": "assistant", "content": split.answers[row].as_py()[0]})
    return Examples(tuple(turns))


def read_examples(folder: Path) -> Examples:
    """Return the examples in a model's folder; none if it has none.

    Raises:
        ValueError: They cannot be read.
    """
    path = folder / EXAMPLES_FILE
    if not path.is_file():
        return Examples()
    turns = json.loads(path.read_bytes())["turns"]
    return Examples(tuple({key: str(turn[key]) for key in ("role", "content")} for turn in turns))
