"""Text classification: a class for each text, or for each pair of texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from xautolm_core.tasks.arrow_columns import one_array
from xautolm_core.tasks.spec import TaskType
from xautolm_core.tasks.task import Split
from xautolm_core.tasks.task_type import PrimaryScore

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from xautolm_core.tasks.spec import TaskSpec
    from xautolm_core.tasks.tables import Table
    from xautolm_core.tasks.task import SplitName
    from xautolm_core.tasks.task import Task


class Classification:
    """The kind of task whose rows have one class each."""

    name: str = TaskType.TEXT_CLASSIFICATION
    title = "text classification"
    primary = PrimaryScore("macro_f1", "macro F1")
    space = "starter"

    def claims(self, table: Table, spec: TaskSpec) -> bool:
        """Claim whatever no other kind does."""
        return True

    def load(self, spec: TaskSpec, tables: dict[SplitName, Table]) -> Task:
        """Check texts and classes, and cut the missing splits stratified by class."""
        from xautolm_core.tasks.classification_data import load_classification

        return load_classification(spec, tables)

    def texts(self, split: Split) -> Sequence[pa.ChunkedArray]:
        """Return the texts, and second texts if there are any."""
        return [column for column in (split.texts, split.text_pairs) if column is not None]

    def class_rows(self, task: Task) -> Sequence[int]:
        """Count the training rows of each class."""
        import numpy as np

        counts = np.bincount(np.asarray(task.train.labels), minlength=len(task.labels))
        return [int(count) for count in counts]

    def columns(self, split: Split) -> Mapping[str, pa.Array]:
        """Return texts, second texts if there are any, and class indices."""
        import pyarrow as pa

        columns = {"text": one_array(split.texts, pa.large_string())}
        if split.text_pairs is not None:
            columns["text_pair"] = one_array(split.text_pairs, pa.large_string())
        columns["label"] = pa.array(split.labels, type=pa.int32())
        return columns

    def split(self, table: pa.Table) -> Split:
        """Return the split that these columns hold."""
        return Split(
            texts=table.column("text"),
            text_pairs=table.column("text_pair") if "text_pair" in table.column_names else None,
            labels=table.column("label").chunk(0).to_numpy(zero_copy_only=True),
        )


CLASSIFICATION = Classification()
