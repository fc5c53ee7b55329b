"""A history as plain rows, to compare it with experiences."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from xautolm_core.records.experience import Experience
from xautolm_core.records.features import FeatureVector
from xautolm_core.records.outcome import Outcome
from xautolm_core.search.history import History
from xautolm_core.search.history.features import FeatureRows


def rows_of(history: History) -> list[dict[str, Any]]:
    """Return everything that a history says, row by row."""
    return [_row(history, row) for row in range(len(history))]


def rows_of_experiences(experiences: Iterable[Experience]) -> list[dict[str, Any]]:
    """Return the same, as the experiences themselves say it, in the order of a history."""
    ordered = sorted(experiences, key=lambda e: (e.ended_at, e.id))
    return [
        {
            "id": e.id,
            "ended_at": e.ended_at,
            "search": e.search_id,
            "task": (e.task_name, e.task_fingerprint),
            "task_type": e.task_type,
            "outcome": e.outcome,
            "branch": e.configuration.branch,
            "model": e.configuration.model,
            "method": e.configuration.method,
            "parameters": {n: (type(v), v) for n, v in e.configuration.parameters.items()},
            "scores": {name: score.value for name, score in e.scores.items()},
            "time": e.comparable_seconds,
            "is_cut": e.cut_by is not None,
            "latency": e.latency_ms,
            "loads": _loads(e),
            "errors": _errors(e),
            "task_features": _vector(e.task_features),
            "system_features": _vector(e.system_features),
            "descriptor": _plain(e.model_descriptor),
        }
        for e in ordered
    ]


def _row(history: History, row: int) -> dict[str, Any]:
    identity = history.identity(row)
    parameters = {
        name: (type(column[row]), column[row])
        for name, column in history.parameters.items()
        if column.codes[row] >= 0
    }
    scores = {name: float(values[row]) for name, values in history.scores.items()}
    return {
        "id": identity.id,
        "ended_at": identity.ended_at,
        "search": identity.search_id,
        "task": (identity.task_name, identity.task_fingerprint),
        "task_type": history.task_type[row],
        "outcome": tuple(Outcome)[history.outcomes[row]],
        "branch": history.branch[row],
        "model": history.model[row],
        "method": history.method[row],
        "parameters": parameters,
        "scores": {name: value for name, value in scores.items() if not math.isnan(value)},
        "time": _number(history.time_seconds[row]),
        "is_cut": bool(history.is_cut[row]),
        "latency": _number(history.latency_ms[row]),
        "loads": tuple(
            _rounded(column[row]) for column in (history.log_memory_load, history.log_time_load)
        ),
        "errors": tuple(
            _rounded(column[row]) for column in (history.log_memory_error, history.log_time_error)
        ),
        "task_features": _features(history.task_features, row),
        "system_features": _features(history.system_features, row),
        "descriptor": history.model_descriptor[row],
    }


def _loads(experience: Experience) -> tuple[float | None, float | None]:
    """Return logarithms of estimated over allowed memory and time."""
    plan = experience.plan
    if plan is None:
        return None, None
    memory = [
        _log_ratio(plan.estimated_host_bytes, plan.allowed_host_bytes),
        _log_ratio(plan.estimated_gpu_bytes, plan.allowed_gpu_bytes),
    ]
    time = _log_ratio(plan.estimated_seconds, plan.allowed_seconds)
    return max((one for one in memory if one is not None), default=None), time


def _errors(experience: Experience) -> tuple[float | None, float | None]:
    """Return logarithms of measured over estimated memory (the scarcer one) and time."""
    plan = experience.plan
    if plan is None:
        return None, None
    host = _log_ratio(plan.estimated_host_bytes, plan.allowed_host_bytes)
    gpu = _log_ratio(plan.estimated_gpu_bytes, plan.allowed_gpu_bytes)
    if gpu is not None and (host is None or gpu >= host):
        memory = _log_ratio(experience.peak_gpu_bytes, plan.estimated_gpu_bytes)
    else:
        memory = _log_ratio(experience.peak_host_bytes, plan.estimated_host_bytes)
    if experience.continues is not None or experience.reused_seconds > 0:
        return memory, None
    expected = (plan.estimated_seconds or 0.0) * experience.schedule_fraction
    return memory, _log_ratio(experience.seconds.get("train"), expected)


def _log_ratio(numerator: float | None, denominator: float | None) -> float | None:
    if not numerator or not denominator or numerator < 0 or denominator < 0:
        return None
    return _rounded(np.log(float(numerator)) - np.log(float(denominator)))


def _features(features: FeatureRows, row: int) -> tuple[str, str, dict[str, float]]:
    code = features.codes[row]
    values = zip(features.names, features.matrix[code].tolist(), strict=True)
    known = {name: value for name, value in values if not math.isnan(value)}
    return features.extractors[code], features.versions[code], known


def _vector(features: FeatureVector) -> tuple[str, str, dict[str, float]]:
    known = {n: v for n, v in features.values.items() if v is not None and math.isfinite(v)}
    return features.extractor, features.version, known


def _number(value: np.float64) -> float | None:
    return None if math.isnan(value) else float(value)


def _rounded(value: np.float64) -> float | None:
    """Return a number to nine places: the last bits of a logarithm are no matter."""
    return None if math.isnan(value) else round(float(value), 9)


def _plain(descriptor: Any) -> Any:
    if descriptor is None:
        return None
    return {n: list(v) if isinstance(v, tuple) else v for n, v in descriptor.items()}
