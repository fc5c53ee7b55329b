"""What is counted of an experience, and stays when it is forgotten: outcome, seconds and joules.

An account is a row of a table with the columns ``id``, ``tenant``, ``outcome``, ``device``,
``accelerator`` (name of the GPU that the trial held, if any), ``energy`` (canonical JSON:
component, joules, source and quality of each reading) and ``seconds.*`` (by phase). Segments have
these columns too, but for ``accelerator``, which is taken from ``system_features``; nothing else of
them is read. Tombstones of older versions have no ``accelerator``.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from typing import TYPE_CHECKING
from typing import Any
from typing import NamedTuple

from pydantic_core import from_json

from xautolm_core.experience.codec import canonical
from xautolm_core.experience.coded import Coded
from xautolm_core.experience.columns import SECONDS
from xautolm_core.experience.columns import column_type
from xautolm_core.experience.marks import each_id_once
from xautolm_core.experience.segment import join_tables

if TYPE_CHECKING:
    import pyarrow as pa

ACCELERATOR = "accelerator"
"""The column with the name of the GPU; null where the trial held none, or its name is unknown."""

_FEATURES = "system_features"
_GPU_NAME = "gpu_name"
_GPU = "cuda"
_LABELS = ("tenant", "outcome", "device", "energy")
_NEEDED = frozenset({"id", "rest", ACCELERATOR, _FEATURES, *_LABELS})
_ENERGY_FIELDS = frozenset({"component", "joules", "source", "quality"})


class SecondsLabel(NamedTuple):
    """Key by which seconds are counted. ``tenant`` is empty where the tenant was forgotten."""

    tenant: str
    outcome: str
    phase: str
    device: str


class JoulesLabel(NamedTuple):
    """Key by which joules are counted.

    Attributes:
        tenant: Empty where the tenant was forgotten.
        component: What used them.
        outcome: How the trial ended.
        source: What was read, such as ``rapl``.
        quality: Class of the reading.
    """

    tenant: str
    component: str
    outcome: str
    source: str
    quality: str

    @classmethod
    def of(cls, tenant: str, outcome: str, reading: Mapping[str, Any]) -> JoulesLabel:
        """Return the label of a reading, as used in an account."""
        return cls(tenant, reading["component"], outcome, reading["source"], reading["quality"])


@dataclass
class Totals:
    """Everything ever, each attempt once: what is there and what was forgotten.

    Attributes:
        trials: Attempts by tenant (empty where it was forgotten) and outcome.
        seconds: By tenant, outcome, phase and device.
        joules: By tenant, component, outcome, source and quality class.
    """

    trials: Counter[tuple[str, str]] = field(default_factory=Counter)
    seconds: dict[SecondsLabel, float] = field(default_factory=dict)
    joules: dict[JoulesLabel, float] = field(default_factory=dict)


class Groups:
    """Rows by the combination of their words in several columns.

    Attributes:
        labels: The combinations that there are.
        rows: For each row the number of its combination.
    """

    def __init__(self, *columns: Coded) -> None:
        import numpy as np

        shape = tuple(len(column.values) for column in columns)
        flat = np.ravel_multi_index(tuple(column.codes for column in columns), shape)
        found, self.rows = np.unique(flat, return_inverse=True)
        self._size = len(found)
        parts = np.unravel_index(found, shape)
        words = [[c.values[i] for i in part] for c, part in zip(columns, parts, strict=True)]
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


def words_of(column: pa.ChunkedArray) -> Coded:
    """Return a column of words; null is the empty word."""
    import pyarrow.compute as pc

    words = pc.fill_null(column.cast("string"), "").combine_chunks().dictionary_encode()
    if hasattr(words, "combine_chunks"):
        words = words.combine_chunks()
    return Coded(words.indices.to_numpy(), tuple(words.dictionary.to_pylist()))


def account_columns(names: Iterable[str]) -> list[str]:
    """Return which of a segment's columns are needed for accounts."""
    return [n for n in names if n in _NEEDED or n.startswith(SECONDS)]


def accounts_of(table: pa.Table) -> pa.Table:
    """Return the accounts of rows in the layout of ``columns``, row by row.

    Args:
        table: With the columns of ``account_columns``.
    """
    import pyarrow as pa

    columns = {"id": table["id"]}
    for name in _LABELS:
        columns[name] = table[name]
    columns["energy"] = _known_energy(table["energy"])
    columns[ACCELERATOR] = _accelerators(table)
    for name in table.column_names:
        if name.startswith(SECONDS):
            columns[name] = table[name]
    _add_seconds_in_rest(table, columns)
    return pa.table(columns)


