"""The part of one or several experience stores that a search learns from: one table."""

from __future__ import annotations

import json
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import replace
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from functools import cached_property
from functools import partial
from typing import TYPE_CHECKING
from typing import Any

import numpy as np

from xautolm_core.experience.coded import NONE
from xautolm_core.experience.coded import Coded
from xautolm_core.experience.columns import PARAMETER
from xautolm_core.experience.columns import SCORE
from xautolm_core.experience.segment import fixed_bytes
from xautolm_core.records.outcome import Outcome
from xautolm_core.search.history.features import FeatureRows
from xautolm_core.search.history.layout import CUT_BY
from xautolm_core.search.history.layout import DESCRIPTOR
from xautolm_core.search.history.layout import to_history_table
from xautolm_core.search.history.measures import ENERGY
from xautolm_core.search.history.measures import ESTIMATED
from xautolm_core.search.history.measures import LATENCY
from xautolm_core.search.history.measures import MEMORY_ERROR
from xautolm_core.search.history.measures import MEMORY_LOAD
from xautolm_core.search.history.measures import TIME
from xautolm_core.search.history.measures import TIME_ERROR
from xautolm_core.search.history.measures import TIME_LOAD
from xautolm_core.search.history.relevance import DropReason
from xautolm_core.search.history.relevance import Relevance
from xautolm_core.search.history.table import TRUST
from xautolm_core.search.history.table import codes_of
from xautolm_core.search.history.table import first_of_each_id
from xautolm_core.search.history.table import joined
from xautolm_core.search.history.table import numbers
from xautolm_core.search.history.table import text_column
from xautolm_core.search.history.table import time_order
from xautolm_core.search.history.table import times
from xautolm_core.search.history.table import with_trust

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from xautolm_core.records.experience import Experience

_OUTCOMES = tuple(Outcome)
_OUTCOME_CODES = {outcome.value: code for code, outcome in enumerate(_OUTCOMES)}
_INFORMATIVE = np.asarray([o.says_something_about_configuration for o in Outcome])
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Identity:
    """Which experience a row of a history is."""

    id: str
    search_id: str
    task_name: str
    task_fingerprint: str
    ended_at: datetime
    trust: float


