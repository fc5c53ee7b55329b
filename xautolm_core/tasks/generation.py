"""Text generation: what a model writes after a prompt or a conversation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from xautolm_core.tasks.arrow_columns import one_array
from xautolm_core.tasks.conversations import GenerationSplit
from xautolm_core.tasks.conversations import first_answers
from xautolm_core.tasks.conversations import prompts
from xautolm_core.tasks.spec import TaskType
from xautolm_core.tasks.task_type import PrimaryScore

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from xautolm_core.tasks.conversations import GenerationTask
    from xautolm_core.tasks.spec import TaskSpec
    from xautolm_core.tasks.tables import Table
    from xautolm_core.tasks.task import SplitName


class TextGeneration:
    """The kind of task whose answers a model writes."""

    name: str = TaskType.TEXT_GENERATION
    title = "text generation"
    primary = PrimaryScore("f1", "F1")
    space = "starter-generative"

    def claims(self, table: Table, spec: TaskSpec) -> bool:
        """Claim tables of prompts with completions, instructions with outputs, conversations."""
        from xautolm_core.tasks.generation_columns import holds_conversations

        return holds_conversations(table, spec)

    def load(self, spec: TaskSpec, tables: dict[SplitName, Table]) -> GenerationTask:
        """Check conversations and answers, and cut the missing splits by prompt."""
        from xautolm_core.tasks.generation_data import load_conversations

        return load_conversations(spec, tables)

    def texts(self, split: GenerationSplit) -> Sequence[pa.ChunkedArray]:
        """Return prompts and the answers that are learnt."""
        return [prompts(split), first_answers(split)]

    def class_rows(self, task: GenerationTask) -> Sequence[int]:
        """Return nothing: answers are no classes."""
        return ()

    def columns(self, split: GenerationSplit) -> Mapping[str, pa.Array]:
        """Return messages and accepted answers."""
        import pyarrow as pa

        message = pa.struct([("role", pa.large_string()), ("content", pa.large_string())])
        return {
            "messages": one_array(split.messages, pa.list_(message)),
            "answers": one_array(split.answers, pa.list_(pa.large_string())),
        }

    def split(self, table: pa.Table) -> GenerationSplit:
        """Return the split that these columns hold."""
        return GenerationSplit(messages=table.column("messages"), answers=table.column("answers"))


TEXT_GENERATION = TextGeneration()
