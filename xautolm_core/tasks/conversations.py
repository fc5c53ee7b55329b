"""Prompts and the texts to be written after them: the rows of text generation."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import TypeAlias

from xautolm_core.tasks.task import Task

if TYPE_CHECKING:
    import pyarrow as pa

ROLES = ("system", "user", "assistant")
"""Who may have written a message of a conversation."""


Conversation: TypeAlias = Sequence[Mapping[str, str]]
"""Messages with ``role`` and ``content``, in order."""


@dataclass(frozen=True)
class GenerationSplit:
    """The rows of one split of a text generation task.

    Attributes:
        messages: What comes before the text to be written, in order: lists of structs of ``role``
            (one of ``ROLES``) and ``content`` (large strings). A plain prompt is one message of
            ``user``. The last message is of ``user``.
        answers: Accepted texts of each row (lists of large strings), the first is the one that is
            learnt; never empty.
    """

    messages: pa.ChunkedArray
    answers: pa.ChunkedArray

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.answers)


GenerationTask: TypeAlias = Task[GenerationSplit]
"""A loaded task: its splits, its identity."""


def prompts(split: GenerationSplit) -> pa.ChunkedArray:
    """Return what comes before each answer as one text: its messages, by blank lines.

    Returns:
        Large strings, one a row.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    def joined(chunk: pa.ListArray) -> pa.Array:
        # Flattened, so that the offsets of a slice count from its first message.
        contents = pc.list_flatten(chunk).field("content").cast(pa.large_string())
        ends = pc.cumulative_sum(pc.list_value_length(chunk))
        offsets = pa.concat_arrays([pa.array([0], pa.int32()), ends])
        lists = pa.ListArray.from_arrays(offsets, contents)
        return pc.binary_join(lists, pa.scalar("\n\n", pa.large_string()))

    return pa.chunked_array([joined(chunk) for chunk in split.messages.chunks], pa.large_string())


def first_answers(split: GenerationSplit) -> pa.ChunkedArray:
    """Return the answer of each row that is learnt (large strings)."""
    import pyarrow.compute as pc

    return pc.list_element(split.answers, 0)
