"""How well samplers predicted the trials of a store: from columns, without building experiences.

Of the values those trials count that ended ``ok``; a trial that was stopped early or cut by a
deadline would have taken longer, so its seconds and joules do not count. Of the probabilities of
failure those trials count that ended ``ok``, or by a failure of a kind that is predicted.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Any

import numpy as np

from xautolm_core.experience.accounting import words_of
from xautolm_core.experience.coded import Coded
from xautolm_core.experience.columns import PREDICTED
from xautolm_core.experience.columns import SCORE
from xautolm_core.experience.columns import SECONDS
from xautolm_core.experience.costs import COST_NUMBERS
from xautolm_core.experience.costs import Costs
from xautolm_core.records.outcome import Outcome
from xautolm_core.tasks.task_type import primary_names

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

RELIABILITY_BINS = 5
"""So many bins of equal width are the probabilities of failure put in."""

_TRAIN, _EVALUATE = SECONDS + "train", SECONDS + "evaluate"
_ACTUAL = frozenset({"id", "outcome", "rest", "energy", _TRAIN, _EVALUATE})
_FAILURE = PREDICTED + "failure_probability"
_PREDICTED_FAILURES = frozenset(outcome for outcome in Outcome if outcome.is_failure)


@dataclass(frozen=True)
class ObjectiveCalibration:
    """How well one objective was predicted.

    Attributes:
        trials: Predicted trials that reached a value.
        inside_share: Share of their values that lie in the interval that was to hold 80 %.
        median_error: Median distance of the predicted median from the value: the difference of
            scores; of seconds and joules the factor between the two, 1 or more.
    """

    trials: int
    inside_share: float
    median_error: float


@dataclass(frozen=True)
class ReliabilityBin:
    """Trials whose predicted probabilities of failure are near each other.

    Attributes:
        low: Least probability of the bin.
        high: Upper end, which belongs to the next bin, but for 1.
        trials: How many there are.
        predicted: Mean of their probabilities; None without trials.
        observed: Share of them that failed; None without trials.
    """

    low: float
    high: float
    trials: int
    predicted: float | None
    observed: float | None


@dataclass(frozen=True)
class FailureCalibration:
    """How well failures were predicted.

    Attributes:
        trials: Trials with a probability that ended ``ok`` or failed.
        brier_score: Mean squared difference of probability and outcome; 0 is perfect.
        bins: Of equal width, by ascending probability.
    """

    trials: int
    brier_score: float
    bins: tuple[ReliabilityBin, ...]


@dataclass(frozen=True)
class Calibration:
    """How well the trials of a store were predicted.

    Attributes:
        objectives: ``score``, ``seconds`` and ``joules``, as far as any trial was predicted and
            came to a value.
        failures: None if no trial counts.
    """

    objectives: Mapping[str, ObjectiveCalibration]
    failures: FailureCalibration | None


def calibration_columns(names: Iterable[str]) -> list[str]:
    """Return which columns a calibration needs; none where nothing was predicted.

    Args:
        names: The columns that there are.
    """
    there = sorted(names)
    if not any(name.startswith(PREDICTED) for name in there):
        return []
    actual = {*_ACTUAL, *(SCORE + name for name in primary_names())}
    return [name for name in there if name in actual or name.startswith(PREDICTED)]


def predicted_rows(table: pa.Table) -> pa.Table:
    """Return the rows of which anything was predicted."""
    import pyarrow.compute as pc

    is_predicted = None
    for name in table.column_names:
        if name.startswith(PREDICTED):
            known = pc.is_valid(table[name])
            is_predicted = known if is_predicted is None else pc.or_(is_predicted, known)
    return table.slice(0, 0) if is_predicted is None else table.filter(is_predicted)


def calibration_of(table: pa.Table) -> Calibration:
    """Return how well rows in the layout of ``columns`` were predicted; each must be there once."""
    if not table.num_rows:
        return Calibration({}, None)
    outcomes = words_of(table["outcome"])
    is_ok = _among(outcomes, {Outcome.OK})
    costs = _costs(table)
    score = np.full(table.num_rows, np.nan)
    for name in primary_names():
        score = np.where(np.isnan(score), _floats(table, SCORE + name), score)
    score = np.where(is_ok, score, np.nan)
    whole = is_ok & ~_is_cut(table)
    seconds = np.where(whole, costs.comparable_seconds(), np.nan)
    joules = np.where(whole, costs.comparable_joules(_own_joules(table, whole)), np.nan)
    found = {
        "score": _differences(table, "score", score),
        "seconds": _factors(table, "seconds", seconds),
        "joules": _factors(table, "joules", joules),
    }
    return Calibration(
        {name: one for name, one in found.items() if one is not None},
        failure_calibration(_floats(table, _FAILURE), is_ok, _among(outcomes, _PREDICTED_FAILURES)),
    )


def failure_calibration(
    probabilities: NDArray[np.float64], succeeded: NDArray[np.bool_], failed: NDArray[np.bool_]
) -> FailureCalibration | None:
    """Return how well probabilities of failure fit what came out; None if no trial counts.

    Args:
        probabilities: Shape (trials,), in [0, 1]; NaN where none was predicted.
        succeeded: Shape (trials,): whether the trial ended well.
        failed: Shape (trials,): whether it failed. Trials that did neither do not count.
    """
    counts = np.isfinite(probabilities) & (succeeded | failed)
    if not counts.any():
        return None
    predicted, observed = probabilities[counts], failed[counts].astype(np.float64)
    place = np.minimum((predicted * RELIABILITY_BINS).astype(np.int64), RELIABILITY_BINS - 1)
    bins = []
    for number in range(RELIABILITY_BINS):
        here = place == number
        some = bool(here.any())
        bins.append(
            ReliabilityBin(
                low=number / RELIABILITY_BINS,
                high=(number + 1) / RELIABILITY_BINS,
                trials=int(np.count_nonzero(here)),
                predicted=float(predicted[here].mean()) if some else None,
                observed=float(observed[here].mean()) if some else None,
            )
        )
    brier_score = float(np.mean((predicted - observed) ** 2))
    return FailureCalibration(len(predicted), brier_score, tuple(bins))


def _differences(
    table: pa.Table, name: str, actual: NDArray[np.float64]
) -> ObjectiveCalibration | None:
    median, low, high = _prediction(table, name)
    counts = np.isfinite(median) & np.isfinite(low) & np.isfinite(high) & np.isfinite(actual)
    return _calibration(actual[counts], low[counts], high[counts], np.abs(median - actual)[counts])


def _factors(
    table: pa.Table, name: str, actual: NDArray[np.float64]
) -> ObjectiveCalibration | None:
    median, low, high = _prediction(table, name)
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.exp(np.abs(np.log(actual / median)))
    counts = np.isfinite(error) & np.isfinite(low) & np.isfinite(high)
    return _calibration(actual[counts], low[counts], high[counts], error[counts])


def _calibration(
    actual: NDArray[np.float64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    error: NDArray[np.float64],
) -> ObjectiveCalibration | None:
    if not len(actual):
        return None
    inside = (low <= actual) & (actual <= high)
    return ObjectiveCalibration(len(actual), float(inside.mean()), float(np.median(error)))


def _prediction(table: pa.Table, name: str) -> list[NDArray[np.float64]]:
    return [_floats(table, f"{PREDICTED}{name}_{part}") for part in ("median", "low", "high")]


def _floats(table: pa.Table, name: str) -> NDArray[np.float64]:
    """Return a column of numbers; NaN where it has none."""
    import pyarrow.compute as pc

    if name not in table.column_names:
        return np.full(table.num_rows, np.nan)
    return np.asarray(pc.fill_null(table[name], np.nan).to_numpy(), dtype=np.float64)


def _among(column: Coded, wanted: Collection[str]) -> NDArray[np.bool_]:
    return column.spread([value in wanted for value in column.values], none=False)


# --- what has no column of its own ---


def _costs(table: pa.Table) -> Costs:
    """Return what the rows say of their costs, but for their readings."""
    # Equal for many trials, and so read once.
    rest = words_of(table["rest"])
    contents = [json.loads(text) if text else {} for text in rest.values]

    def numbers(name: str) -> NDArray[np.float64]:
        by_text = np.asarray([_number(one.get(name)) for one in contents])
        return np.asarray(by_text[rest.codes])

    return Costs(
        train_seconds=_floats(table, _TRAIN),
        evaluate_seconds=_floats(table, _EVALUATE),
        **{name: numbers(name) for name in COST_NUMBERS},
    )


def _is_cut(table: pa.Table) -> NDArray[np.bool_]:
    rest = words_of(table["rest"])
    by_text = [bool(text and json.loads(text).get("cut_by")) for text in rest.values]
    return np.asarray(np.asarray(by_text, dtype=bool)[rest.codes])


def _number(value: Any) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number else np.nan


def _own_joules(table: pa.Table, counts: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the sum of the readings of trials that count and whose joules were predicted."""
    joules = np.full(table.num_rows, np.nan)
    predicted = np.isfinite(_floats(table, f"{PREDICTED}joules_median"))
    rows = np.flatnonzero(predicted & counts)
    if len(rows):
        energy = words_of(table["energy"])
        codes = energy.codes[rows]
        by_code = {code: _joules_of(energy.values[code]) for code in np.unique(codes).tolist()}
        joules[rows] = [by_code[code] for code in codes.tolist()]
    return joules


def _joules_of(energy: str) -> float:
    readings = json.loads(energy) if energy else []
    return sum(float(one["joules"]) for one in readings) if readings else np.nan
