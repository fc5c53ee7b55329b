"""One record of the published XAutoLM format, in either of its two layouts, checked."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from datetime import datetime
from typing import Any

from pydantic import BaseModel
from pydantic import ConfigDict
from pydantic import Field
from pydantic import ValidationError

from xautolm_core.records.configuration import Value
from xautolm_core.validation import first_problem

FLAT_LAYOUT = "flat"
METRICS_LAYOUT = "metrics"
_FLAT_METRICS = ("accuracy", "f1", "evaluation_time")
_SEARCH_METRICS = ("f1", "evaluation_time")


class RecordFault(Exception):  # noqa: N818  (it is counted, never shown as an error)
    """A record that cannot be taken. The message says why, in one line."""


class _Foreign(BaseModel):
    """Strict types; fields that are not known are kept, to be accounted for."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)


class _Node(_Foreign):
    annotation: str | None = None
    value: bool | int | float | str | dict[str, Any] | None


class _Metric(_Foreign):
    name: str
    value: float | None
    maximize: bool | None = None


class _TaskFeatures(_Foreign):
    meta: list[float]
    semantic: list[float] = []


class _Envelope(_Foreign):
    """A line of the JSON Lines sample."""

    dataset: str | None = None
    source_path: str | None = None
    commit: str | None = None
    experience: dict[str, Any]


class _Content(_Foreign):
    """The fields of both layouts."""

    algorithms: list[dict[str, dict[str, _Node]]] = Field(min_length=1, max_length=1)
    dataset_features: list[float] | None = None
    task_features: _TaskFeatures | None = None
    system_features: list[float] | None = None
    dataset_feature_extractor_name: str = ""
    system_feature_extractor_name: str = ""
    timestamp: str
    alias: str = Field(min_length=1)
    cross_val_steps: int | list[Any] | None = None
    error: str | None = None
    metrics: list[_Metric] | None = None
    accuracy: float | None = None
    f1: float | None = None
    evaluation_time: float | None = None


@dataclass(frozen=True)
class PublishedRecord:
    """One record, flattened.

    Attributes:
        alias: Name of the run.
        dataset: Name of the data set, where the sample says it; else empty.
        fine_tuner: Class of the fine-tuner.
        model_class: Class of the model.
        parameters: Hyper-parameter name to value, as sampled.
        dataset_features: The ten of classification; None if there are none.
        task_meta: The eleven of generative tasks; None if there are none.
        task_embedding: The mean embedding of their prompts; may be empty.
        system_features: The five.
        task_extractor: Class of the extractor of the task's features.
        system_extractor: Class of the extractor of the machine's features.
        ended_at: When it ended: local time without a zone, taken as UTC.
        has_time_zone: Whether the time had a zone after all.
        error: Text of the exception; None if none was recorded.
        metrics: Name to value; None, infinite or NaN where there is none.
        layout: ``flat`` or ``metrics``.
        source_path: Path that the sample names; else empty.
        commit: Commit that the sample names; else empty.
        digest: SHA-256 of the original fields (canonical JSON).
        left_out: Fields that are not taken, each with the reason.
        has_cross_validation: Whether ``cross_val_steps`` holds anything.
    """

    alias: str
    dataset: str
    fine_tuner: str
    model_class: str
    parameters: Mapping[str, Value]
    dataset_features: tuple[float, ...] | None
    task_meta: tuple[float, ...] | None
    task_embedding: tuple[float, ...]
    system_features: tuple[float, ...]
    task_extractor: str
    system_extractor: str
    ended_at: datetime
    has_time_zone: bool
    error: str | None
    metrics: Mapping[str, float | None]
    layout: str
    source_path: str
    commit: str
    digest: str
    left_out: tuple[tuple[str, str], ...]
    has_cross_validation: bool

    @property
    def succeeded(self) -> bool:
        """Whether there is a finite value of what the search optimised, and no error."""
        values = [self.metrics.get(name) for name in _SEARCH_METRICS]
        return self.error is None and all(v is not None and math.isfinite(v) for v in values)