class History:
    """Experiences as one table, ordered by end time and id. Each row is one experience.

    Its columns are arrays, or ``Coded``: a code a row, and each value once. They are taken from the
    table when they are asked for.

    Args:
        table: As ``joined`` makes it of tables in the columns of ``layout``; none is there twice.
        left_out: Experiences that were left out when the stores were read, by reason.

    Attributes:
        table: See above.
        left_out: See above.
    """

    def __init__(self, table: pa.Table, left_out: Mapping[DropReason, int] | None = None) -> None:
        self.table = table
        self.left_out = dict(left_out or {})
        self._numbers = partial(numbers, table)
        # What rows are taken of the table, its texts stay: each is read and parsed once.
        self._texts: dict[str, tuple[Any, ...]] = {}
        self._features: dict[str, FeatureRows] = {}

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @classmethod
    def empty(cls) -> History:
        """Return a history of no experience."""
        return cls.of(())

    @classmethod
    def of(cls, experiences: Iterable[Experience], *, trust: float = 1.0) -> History:
        """Return the history of some experiences, each id once (the earliest).

        They go through the store's own encoding, so that there is one way. Numbers that are not
        finite are left out, as the store does.

        Args:
            experiences: In any order.
            trust: Weight of the store that they come from.
        """
        from xautolm_core.experience.columns import Row
        from xautolm_core.experience.columns import to_table

        table = to_history_table(to_table(Row("", _payload(e)) for e in experiences))
        return cls.of_tables([with_trust(table, trust)])

    @classmethod
    def of_tables(cls, tables: Iterable[pa.Table]) -> History:
        """Return the history of some tables with ``trust``, each id once, in order of time."""
        found = cls(joined(tables))
        first = first_of_each_id(found.ids, found.ended_at, found.trust)
        found = found if first is None else found.take(first)
        order = time_order(found.ended_at, found.ids)
        return found if order is None else found.take(order)

    def take(self, rows: NDArray[Any]) -> History:
        """Return some rows (a mask or indices); codes stay."""
        is_mask = rows.dtype == bool
        found = History(
            self.table.filter(rows) if is_mask else self.table.take(rows), self.left_out
        )
        found._texts, found._features = self._texts, self._features
        return found

    @cached_property
    def ids(self) -> NDArray[np.uint8]:
        """Shape (rows, 16)."""
        found: NDArray[np.uint8] = fixed_bytes(self.table["id"])
        return found

    @cached_property
    def ended_at(self) -> NDArray[np.int64]:
        """Microseconds since 1970 (UTC)."""
        return times(self.table)

    @cached_property
    def outcomes(self) -> NDArray[np.int8]:
        """Index in ``tuple(Outcome)``."""
        column = self._coded("outcome")
        # A value that is not an outcome is one that no row has any more.
        codes = [_OUTCOME_CODES.get(value, 0) for value in column.values]
        return column.spread(codes, none=0).astype(np.int8)

    @cached_property
    def search(self) -> Coded:
        """Id of the search."""
        return self._coded("search_id")

    @cached_property
    def task(self) -> Coded:
        """Name and fingerprint of the task."""
        return _pairs(self._coded("task_name"), self._coded("task_fingerprint"))

    @cached_property
    def task_type(self) -> Coded:
        """Kind of the task."""
        return self._coded("task_type")

    @cached_property
    def task_features(self) -> FeatureRows:
        """Meta-features of the task."""
        return self._parsed("task_features")

    @cached_property
    def system_features(self) -> FeatureRows:
        """Meta-features of the machine."""
        return self._parsed("system_features")

    @cached_property
    def branch(self) -> Coded:
        """Branch of the search space."""
        return self._coded("configuration.branch")

    @cached_property
    def method(self) -> Coded:
        """Method."""
        return self._coded("configuration.method")

    @cached_property
    def model(self) -> Coded:
        """Model."""
        return self._coded("configuration.model")

    @cached_property
    def parameters(self) -> Mapping[str, Coded]:
        """Hyper-parameter's name to its values (active ones only).

        Values are distinguished by their JSON: 1, 1.0 and true are three.
        """
        return {name: self._coded(PARAMETER + name, json.loads) for name in self._below(PARAMETER)}

    @cached_property
    def model_descriptor(self) -> Coded:
        """Descriptor of the model."""
        return self._coded(DESCRIPTOR, json.loads)

    @cached_property
    def scores(self) -> Mapping[str, NDArray[np.float64]]:
        """Name of a score to its values; NaN where there is none."""
        return {name: self._numbers(SCORE + name) for name in self._below(SCORE)}

    @cached_property
    def time_seconds(self) -> NDArray[np.float64]:
        """Training plus evaluation seconds; NaN if neither ran."""
        return self._numbers(TIME)

    @cached_property
    def is_cut(self) -> NDArray[np.bool_]:
        """Whether a deadline or the wall limit ended an ``ok`` trial before its schedule's end.

        Its seconds are right-censored.
        """
        return np.asarray(self._coded(CUT_BY).codes != NONE)

    @cached_property
    def latency_ms(self) -> NDArray[np.float64]:
        """Milliseconds a text; NaN if not measured."""
        return self._numbers(LATENCY)

    @cached_property
    def energy_joules(self) -> NDArray[np.float64]:
        """Comparable joules, where all readings are of one quality class, A or B; else NaN."""
        return self._numbers(ENERGY)

    @cached_property
    def estimated_seconds(self) -> NDArray[np.float64]:
        """What training and evaluation were estimated to take; NaN if not known."""
        return self._numbers(ESTIMATED)

    @cached_property
    def log_memory_load(self) -> NDArray[np.float64]:
        """Natural logarithm of estimated over allowed bytes, of the scarcer memory of host and GPU.

        NaN if not known or not limited.
        """
        return self._numbers(MEMORY_LOAD)

    @cached_property
    def log_time_load(self) -> NDArray[np.float64]:
        """Likewise of seconds."""
        return self._numbers(TIME_LOAD)

    @cached_property
    def log_memory_error(self) -> NDArray[np.float64]:
        """Natural logarithm of measured over estimated bytes of that memory; NaN if not known."""
        return self._numbers(MEMORY_ERROR)

    @cached_property
    def log_time_error(self) -> NDArray[np.float64]:
        """Likewise of the seconds of training, for the steps of its schedule."""
        return self._numbers(TIME_ERROR)

    @cached_property
    def trust(self) -> NDArray[np.float64]:
        """Weight in (0, 1] of the store that each row comes from."""
        return self._numbers(TRUST)

    def irrelevant(self, relevance: Relevance) -> tuple[NDArray[np.bool_], dict[DropReason, int]]:
        """Return which experiences cannot inform a search, and how many for which reason.

        An experience is counted under the first reason that applies, in the order of
        ``DropReason``.
        """
        reasons = {
            DropReason.TASK_TYPE: ~self.task_type.equals(relevance.task_type),
            DropReason.EXTRACTOR: ~(
                self.task_features.comparable(relevance.task_extractor)
                & self.system_features.comparable(relevance.system_extractor)
            ),
            DropReason.OUTCOME: ~_INFORMATIVE[self.outcomes],
        }
        dropped = np.zeros(len(self), dtype=bool)
        counts: dict[DropReason, int] = {}
        for reason, applies in reasons.items():
            count = int(np.count_nonzero(applies & ~dropped))
            if count:
                counts[reason] = count
            dropped |= applies
        return dropped, counts

    def relevant(self, relevance: Relevance) -> History:
        """Return the experiences that can inform a search; the others are counted, by reason."""
        dropped, counts = self.irrelevant(relevance)
        return (self.take(~dropped) if counts else self).counting(counts)

    def counting(self, left_out: Mapping[DropReason, int]) -> History:
        """Return the same history with more experiences counted as left out."""
        names = dict.fromkeys((*self.left_out, *left_out))
        counts = {n: self.left_out.get(n, 0) + left_out.get(n, 0) for n in names}
        return History(self.table, counts)

    def identity(self, row: int) -> Identity:
        """Return which experience a row is."""
        name, fingerprint = self.task[row]
        return Identity(
            id=self.ids[row].tobytes().hex(),
            search_id=self.search[row],
            task_name=name,
            task_fingerprint=fingerprint,
            ended_at=_EPOCH + timedelta(microseconds=int(self.ended_at[row])),
            trust=float(self.trust[row]),
        )

    def _coded(self, name: str, read: Callable[[str], Any] = str) -> Coded:
        column = text_column(self.table, name)
        if column is None:
            return Coded.empty(len(self))
        if name not in self._texts:
            self._texts[name] = tuple(map(read, column.dictionary.to_pylist()))
        return Coded(codes_of(column), self._texts[name])

    def _parsed(self, name: str) -> FeatureRows:
        column = self._coded(name)
        if name not in self._features:
            self._features[name] = FeatureRows.parse(column)
        return replace(self._features[name], codes=column.codes)

    def _below(self, prefix: str) -> list[str]:
        names = [name for name in self.table.column_names if name.startswith(prefix)]
        return [name.removeprefix(prefix) for name in names]


def _payload(experience: Experience) -> Any:
    from xautolm_core.experience.codec import decode
    from xautolm_core.experience.codec import encode
    from xautolm_core.experience.scrub import scrub_experience

    try:
        return decode(encode(experience))
    except ValueError:
        return decode(encode(scrub_experience(experience)))


def _pairs(names: Coded, fingerprints: Coded) -> Coded:
    """Return the column of a task's name and fingerprint."""
    name_of = np.zeros(len(fingerprints.values), dtype=np.int64)
    name_of[fingerprints.codes] = names.codes
    if (name_of[fingerprints.codes] == names.codes).all():
        # No data set goes by two names, as is the rule: its code is the task's.
        pairs = [(names.values[n], f) for n, f in zip(name_of, fingerprints.values, strict=True)]
        return replace(fingerprints, values=tuple(pairs))
    both = names.codes * np.int64(len(fingerprints.values)) + fingerprints.codes
    different, codes = np.unique(both, return_inverse=True)
    n, f = np.divmod(different, len(fingerprints.values))
    pairs = [(names.values[i], fingerprints.values[j]) for i, j in zip(n, f, strict=True)]
    return Coded(codes.astype(np.int32), tuple(pairs))
