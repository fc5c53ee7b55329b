"""A loaded task: its splits, its labels, its identity."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sized
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Generic
from typing import Literal
from typing import TypeAlias

from typing_extensions import TypeVar

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

SplitName = Literal["train", "validation", "test"]
SPLIT_NAMES: tuple[SplitName, ...] = ("train", "validation", "test")


FindingKind = Literal[
    "unlabelled_split",
    "questions_in_two_splits",
    "passages_in_two_splits",
    "questions_with_two_answers",
    "prompts_in_two_splits",
    "prompts_with_two_answers",
    "texts_in_two_splits",
    "texts_with_two_classes",
    "class_with_few_texts",
    "look_alike_classes",
    "repeated_texts",
]


@dataclass(frozen=True, eq=False)
class Finding:
    """One thing about the data that makes scores hard to believe.

    Attributes:
        kind: What it is.
        count: How much of it there is: rows of ``unlabelled_split``, ``texts_in_two_splits``,
            ``repeated_texts``, ``questions_in_two_splits``, ``passages_in_two_splits``,
            ``prompts_in_two_splits``, ``questions_with_two_answers`` and
            ``prompts_with_two_answers``, different texts of ``texts_with_two_classes``, the
            fewest texts in a split of ``class_with_few_texts``, classes of ``look_alike_classes``.
        rows: Source (file or data set) to the sorted numbers of the rows concerned, from 1.
        words: The finding in a sentence with its numbers.
        name: Of ``class_with_few_texts`` the class with its numbers, else nothing.
    """

    kind: FindingKind
    count: int
    rows: Mapping[str, np.ndarray]
    words: str
    name: str = ""


@dataclass(frozen=True)
class Split:
    """The rows of one split of a classification task.

    Attributes:
        texts: Texts, in row order (Arrow large strings: memory-mapped where they come from a file).
        text_pairs: Second texts of the rows, or None for single texts.
        labels: Index of the class of each row into ``Task.labels``, int32.
    """

    texts: pa.ChunkedArray
    text_pairs: pa.ChunkedArray | None
    labels: np.ndarray

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.labels)


S_co = TypeVar("S_co", bound=Sized, covariant=True, default=Split)


@dataclass(frozen=True)
class Task(Generic[S_co]):
    """A task whose data have been read and checked, by the type of its splits.

    ``Task`` alone is a classification task, ``Task[QuestionSplit]`` one of questions, ``AnyTask``
    whichever kind, of whose splits nothing is known but how many rows they have.

    Attributes:
        name: The user's name for it, stable over retrainings.
        type: Name of the kind of task.
        fingerprint: Digest of the content (hex); changes with any row, not with their order.
        labels: Class names; a row's label is an index into them. Empty where rows have no class.
        splits: All three splits.
        languages: ISO 639-1 codes, if known.
        warnings: What the user should know of the data (dropped rows, duplicates, long texts).
        notes: What the data were taken for, where they leave a choice; empty for a prepared task.
        findings: What makes its scores hard to believe, with the rows; empty for a prepared task,
            whose warnings have the words.
    """

    name: str
    type: str
    fingerprint: str
    labels: tuple[str, ...]
    splits: Mapping[SplitName, S_co]
    languages: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def train(self) -> S_co:
        """The training split."""
        return self.splits["train"]

    @property
    def validation(self) -> S_co:
        """The validation split, which the search sees."""
        return self.splits["validation"]

    @property
    def test(self) -> S_co:
        """The test split, which only the final report touches."""
        return self.splits["test"]

    @property
    def has_pairs(self: Task[Split]) -> bool:
        """Whether a row of a classification task consists of two texts."""
        return self.train.text_pairs is not None


AnyTask: TypeAlias = Task[Sized]
