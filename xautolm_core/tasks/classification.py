"""Text classification: a class for each text, or for each pair of texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from xautolm_core.tasks.arrow_columns import one_array
from xautolm_core.tasks.spec import TaskType
from xautolm_core.tasks.task import Split
from xautolm_core.tasks.task_type import PrimaryScore

if TYPE_CHECKING:
    import pyarrow as pa


class Classification:
    """The kind of task whose rows have one class each."""

    name: str = TaskType.TEXT_CLASSIFICATION
    primary = PrimaryScore("macro_f1", "macro F1")

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