def without_tenant(accounts: pa.Table) -> pa.Table:
    """Return accounts without their tenants."""
    import pyarrow as pa

    index = accounts.schema.get_field_index("tenant")
    nobody = pa.nulls(accounts.num_rows, pa.string()).dictionary_encode()
    return accounts.set_column(index, "tenant", nobody.cast(column_type("tenant")))


def total(parts: Iterable[pa.Table]) -> Totals:
    """Return the totals of accounts; of those with the same id, the first one counts."""
    # A newer version's tombstone may say more.
    known = [part.select(account_columns(part.column_names)) for part in parts]
    accounts = each_id_once(join_tables(known))
    totals = Totals()
    if not accounts.num_rows:
        return totals
    tenants, outcomes = words_of(accounts["tenant"]), words_of(accounts["outcome"])
    pairs = Groups(tenants, outcomes)
    for (tenant, outcome), count in zip(pairs.labels, pairs.counts(), strict=True):
        totals.trials[tenant, outcome] += int(count)
    by_device = Groups(tenants, outcomes, words_of(accounts["device"]))
    for name in accounts.column_names:
        if name.startswith(SECONDS):
            phase = name.removeprefix(SECONDS)
            sums = by_device.sums(accounts[name].fill_null(0.0).to_numpy())
            for (tenant, outcome, device), seconds in zip(by_device.labels, sums, strict=True):
                if seconds:
                    label = SecondsLabel(tenant, outcome, phase, device)
                    totals.seconds[label] = float(seconds)
    _add_joules(totals, Groups(tenants, outcomes, words_of(accounts["energy"])))
    return totals


def _add_joules(totals: Totals, groups: Groups) -> None:
    for (tenant, outcome, energy), count in zip(groups.labels, groups.counts(), strict=True):
        for reading in json.loads(energy) if energy else ():
            label = JoulesLabel.of(tenant, outcome, reading)
            more = float(reading["joules"]) * int(count)
            totals.joules[label] = totals.joules.get(label, 0.0) + more


def _known_energy(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return readings with nothing but what is counted."""
    import pyarrow as pa

    chunks = []
    for chunk in column.unify_dictionaries().chunks:
        texts = [_readings(text) for text in chunk.dictionary.to_pylist()]
        chunks.append(pa.array(texts, pa.string()).take(chunk.indices).dictionary_encode())
    return pa.chunked_array(chunks, column_type("energy"))


def _readings(text: str) -> str | None:
    found = [
        {name: reading[name] for name in _ENERGY_FIELDS}
        for reading in from_json(text)
        if isinstance(reading, dict) and reading.keys() >= _ENERGY_FIELDS
    ]
    return canonical(found) if found else None


def _accelerators(table: pa.Table) -> pa.ChunkedArray:
    """Return the name of each row's GPU; null where it held none or has no name."""
    import pyarrow as pa
    import pyarrow.compute as pc

    chunks = []
    for chunk in table[_FEATURES].unify_dictionaries().chunks:
        names = [_gpu_name(text) for text in chunk.dictionary.to_pylist()]
        chunks.append(pa.array(names, pa.string()).take(chunk.indices))
    names = pa.chunked_array(chunks, pa.string())
    has_gpu = pc.fill_null(pc.equal(table["device"].cast("string"), _GPU), False)
    kept = pc.if_else(has_gpu, names, None)
    return kept.dictionary_encode().cast(column_type(ACCELERATOR))


def _gpu_name(features: str) -> str | None:
    facts = json.loads(features).get("facts")
    name = facts.get(_GPU_NAME) if isinstance(facts, dict) else None
    return name if isinstance(name, str) and name else None


def _add_seconds_in_rest(table: pa.Table, columns: dict[str, Any]) -> None:
    """Add the seconds that have no column of their own, such as whole numbers."""
    import pyarrow as pa

    rest = table["rest"].unify_dictionaries().combine_chunks()
    rest = rest.combine_chunks() if hasattr(rest, "combine_chunks") else rest
    found: dict[str, dict[int, float]] = {}
    for code, text in enumerate(rest.dictionary.to_pylist()):
        for phase, value in _seconds_in(json.loads(text)).items():
            found.setdefault(SECONDS + phase, {})[code] = value
    codes = rest.indices.to_pylist() if found else []
    for name, by_code in found.items():
        known = columns[name].to_pylist() if name in columns else [None] * len(codes)
        values = [by_code.get(code, value) for code, value in zip(codes, known, strict=True)]
        columns[name] = pa.chunked_array([pa.array(values, pa.float64())])


def _seconds_in(content: Mapping[str, Any]) -> dict[str, float]:
    seconds = content.get("seconds")
    if not isinstance(seconds, dict):
        return {}
    return {
        phase: float(value)
        for phase, value in seconds.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool)
    }
