"""How well samplers predicted the trials of a store: from columns, without building experiences.

Of the values those trials count that ended ``ok``; a trial that was stopped early or cut by a
deadline would have taken longer, so its seconds and joules do not count. Of the probabilities of
failure those trials count that ended ``ok``, or by a failure of a kind that is predicted.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Any

import numpy as np

from xautolm_core.experience.accounting import Codes
from xautolm_core.experience.accounting import codes_of
from xautolm_core.experience.columns import PREDICTED
from xautolm_core.experience.columns import SCORE
from xautolm_core.experience.columns import SECONDS
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
        trials: Predicted trials that came to a value.
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
    outcomes = codes_of(table["outcome"])
    is_ok = _among(outcomes, {Outcome.OK})
    left = _Rest.of(table)
    score = np.full(table.num_rows, np.nan)
    for name in primary_names():
        score = np.where(np.isnan(score), _floats(table, SCORE + name), score)
    score = np.where(is_ok, score, np.nan)
    whole = is_ok & ~left.is_cut
    seconds = np.where(whole, _seconds(table, left), np.nan)
    found = {
        "score": _differences(table, "score", score),
        "seconds": _factors(table, "seconds", seconds),
        "joules": _factors(table, "joules", _joules(table, left, seconds, whole)),
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


def _among(codes: Codes, words: Iterable[str]) -> NDArray[np.bool_]:
    wanted = set(words)
    by_word = np.asarray([word in wanted for word in codes.words], dtype=bool)
    return np.asarray(by_word[codes.codes])


# --- what has no column of its own ---


@dataclass(frozen=True)
class _Rest:
    """What the column ``rest`` says of costs, each with a shape of (rows,); NaN where nothing.

    Attributes:
        is_cut: Whether the schedule was cut.
        reused_seconds: Of features that were found in the cache.
        reused_joules: Likewise.
        cumulative_seconds: Of a continuation, of its whole chain.
        cumulative_joules: Likewise.
    """

    is_cut: NDArray[np.bool_]
    reused_seconds: NDArray[np.float64]
    reused_joules: NDArray[np.float64]
    cumulative_seconds: NDArray[np.float64]
    cumulative_joules: NDArray[np.float64]

    @classmethod
    def of(cls, table: pa.Table) -> _Rest:
        # Equal for many trials, and so read once.
        rest = codes_of(table["rest"])
        contents = [json.loads(text) if text else {} for text in rest.words]
        is_cut = np.asarray([bool(one.get("cut_by")) for one in contents], dtype=bool)

        def numbers(name: str) -> NDArray[np.float64]:
            by_text = np.asarray([_number(one.get(name)) for one in contents])
            return np.asarray(by_text[rest.codes])

        return cls(
            is_cut=is_cut[rest.codes],
            reused_seconds=np.nan_to_num(numbers("reused_seconds")),
            reused_joules=numbers("reused_joules"),
            cumulative_seconds=numbers("cumulative_seconds"),
            cumulative_joules=numbers("cumulative_joules"),
        )


def _number(value: Any) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number else np.nan


def _seconds(table: pa.Table, left: _Rest) -> NDArray[np.float64]:
    """Return what ``Experience.comparable_seconds`` is."""
    train, evaluate = _floats(table, _TRAIN), _floats(table, _EVALUATE)
    neither = np.isnan(train) & np.isnan(evaluate)
    own = np.nan_to_num(train) + np.nan_to_num(evaluate) + left.reused_seconds
    return np.where(
        np.isfinite(left.cumulative_seconds),
        left.cumulative_seconds,
        np.where(neither, np.nan, own),
    )


def _joules(
    table: pa.Table, left: _Rest, seconds: NDArray[np.float64], counts: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return what ``TrialResult.comparable_joules`` is, of trials that count and were predicted."""
    joules = np.full(table.num_rows, np.nan)
    predicted = np.isfinite(_floats(table, f"{PREDICTED}joules_median"))
    rows = np.flatnonzero(predicted & counts)
    if not len(rows):
        return joules
    energy = codes_of(table["energy"])
    codes = energy.codes[rows]
    by_code = {code: _joules_of(energy.words[code]) for code in np.unique(codes).tolist()}
    joules[rows] = [by_code[code] for code in codes.tolist()]
    with np.errstate(divide="ignore", invalid="ignore"):
        # What is in the cache and was not metered is taken to have drawn the power of the rest.
        scaled = joules * seconds / (seconds - left.reused_seconds)
    whole = np.where(
        np.isfinite(left.reused_joules),
        joules + left.reused_joules,
        np.where(left.reused_seconds < seconds, scaled, joules),
    )
    chain = np.where(np.isfinite(left.cumulative_joules), left.cumulative_joules, whole)
    return np.where(counts, chain, np.nan)


def _joules_of(energy: str) -> float:
    readings = json.loads(energy) if energy else []
    return sum(float(one["joules"]) for one in readings) if readings else np.nan
