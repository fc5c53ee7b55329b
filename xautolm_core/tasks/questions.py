"""Questions on passages that hold their answers: the rows of extractive question answering."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import TypeAlias

from xautolm_core.tasks.task import Task

if TYPE_CHECKING:
    import pyarrow as pa

NOT_FOUND = -1
"""In ``QuestionSplit.starts``: the accepted answer does not stand in the passage."""
PASSAGE_PROMPT = "Passage: {context}\nQuestion: {question}\nAnswer:"
"""What a generative model is given of a question on a passage."""


@dataclass(frozen=True)
class QuestionSplit:
    """The rows of one split of a question answering task.

    Attributes:
        questions: Questions, in row order (Arrow large strings: memory-mapped where they come from
            a file).
        contexts: The passage of each row, likewise. Rows may share one.
        answers: Accepted answers of each row (lists of large strings), the first is the main one;
            an empty list marks a question that its passage does not answer.
        starts: Where each accepted answer begins in its passage (lists of int64 beside
            ``answers``), in characters (code points) from 0; ``NOT_FOUND`` where it does not occur.
    """

    questions: pa.ChunkedArray
    contexts: pa.ChunkedArray
    answers: pa.ChunkedArray
    starts: pa.ChunkedArray

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.questions)


QuestionTask: TypeAlias = Task[QuestionSplit]