def parse_published(content: Mapping[str, Any]) -> PublishedRecord:
    """Return a record, whole or wrapped as in the JSON Lines sample.

    Raises:
        RecordFault: It is none.
    """
    try:
        envelope = _Envelope.model_validate(content) if "experience" in content else None
        fields = envelope.experience if envelope else content
        record = _Content.model_validate(fields)
    except ValidationError as error:
        raise RecordFault(_first_fault(error)) from error
    fine_tuner, model_class, parameters = _pipeline(record)
    ended_at, has_time_zone = _time(record.timestamp)
    return PublishedRecord(
        alias=record.alias,
        dataset=(envelope.dataset or "") if envelope else "",
        fine_tuner=fine_tuner,
        model_class=model_class,
        parameters=parameters,
        dataset_features=_numbers(record.dataset_features),
        task_meta=_numbers(record.task_features.meta if record.task_features else None),
        task_embedding=tuple(record.task_features.semantic if record.task_features else ()),
        system_features=tuple(record.system_features or ()),
        task_extractor=record.dataset_feature_extractor_name,
        system_extractor=record.system_feature_extractor_name,
        ended_at=ended_at,
        has_time_zone=has_time_zone,
        error=record.error,
        metrics=_metrics(record),
        layout=FLAT_LAYOUT if record.metrics is None else METRICS_LAYOUT,
        source_path=(envelope.source_path or "") if envelope else "",
        commit=(envelope.commit or "") if envelope else "",
        digest=_digest(fields),
        left_out=tuple(_left_out(record, envelope)),
        has_cross_validation=record.cross_val_steps is not None,
    )


def _pipeline(record: _Content) -> tuple[str, str, dict[str, Value]]:
    """Return fine-tuner, model and hyper-parameters of the one algorithm."""
    algorithm = record.algorithms[0]
    if len(algorithm) != 1:
        raise RecordFault(f"algorithms: {len(algorithm)} fine-tuners instead of one")
    ((fine_tuner, nodes),) = algorithm.items()
    model_class = ""
    parameters: dict[str, Value] = {}
    for name, node in nodes.items():
        if isinstance(node.value, dict):
            if name != "inner_model" or len(node.value) != 1:
                raise RecordFault("algorithms: a nested algorithm that is not the model")
            model_class = next(iter(node.value))
        else:
            parameters[name] = node.value
    if not model_class:
        raise RecordFault("algorithms: no inner_model")
    return fine_tuner, model_class, parameters


def _metrics(record: _Content) -> dict[str, float | None]:
    if record.metrics is not None:
        return {metric.name: metric.value for metric in record.metrics}
    if not any(name in record.model_fields_set for name in _SEARCH_METRICS):
        raise RecordFault("no metrics, in neither layout")
    return {name: getattr(record, name) for name in _FLAT_METRICS}


def _left_out(record: _Content, envelope: _Envelope | None) -> Iterator[tuple[str, str]]:
    """Yield each field that is not taken, and why."""
    parts: list[tuple[str, _Foreign]] = [("", record)]
    parts += [("", envelope)] if envelope else []
    parts += [("task_features.", record.task_features)] if record.task_features else []
    parts += [("metrics.", metric) for metric in record.metrics or ()]
    for nodes in record.algorithms[0].values():
        parts += [(f"{name}.", node) for name, node in nodes.items()]
    for prefix, part in parts:
        for name in part.model_extra or ():
            yield f"{prefix}{name}", "not known"
    metrics = record.metrics or ()
    if any(metric.maximize is not None for metric in metrics):
        yield "metrics.maximize", "derived from the metric's name"
    names = [metric.name for metric in metrics]
    for name in sorted(set(names)):
        if names.count(name) > 1:
            yield f"metric {name}", "given more than once, the last one counts"
    if record.metrics is not None:
        for name in _FLAT_METRICS:
            if name in record.model_fields_set:
                yield name, "stands beside metrics, which count"


def _time(text: str) -> tuple[datetime, bool]:
    try:
        time = datetime.fromisoformat(text)
        if time.tzinfo is None:
            return time.replace(tzinfo=UTC), False
        return time.astimezone(UTC), True
    except (ValueError, OverflowError) as error:
        raise RecordFault("timestamp: no date and time") from error


def _numbers(values: list[float] | None) -> tuple[float, ...] | None:
    return None if values is None else tuple(values)


def _digest(fields: Mapping[str, Any]) -> str:
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _first_fault(error: ValidationError) -> str:
    first = first_problem(error)
    # Only the field's name: what is below it may be anything.
    return f"{first.field or 'record'}: {first.message[:1].lower()}{first.message[1:]}"
