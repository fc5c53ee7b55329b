"""The part of one or several experience stores that a search learns from, as arrays."""

from __future__ import annotations

import json
from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from typing import TYPE_CHECKING
from typing import Any

import numpy as np

from xautolm_core.experience.columns import PARAMETER
from xautolm_core.experience.columns import SCORE
from xautolm_core.records.outcome import Outcome
from xautolm_core.search.history.coded import NONE
from xautolm_core.search.history.coded import Coded
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
from xautolm_core.search.history.relevance import irrelevant
from xautolm_core.search.history.rows import HistoryRows
from xautolm_core.search.history.rows import first_of_each_id
from xautolm_core.search.history.rows import time_order

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xautolm_core.records.experience import Experience

_OUTCOMES = tuple(Outcome)
_OUTCOME_CODES = {outcome.value: code for code, outcome in enumerate(_OUTCOMES)}
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


@dataclass(frozen=True)
class History:
    """Experiences as arrays, ordered by end time and id. Each row is one experience.

    Attributes:
        ids: Shape (rows, 16), uint8.
        ended_at: Shape (rows,), int64: microseconds since 1970 (UTC).
        outcomes: Shape (rows,), int8: index in ``tuple(Outcome)``.
        search: Id of the search.
        task: Name and fingerprint of the task.
        task_type: Kind of the task.
        task_features: Meta-features of the task.
        system_features: Meta-features of the machine.
        branch: Fine-tuner.
        method: Fine-tuning method.
        model: Model.
        parameters: Hyper-parameter's name to its values (active ones only). Values are told apart
            by their JSON: 1, 1.0 and true are three.
        model_descriptor: Descriptor of the model.
        scores: Name of a score to its values, float64; NaN where there is none.
        time_seconds: Training plus evaluation seconds, float64; NaN if neither ran.
        is_cut: Whether a deadline or the wall limit ended an ``ok`` trial before the end of its
            schedule, bool: its seconds are right-censored.
        latency_ms: Milliseconds a text, float64; NaN if not measured.
        energy_joules: Comparable joules, where all readings are of one quality class, A or B,
            float64; NaN elsewhere.
        estimated_seconds: What training and evaluation were estimated to take, float64; NaN if not
            known.
        log_memory_load: Natural logarithm of estimated over allowed bytes, of host or GPU memory,
            whichever is scarcer, float64; NaN if not known or not limited.
        log_time_load: Likewise of seconds.
        log_memory_error: Natural logarithm of measured over estimated bytes of that memory,
            float64; NaN if one is not known.
        log_time_error: Likewise of the seconds of training, for the steps of its schedule.
        trust: Weight in (0, 1] of the store that each row comes from, float64.
        left_out: Experiences that were left out when the stores were read, by reason.
    """

    ids: NDArray[np.uint8]
    ended_at: NDArray[np.int64]
    outcomes: NDArray[np.int8]
    search: Coded
    task: Coded
    task_type: Coded
    task_features: FeatureRows
    system_features: FeatureRows
    branch: Coded
    method: Coded
    model: Coded
    parameters: Mapping[str, Coded]
    model_descriptor: Coded
    scores: Mapping[str, NDArray[np.float64]]
    time_seconds: NDArray[np.float64]
    is_cut: NDArray[np.bool_]
    latency_ms: NDArray[np.float64]
    energy_joules: NDArray[np.float64]
    estimated_seconds: NDArray[np.float64]
    log_memory_load: NDArray[np.float64]
    log_time_load: NDArray[np.float64]
    log_memory_error: NDArray[np.float64]
    log_time_error: NDArray[np.float64]
    trust: NDArray[np.float64]
    left_out: Mapping[DropReason, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)

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

        table = to_table(Row("", _payload(e)) for e in experiences)
        rows = HistoryRows.of_table(to_history_table(table), trust=trust)
        first = first_of_each_id(rows.ids, rows.ended_at, rows.trust)
        return cls.of_rows([rows if first is None else rows.take(first)])

    @classmethod
    def of_rows(cls, parts: Iterable[HistoryRows]) -> History:
        """Return the history of some rows, none of which is there twice.

        Args:
            parts: Rows of one or several history tables.
        """
        everything = cls.of_joined(HistoryRows.joined(list(parts)))
        order = time_order(everything.ended_at, everything.ids)
        return everything if order is None else everything.take(order)

    @classmethod
    def of_joined(cls, joined: HistoryRows) -> History:
        """Return the history of rows in their order.

        Here, and only here, meta-features, descriptors and values are parsed, each different one
        once.
        """
        return cls(
            ids=joined.ids,
            ended_at=joined.ended_at,
            outcomes=outcome_codes(joined.text("outcome")),
            search=joined.text("search_id"),
            task=_pairs(joined.text("task_name"), joined.text("task_fingerprint")),
            task_type=joined.text("task_type"),
            task_features=FeatureRows.parse(joined.text("task_features")),
            system_features=FeatureRows.parse(joined.text("system_features")),
            branch=joined.text("configuration.branch"),
            method=joined.text("configuration.method"),
            model=joined.text("configuration.model"),
            parameters={
                name.removeprefix(PARAMETER): _decoded(column)
                for name, column in joined.coded.items()
                if name.startswith(PARAMETER)
            },
            model_descriptor=_decoded(joined.text(DESCRIPTOR)),
            scores={
                name.removeprefix(SCORE): column
                for name, column in joined.numbers.items()
                if name.startswith(SCORE)
            },
            time_seconds=joined.number(TIME),
            is_cut=joined.text(CUT_BY).codes != NONE,
            latency_ms=joined.number(LATENCY),
            energy_joules=joined.number(ENERGY),
            estimated_seconds=joined.number(ESTIMATED),
            log_memory_load=joined.number(MEMORY_LOAD),
            log_time_load=joined.number(TIME_LOAD),
            log_memory_error=joined.number(MEMORY_ERROR),
            log_time_error=joined.number(TIME_ERROR),
            trust=joined.trust,
        )

    def take(self, rows: NDArray[Any]) -> History:
        """Return some rows (a mask or indices)."""
        return replace(
            self,
            ids=self.ids[rows],
            ended_at=self.ended_at[rows],
            outcomes=self.outcomes[rows],
            search=self.search.take(rows),
            task=self.task.take(rows),
            task_type=self.task_type.take(rows),
            task_features=self.task_features.take(rows),
            system_features=self.system_features.take(rows),
            branch=self.branch.take(rows),
            method=self.method.take(rows),
            model=self.model.take(rows),
            parameters={name: column.take(rows) for name, column in self.parameters.items()},
            model_descriptor=self.model_descriptor.take(rows),
            scores={name: column[rows] for name, column in self.scores.items()},
            time_seconds=self.time_seconds[rows],
            is_cut=self.is_cut[rows],
            latency_ms=self.latency_ms[rows],
            energy_joules=self.energy_joules[rows],
            estimated_seconds=self.estimated_seconds[rows],
            log_memory_load=self.log_memory_load[rows],
            log_time_load=self.log_time_load[rows],
            log_memory_error=self.log_memory_error[rows],
            log_time_error=self.log_time_error[rows],
            trust=self.trust[rows],
        )

    def relevant(self, relevance: Relevance) -> History:
        """Return the experiences that can inform a search; the others are counted, by reason."""
        dropped, counts = irrelevant(
            relevance,
            task_type=self.task_type,
            task_features=self.task_features,
            system_features=self.system_features,
            outcomes=self.outcomes,
        )
        return (self.take(~dropped) if counts else self).counting(counts)

    def counting(self, left_out: Mapping[DropReason, int]) -> History:
        """Return the same history with more experiences counted as left out."""
        names = dict.fromkeys((*self.left_out, *left_out))
        counts = {n: self.left_out.get(n, 0) + left_out.get(n, 0) for n in names}
        return replace(self, left_out=counts)

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


def _payload(experience: Experience) -> Any:
    from xautolm_core.experience.codec import decode
    from xautolm_core.experience.codec import encode
    from xautolm_core.experience.scrub import scrub_experience

    try:
        return decode(encode(experience))
    except ValueError:
        return decode(encode(scrub_experience(experience)))


def outcome_codes(column: Coded) -> NDArray[np.int8]:
    """Return a column of outcomes as indices in ``tuple(Outcome)``."""
    # A value that is no outcome is one that no row has any more.
    codes = [_OUTCOME_CODES.get(value, 0) for value in column.values]
    return column.spread(codes, none=0).astype(np.int8)


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


def _decoded(column: Coded) -> Coded:
    return replace(column, values=tuple(json.loads(value) for value in column.values))
