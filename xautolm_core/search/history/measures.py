"""The numbers of a history: what an experience took, drew, and was expected to need."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from xautolm_core.experience.columns import PLAN
from xautolm_core.experience.columns import SECONDS
from xautolm_core.experience.costs import COST_NUMBERS
from xautolm_core.experience.costs import Costs

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    Columns = Mapping[str, pa.Array]

TIME = "time_seconds"
ESTIMATED = "estimated_seconds"
LATENCY = "latency_ms"
ENERGY = "energy_joules"
MEMORY_LOAD, TIME_LOAD = "log_memory_load", "log_time_load"
MEMORY_ERROR, TIME_ERROR = "log_memory_error", "log_time_error"
NUMBERS = (
    *(TIME, LATENCY, ENERGY, ESTIMATED),
    *(MEMORY_LOAD, TIME_LOAD, MEMORY_ERROR, TIME_ERROR),
)
"""Columns of numbers that every history table has. Scores are others."""

TRAIN, EVALUATE = SECONDS + "train", SECONDS + "evaluate"
READINGS = "energy"
MADE_FROM = (
    *(TRAIN, EVALUATE, LATENCY, *COST_NUMBERS),
    *("schedule_fraction", "peak_host_bytes", "peak_gpu_bytes"),
)
"""Numbers of the schema that these are made from, beside ``READINGS`` and the plan's columns."""

_COMPARABLE_QUALITIES = ("A", "B")


def measures(columns: Columns, rows: int) -> dict[str, pa.Array]:
    """Return each of ``NUMBERS``, float64 with NaN for what is not known.

    Args:
        columns: Of the store, in one chunk; a missing column is one of unknown values.
        rows: How many there are.
    """
    import pyarrow as pa

    numbers = _Numbers(columns, rows)
    with np.errstate(all="ignore"):
        own_joules = _own_joules(columns.get(READINGS), rows)
        costs = Costs(numbers[TRAIN], numbers[EVALUATE], *(numbers[name] for name in COST_NUMBERS))
        host, gpu = (_log_ratio(*_plan(numbers, f"{kind}_bytes")) for kind in ("host", "gpu"))
        host_error, gpu_error = (_memory_error(numbers, kind) for kind in ("host", "gpu"))
        is_gpu_scarcer = ~np.isnan(gpu) & ~(gpu < host)
        found = {
            TIME: costs.comparable_seconds(),
            LATENCY: numbers[LATENCY],
            # A chain whose own part does not compare does not either.
            ENERGY: np.where(np.isnan(own_joules), math.nan, costs.comparable_joules(own_joules)),
            ESTIMATED: numbers[f"{PLAN}estimated_seconds"],
            MEMORY_LOAD: np.fmax(host, gpu),
            TIME_LOAD: _log_ratio(*_plan(numbers, "seconds")),
            MEMORY_ERROR: np.where(is_gpu_scarcer, gpu_error, host_error),
            TIME_ERROR: _time_error(numbers),
        }
    return {name: pa.array(values) for name, values in found.items()}


def number(column: pa.Array | None, rows: int) -> pa.Array:
    """Return a column as float64, with NaN where a value is missing."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if column is None:
        return pa.array(np.full(rows, math.nan))
    # What is too large to be exact is near enough.
    return pc.fill_null(pc.cast(column, pa.float64(), safe=False), math.nan)


def finite(value: object) -> float | None:
    """Return a number as a float; None if it is not a number, or too large for a float."""
    try:
        found = float(value) if isinstance(value, (int, float)) else math.nan
    except OverflowError:
        return None
    return found if math.isfinite(found) else None


class _Numbers:
    """Columns as arrays, by name."""

    def __init__(self, columns: Columns, rows: int) -> None:
        self._columns = columns
        self._rows = rows

    def __getitem__(self, name: str) -> NDArray[np.float64]:
        found: NDArray[np.float64] = number(self._columns.get(name), self._rows).to_numpy(
            zero_copy_only=False
        )
        return found


def _own_joules(readings: pa.Array | None, rows: int) -> NDArray[np.float64]:
    """Return the sum of a trial's readings, where all of them are of one comparable quality."""
    import pyarrow.compute as pc

    if readings is None:
        return np.full(rows, math.nan)
    by_code = [_sum_of_readings(text) for text in readings.dictionary.to_pylist()]
    codes = pc.fill_null(readings.indices, len(by_code)).to_numpy(zero_copy_only=False)
    found: NDArray[np.float64] = np.asarray([*by_code, math.nan])[codes]
    return found


def _sum_of_readings(text: str | None) -> float:
    from pydantic_core import from_json

    told = from_json(text) if text else None
    parts = told if isinstance(told, list) and all(isinstance(p, dict) for p in told) else []
    qualities = {str(part.get("quality")) for part in parts}
    joules = [finite(part.get("joules")) for part in parts]
    if len(qualities) != 1 or not qualities.issubset(_COMPARABLE_QUALITIES):
        return math.nan
    return sum(math.nan if one is None else one for one in joules)


def _plan(numbers: _Numbers, what: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return numbers[f"{PLAN}estimated_{what}"], numbers[f"{PLAN}allowed_{what}"]


def _memory_error(numbers: _Numbers, kind: str) -> NDArray[np.float64]:
    return _log_ratio(numbers[f"peak_{kind}_bytes"], numbers[f"{PLAN}estimated_{kind}_bytes"])


def _time_error(numbers: _Numbers) -> NDArray[np.float64]:
    """Return by how much training took longer than was estimated for the steps of its schedule.

    What a trial took from the cache or from an earlier trial was not estimated so.
    """
    share = numbers["schedule_fraction"]
    expected = numbers[f"{PLAN}estimated_seconds"] * np.where(np.isnan(share), 1.0, share)
    is_whole = np.isnan(numbers["continues"]) & ~(numbers["reused_seconds"] > 0)
    return np.where(is_whole, _log_ratio(numbers[TRAIN], expected), math.nan)


def _log_ratio(
    numerator: NDArray[np.float64], denominator: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the natural logarithm of a ratio of positive numbers; NaN of others."""
    usable = (numerator > 0) & (denominator > 0)
    return np.where(usable, np.log(numerator) - np.log(denominator), math.nan)
