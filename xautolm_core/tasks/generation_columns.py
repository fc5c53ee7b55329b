"""Which columns hold prompts, conversations and the texts to be written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xautolm_core.tasks.tables import Table

if TYPE_CHECKING:
    from xautolm_core.tasks.spec import TaskSpec


def holds_conversations(table: Table, spec: TaskSpec) -> bool:
    """Whether a table is one of prompts with texts to be written, by what is given alone so far."""
    given = (spec.prompt, spec.completion, spec.messages)
    return any(column is not None for column in given)
