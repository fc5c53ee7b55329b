"""Columns whose values repeat: one code a row, each value once."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
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
        codes: Shape (rows,), int32: index of each row's value, ``NONE`` where it has none.
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
    def of(cls, values: Iterable[Any]) -> Coded:
        """Return the column of some values; None is no value."""
        known: dict[Any, int] = {}
        codes = [NONE if v is None else known.setdefault(v, len(known)) for v in values]
        return cls(np.asarray(codes, dtype=np.int32), tuple(known))

    @classmethod
    def empty(cls, rows: int = 0) -> Coded:
        """Return a column without any value."""
        return cls(np.full(rows, NONE, dtype=np.int32), ())

    def take(self, rows: NDArray[Any]) -> Coded:
        """Return the column of some rows (a mask or indices)."""
        return replace(self, codes=self.codes[rows])

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

    def used(self) -> NDArray[np.int32]:
        """Return the codes that occur, ascending."""
        counts = np.bincount(self.codes[self.codes != NONE], minlength=len(self.values))
        return np.flatnonzero(counts).astype(np.int32)


def merge(columns: Sequence[Coded], key: Callable[[Any], Any] | None = None) -> Coded:
    """Return columns one below the other; equal values get one code.

    Args:
        columns: The columns.
        key: What equality is judged by, for values that cannot be hashed or are equal though they
            differ (as 1 and True are); the value itself if None.
    """
    known: dict[Any, int] = {}
    values: list[Any] = []
    codes = []
    for column in columns:
        new = np.full(len(column.values) + 1, NONE, dtype=np.int32)
        for old, value in enumerate(column.values):
            mark = value if key is None else key(value)
            if mark not in known:
                known[mark] = len(values)
                values.append(value)
            new[old] = known[mark]
        codes.append(new[column.codes])
    joined = np.concatenate(codes) if codes else np.zeros(0, dtype=np.int32)
    return Coded(joined, tuple(values))
