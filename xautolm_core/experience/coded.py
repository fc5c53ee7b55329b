"""Columns whose values repeat: one code a row, each value once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
from typing import TYPE_CHECKING
from typing import Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

NONE = -1
"""Code of a row that has no value."""


@dataclass(frozen=True)
class Coded:
    """A column whose values repeat.

    Attributes:
        codes: Shape (rows,), int32 (a smaller type in a single table): index of each row's value,
            ``NONE`` where it has none.
        values: The values, each once; some may be used by no row.
    """

    codes: NDArray[np.int32]
    values: tuple[Any, ...]

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, row: int) -> Any:
        """Return the value of one row; None if it has none."""
        code = int(self.codes[row])
        return None if code == NONE else self.values[code]

    @classmethod
    def empty(cls, rows: int = 0) -> Coded:
        """Return a column without any value."""
        return cls(np.full(rows, NONE, dtype=np.int32), ())

    def take(self, rows: NDArray[Any]) -> Coded:
        """Return the column of some rows (a mask or indices)."""
        return replace(self, codes=self.codes[rows])

    def compact(self) -> Coded:
        """Return the same column with the values that rows have, in order of their first row."""
        rows, count = len(self.codes), len(self.values)
        first = np.full(count + 1, rows)
        first[self.codes[::-1]] = np.arange(rows - 1, -1, -1)
        used = np.flatnonzero(first[:count] < rows)
        order = used[np.argsort(first[used])]
        new = np.full(count + 1, NONE, dtype=np.int32)
        new[order] = np.arange(len(order), dtype=np.int32)
        return Coded(new[self.codes], tuple(self.values[code] for code in order))

    def equals(self, value: Any) -> NDArray[np.bool_]:
        """Return which rows have a value, shape (rows,)."""
        return self.spread([known == value for known in self.values], none=False)

    def spread(self, by_value: Sequence[Any], none: Any) -> NDArray[Any]:
        """Return what is known of each value, row by row.

        Args:
            by_value: One entry a value.
            none: Entry of the rows without a value.
        """
        # A negative code counts from the end, so the last entry is that of ``NONE``.
        return np.asarray([*by_value, none])[self.codes]
