"""Rows of history tables as arrays, before anything in them is parsed."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Any

import numpy as np

from xautolm_core.experience.columns import SCORE
from xautolm_core.experience.segment import fixed_bytes
from xautolm_core.search.history.coded import NONE
from xautolm_core.search.history.coded import Coded
from xautolm_core.search.history.coded import merge
from xautolm_core.search.history.measures import NUMBERS

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

_FEW_VALUES = 1_000
"""Of a dictionary of so few values those that no row uses are kept: looking for them costs more."""


@dataclass(frozen=True)
class HistoryRows:
    """Some rows of history tables; of a whole table most arrays are views of it.

    Attributes:
        ids: Shape (rows, 16), uint8.
        ended_at: Shape (rows,), int64: microseconds since 1970 (UTC).
        trust: Shape (rows,), float64.
        coded: Column to its text (JSON where the store's column is).
        numbers: Column to its numbers, float64 with NaN.
    """

    ids: NDArray[np.uint8]
    ended_at: NDArray[np.int64]
    trust: NDArray[np.float64]
    coded: Mapping[str, Coded]
    numbers: Mapping[str, NDArray[np.float64]]

    def __len__(self) -> int:
        return len(self.ids)

    @classmethod
    def of_table(
        cls, table: pa.Table, *, rows: NDArray[np.int64] | None = None, trust: float = 1.0
    ) -> HistoryRows:
        """Return rows of a history table.

        Args:
            table: As ``to_history_table`` makes it.
            rows: Which, ascending; all if None.
            trust: Weight of their store.
        """
        chosen = slice(None) if rows is None else rows
        coded: dict[str, Coded] = {}
        numbers: dict[str, NDArray[np.float64]] = {}
        for name in table.column_names:
            if name in ("id", "ended_at"):
                continue
            if name in NUMBERS or name.startswith(SCORE):
                numbers[name] = number_array(table, name)[chosen]
            else:
                coded[name] = _coded(table, name, chosen)
        ids = fixed_bytes(table.column("id"))[chosen]
        ended_at = number_array(table, "ended_at")[chosen]
        return cls(ids, ended_at, np.full(len(ids), trust), coded, numbers)

    @classmethod
    def joined(cls, parts: Sequence[HistoryRows]) -> HistoryRows:
        """Return rows one below the other; a column that a part does not have is missing there.

        Equal values of different parts have one code then.
        """
        coded = dict.fromkeys(name for part in parts for name in part.coded)
        numbers = dict.fromkeys(name for part in parts for name in part.numbers)
        return cls(
            ids=np.concatenate([np.zeros((0, 16), dtype=np.uint8), *(part.ids for part in parts)]),
            ended_at=np.concatenate([np.zeros(0, dtype=np.int64), *(p.ended_at for p in parts)]),
            trust=np.concatenate([np.zeros(0), *(part.trust for part in parts)]),
            coded={name: merge([part.text(name) for part in parts]) for name in coded},
            numbers={name: np.concatenate([p.number(name) for p in parts]) for name in numbers},
        )

    def take(self, rows: NDArray[Any]) -> HistoryRows:
        """Return some rows (a mask or indices)."""
        return HistoryRows(
            ids=self.ids[rows],
            ended_at=self.ended_at[rows],
            trust=self.trust[rows],
            coded={name: column.take(rows) for name, column in self.coded.items()},
            numbers={name: column[rows] for name, column in self.numbers.items()},
        )

    def text(self, name: str) -> Coded:
        """Return a column of text; one without any value if no table has it."""
        return self.coded.get(name, Coded.empty(len(self)))

    def number(self, name: str) -> NDArray[np.float64]:
        """Return a column of numbers; NaN everywhere if no table has it."""
        return self.numbers.get(name, np.full(len(self), np.nan))


def number_array(table: pa.Table, name: str) -> NDArray[Any]:
    """Return a column of numbers without gaps; no copy."""
    column = table.column(name)
    result: NDArray[Any] = column.chunk(0).to_numpy() if column.num_chunks else column.to_numpy()
    return result


def equals(table: pa.Table, name: str, value: str) -> NDArray[np.bool_]:
    """Return which rows of a history table have a text in a column, shape (rows,)."""
    if len(table) == 0:
        return np.zeros(0, dtype=bool)
    array = table.column(name).chunk(0)
    by_code = np.asarray([known == value for known in array.dictionary.to_pylist()], dtype=bool)
    result: NDArray[np.bool_] = by_code[array.indices.to_numpy()]
    return result


def first_of_each_id(
    ids: NDArray[np.uint8], ended_at: NDArray[np.int64], trust: NDArray[np.float64]
) -> NDArray[np.bool_] | None:
    """Return a mask with one row for each id; None if no id occurs twice.

    Args:
        ids: Shape (rows, 16), uint8.
        ended_at: Shape (rows,). Of equally trusted rows the earliest stays.
        trust: Shape (rows,). The most trusted row stays.
    """
    words = id_words(ids)
    ordered = np.sort(words[:, 0])
    repeated = ordered[1:][ordered[1:] == ordered[:-1]]
    if len(repeated) == 0:
        return None
    suspects = np.flatnonzero(np.isin(words[:, 0], repeated))
    high, low = words[suspects, 0], words[suspects, 1]
    order = np.lexsort((suspects, ended_at[suspects], -trust[suspects], low, high))
    again = (np.diff(high[order]) == 0) & (np.diff(low[order]) == 0)
    kept = np.ones(len(ids), dtype=bool)
    kept[suspects[order[1:][again]]] = False
    return kept


def id_words(ids: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Return ids as pairs of numbers that are ordered as they are, shape (rows, 2)."""
    return np.ascontiguousarray(ids).view(">u8").astype(np.uint64).reshape(-1, 2)


def _coded(table: pa.Table, name: str, chosen: slice | NDArray[np.int64]) -> Coded:
    """Return a column; of many values only those that the chosen rows use."""
    if len(table) == 0:
        return Coded.empty()
    array = table.column(name).chunk(0)
    codes = array.indices.to_numpy()[chosen]
    values = array.dictionary
    if len(codes) < len(table) and len(values) > _FEW_VALUES:
        used = np.flatnonzero(np.bincount(codes, minlength=len(values)))
        new = np.zeros(len(values), dtype=np.int32)
        new[used] = np.arange(len(used), dtype=np.int32)
        codes, values = new[codes], values.take(used)
    texts = values.to_pylist()
    if texts and texts[-1] is None:
        # The null of the dictionary, if it has one, is its last value.
        texts.pop()
        codes = np.where(codes == len(texts), codes.dtype.type(NONE), codes)
    return Coded(codes, tuple(texts))


def time_order(ended_at: NDArray[np.int64], ids: NDArray[np.uint8]) -> NDArray[np.int64] | None:
    """Return the order by end time and id; None if the rows are in it already."""
    if (np.diff(ended_at) > 0).all():
        return None
    order = np.argsort(ended_at, kind="stable")
    same = np.diff(ended_at[order]) == 0
    tied = np.flatnonzero(np.append(same, False) | np.append(False, same))
    if len(tied):
        members = order[tied]
        words = id_words(ids[members])
        order[tied] = members[np.lexsort((words[:, 1], words[:, 0], ended_at[members]))]
    return order
