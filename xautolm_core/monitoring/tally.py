"""Exact totals of accounts: whole numbers, so that they never fall by a rounding.

A counter that falls by the last bit of a double looks like a restart to Prometheus, which then
adds the whole total once more. Seconds and joules are therefore added up as millionths, in whole
numbers: the sum is the same in whatever order, and in whichever segments, the experiences are.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from dataclasses import field
from typing import TYPE_CHECKING
from typing import Any

from pydantic_core import from_json

from xautolm_core.experience.accounting import ACCELERATOR
from xautolm_core.experience.accounting import Groups
from xautolm_core.experience.accounting import JoulesLabel
from xautolm_core.experience.accounting import words_of
from xautolm_core.experience.coded import Coded
from xautolm_core.experience.columns import SECONDS

if TYPE_CHECKING:
    import pyarrow as pa

FORGOTTEN_TENANT = "(forgotten)"
"""Stands for all tenants that were forgotten; no tenant may be called so."""

DEFAULT_TENANT = "default"
"""Of an experience that names none."""

MILLION = 1_000_000
BUCKETS_SECONDS = (1, 5, 10, 30, 60, 120, 300, 600, 1_800, 3_600, 7_200, 14_400, 28_800, 86_400)
"""Upper bounds of the histogram; the last bucket has none."""

PHASES = frozenset(
    {
        *("startup", "download", "load", "load_data", "tokenize", "load_model"),
        *("train", "evaluate", "latency", "save"),
    }
)
OTHER_PHASE = "other"
"""Phases that only an importer knows: labels must stay few."""

UNKNOWN_ACCELERATOR = "unknown"
_GPU = "cuda"
# Before its process ran, a trial held nothing that it used: it may have been waiting for the GPU.
_NOT_HELD = frozenset({"startup"})
_IMPOSSIBLE = 9e12
"""Seconds or joules that nobody can have read; a million times as many fit in an int64."""


@dataclass
class Durations:
    """How long a phase took.

    Attributes:
        counts: Trials in each bucket, the last one without an upper bound.
        micros: Sum of their microseconds.
    """

    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS_SECONDS) + 1))
    micros: int = 0


@dataclass
class Tally:
    """Exact totals.

    Attributes:
        trials: By tenant and outcome.
        durations: By tenant and phase.
        gpu_micros: Microseconds of GPUs by tenant and accelerator.
        microjoules: By tenant, component, outcome, source and quality.
    """

    trials: Counter[tuple[str, str]] = field(default_factory=Counter)
    durations: dict[tuple[str, str], Durations] = field(default_factory=dict)
    gpu_micros: Counter[tuple[str, str]] = field(default_factory=Counter)
    microjoules: Counter[JoulesLabel] = field(default_factory=Counter)

    def add(self, other: Tally) -> None:
        """Add another one to this one."""
        self.trials.update(other.trials)
        self.gpu_micros.update(other.gpu_micros)
        self.microjoules.update(other.microjoules)
        for label, more in other.durations.items():
            found = self.durations.setdefault(label, Durations())
            found.counts = [a + b for a, b in zip(found.counts, more.counts, strict=True)]
            found.micros += more.micros

    def trials_by_tenant(self) -> Counter[str]:
        """Return the number of trials of each tenant."""
        found: Counter[str] = Counter()
        for (tenant, _), count in self.trials.items():
            found[tenant] += count
        return found


def tally_of(accounts: pa.Table, *, nobody: str = DEFAULT_TENANT) -> Tally:
    """Return the totals of accounts (see ``experience.accounting``), each row once.

    Args:
        accounts: The rows.
        nobody: Stands where a row names no tenant.
    """
    tally = Tally()
    if not accounts.num_rows:
        return tally
    tenants = words_of(accounts["tenant"])
    tenants = Coded(tenants.codes, tuple(word or nobody for word in tenants.values))
    outcomes = words_of(accounts["outcome"])
    pairs = Groups(tenants, outcomes)
    for (tenant, outcome), count in zip(pairs.labels, pairs.counts(), strict=True):
        tally.trials[tenant, outcome] += int(count)
    phases = {
        name.removeprefix(SECONDS): _millionths(accounts[name])
        for name in accounts.column_names
        if name.startswith(SECONDS)
    }
    for phase, micros in phases.items():
        _add_durations(tally, tenants, phase if phase in PHASES else OTHER_PHASE, micros)
    _add_gpu_seconds(tally, accounts, tenants, phases)
    _add_joules(tally, accounts, tenants, outcomes)
    return tally


def _add_durations(tally: Tally, tenants: Coded, phase: str, micros: Any) -> None:
    """Add a phase's microseconds; a row without a reading (negative) is in no bucket."""
    import numpy as np

    known = micros >= 0
    if not known.any():
        return
    values = micros[known]
    tenant = Groups(tenants.take(known))
    bucket = np.searchsorted(np.array(BUCKETS_SECONDS) * MILLION, values, side="left")
    width = len(BUCKETS_SECONDS) + 1
    size = len(tenant.labels) * width
    counts = np.bincount(tenant.rows * width + bucket, minlength=size).reshape(-1, width)
    for (name,), row, total in zip(tenant.labels, counts, tenant.exact_sums(values), strict=True):
        found = tally.durations.setdefault((name, phase), Durations())
        found.counts = [a + int(b) for a, b in zip(found.counts, row, strict=True)]
        found.micros += total


def _add_gpu_seconds(
    tally: Tally, accounts: pa.Table, tenants: Coded, phases: dict[str, Any]
) -> None:
    import numpy as np

    devices = words_of(accounts["device"])
    held = np.full(accounts.num_rows, -1, np.int64)
    for phase, micros in phases.items():
        if phase not in _NOT_HELD:
            held = np.where(micros >= 0, np.maximum(held, 0) + np.maximum(micros, 0), held)
    is_gpu = np.array([word == _GPU for word in devices.values], bool)[devices.codes]
    known = is_gpu & (held >= 0)
    if not known.any():
        return
    if ACCELERATOR in accounts.column_names:
        names = words_of(accounts[ACCELERATOR])
    else:
        names = Coded(np.zeros(accounts.num_rows, np.int32), ("",))
    groups = Groups(tenants.take(known), names.take(known))
    for (tenant, name), total in zip(groups.labels, groups.exact_sums(held[known]), strict=True):
        tally.gpu_micros[tenant, name or UNKNOWN_ACCELERATOR] += total


def _add_joules(tally: Tally, accounts: pa.Table, tenants: Coded, outcomes: Coded) -> None:
    groups = Groups(tenants, outcomes, words_of(accounts["energy"]))
    for (tenant, outcome, energy), count in zip(groups.labels, groups.counts(), strict=True):
        for reading in from_json(energy) if energy else ():
            joules = reading["joules"]
            if isinstance(joules, int | float) and 0 <= joules < _IMPOSSIBLE:
                label = JoulesLabel.of(tenant, outcome, reading)
                tally.microjoules[label] += round(joules * MILLION) * int(count)


def _millionths(column: pa.ChunkedArray) -> Any:
    """Return a column's values in millionths (int64); -1 where there is no sound reading."""
    import numpy as np

    values = column.fill_null(float("nan")).to_numpy()
    with np.errstate(invalid="ignore"):
        is_sound = (values >= 0) & (values < _IMPOSSIBLE)
    return np.where(is_sound, np.rint(np.where(is_sound, values, 0) * MILLION), -1).astype(np.int64)
