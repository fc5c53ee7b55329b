"""Rows of a table by the words in some of its columns, counted and summed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Any

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Codes:
    """A column of words: for each row the number of its word; null is the empty word.

    Attributes:
        codes: Numpy array of the numbers.
        words: The words.
    """

    codes: Any
    words: list[str]


class Groups:
    """Rows by the combination of their words in several columns.

    Attributes:
        labels: The combinations that there are.
        rows: For each row the number of its combination.
    """

    def __init__(self, *columns: Codes) -> None:
        import numpy as np

        shape = tuple(len(column.words) for column in columns)
        flat = np.ravel_multi_index(tuple(column.codes for column in columns), shape)
        found, self.rows = np.unique(flat, return_inverse=True)
        self._size = len(found)
        parts = np.unravel_index(found, shape)
        words = [[c.words[i] for i in part] for c, part in zip(columns, parts, strict=True)]
        self.labels = list(zip(*words, strict=True))

    def counts(self) -> Any:
        """Return the number of rows of each combination."""
        import numpy as np

        return np.bincount(self.rows, minlength=self._size)

    def sums(self, values: Any) -> Any:
        """Return the sum of a value over the rows of each combination."""
        import numpy as np

        return np.bincount(self.rows, weights=values, minlength=self._size)

    def exact_sums(self, values: Any) -> list[int]:
        """Return the sum of whole numbers (int64, from 0 on) of each combination, not rounded."""
        import numpy as np

        # Each half stays far below 2**53, so that adding up doubles rounds nothing.
        high = np.bincount(self.rows, weights=values >> 32, minlength=self._size)
        low = np.bincount(self.rows, weights=values & 0xFFFFFFFF, minlength=self._size)
        return [(int(h) << 32) + int(n) for h, n in zip(high, low, strict=True)]


def codes_of(column: pa.ChunkedArray) -> Codes:
    """Return a column of words as numbers."""
    import pyarrow.compute as pc

    words = pc.fill_null(column.cast("string"), "").combine_chunks().dictionary_encode()
    if hasattr(words, "combine_chunks"):
        words = words.combine_chunks()
    return Codes(words.indices.to_numpy(), words.dictionary.to_pylist())
