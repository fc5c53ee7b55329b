"""Extractive question answering: answers that stand in the passage that comes with the question."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from xautolm_core.tasks.arrow_columns import one_array
from xautolm_core.tasks.questions import QuestionSplit
from xautolm_core.tasks.spec import TaskType
from xautolm_core.tasks.task_type import PrimaryScore

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from xautolm_core.tasks.questions import QuestionTask
    from xautolm_core.tasks.spec import TaskSpec
    from xautolm_core.tasks.tables import Table
    from xautolm_core.tasks.task import SplitName


class QuestionAnswering:
    """The kind of task whose answers are spans of a passage."""

    name: str = TaskType.QUESTION_ANSWERING
    title = "question answering"
    primary = PrimaryScore("f1", "F1")
    space = "starter-qa"

    def claims(self, table: Table, spec: TaskSpec) -> bool:
        """Claim tables with questions, passages and answers in these."""
        from xautolm_core.tasks.question_columns import holds_questions

        return holds_questions(table, spec)

    def load(self, spec: TaskSpec, tables: dict[SplitName, Table]) -> QuestionTask:
        """Check questions, passages and answers, and cut the missing splits by passage."""
        from xautolm_core.tasks.question_data import load_questions

        return load_questions(spec, tables)

    def texts(self, split: QuestionSplit) -> Sequence[pa.ChunkedArray]:
        """Return questions and passages."""
        return [split.questions, split.contexts]

    def class_rows(self, task: QuestionTask) -> Sequence[int]:
        """Return nothing: answers are no classes."""
        return ()

    def columns(self, split: QuestionSplit) -> Mapping[str, pa.Array]:
        """Return questions, passages, accepted answers and where these begin."""
        import pyarrow as pa

        return {
            "question": one_array(split.questions, pa.large_string()),
            "context": one_array(split.contexts, pa.large_string()),
            "answers": one_array(split.answers, pa.list_(pa.large_string())),
            "starts": one_array(split.starts, pa.list_(pa.int64())),
        }

    def split(self, table: pa.Table) -> QuestionSplit:
        """Return the split that these columns hold."""
        return QuestionSplit(
            questions=table.column("question"),
            contexts=table.column("context"),
            answers=table.column("answers"),
            starts=table.column("starts"),
        )


QUESTION_ANSWERING = QuestionAnswering()
