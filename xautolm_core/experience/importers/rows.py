"""Rows of a table or of a study become experiences, by a column map."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from xautolm_core.experience.importers.account import Account
from xautolm_core.experience.importers.account import plain
from xautolm_core.experience.importers.column_map import ABSENT
from xautolm_core.experience.importers.column_map import ColumnMap
from xautolm_core.experience.importers.column_map import ColumnSource
from xautolm_core.experience.importers.duplicates import COPY
from xautolm_core.experience.importers.failure_texts import NOT_RECORDED
from xautolm_core.experience.importers.failure_texts import classify_failure
from xautolm_core.experience.importers.imported import search_id_of
from xautolm_core.experience.messages import scrub_foreign_message
from xautolm_core.records.configuration import Configuration
from xautolm_core.records.configuration import Value
from xautolm_core.records.experience import Experience
from xautolm_core.records.features import FeatureVector
from xautolm_core.records.methods import has_model
from xautolm_core.records.outcome import Failure
from xautolm_core.records.outcome import Outcome
from xautolm_core.records.scores import Score
from xautolm_core.validation import first_problem

UTC_ASSUMED = "time without a zone taken as UTC"
_MAX_TEXT = 200
_NO_EXTRACTOR = "unknown"
_NUMBERS = ("latency_ms", "data_fraction")
_WHOLE_NUMBERS = ("peak_gpu_bytes", "peak_host_bytes", "threads", "concurrent_trials", "seed")
_TEXTS = ("device", "sampler")
_EMPTY = {"none", "null", "na"}


class RowFault(Exception):  # noqa: N818  (it is counted, never shown as an error)
    """A row that cannot be taken. The message says why, in one line."""


@dataclass(frozen=True)
class ForeignRow:
    """One row of foreign data.

    Attributes:
        place: Where it stands, such as ``trials.csv:12``.
        number: Its line, row or trial.
        cells: Column to value; a column is absent where there is no value at all.
    """

    place: str
    number: int
    cells: Mapping[str, Any]


@dataclass(frozen=True)
class RowOrigin:
    """What all rows of a source have in common.

    Attributes:
        importer: Its name, such as ``csv``.
        version: Its name and version.
        name: Name of the source without its folder: rows without a search are of this one.
        tenant: Whose experiences they become.
        tasks: Only of these tasks; all if empty.
        is_typed: Whether its values have types; else numbers stand as texts.
    """

    importer: str
    version: str
    name: str
    tenant: str
    tasks: Collection[str]
    is_typed: bool


def rows_to_experiences(
    rows: Iterable[ForeignRow], column_map: ColumnMap, origin: RowOrigin, account: Account
) -> list[Experience]:
    """Return the experiences of rows; what is dropped is accounted for."""
    experiences = []
    seen: set[str] = set()
    for row in rows:
        account.read += 1
        details = Account(origin.version)
        try:
            experience = _experience(row, column_map, origin, details)
        except RowFault as fault:
            account.drop_record(row.place, str(fault))
            continue
        if origin.tasks and experience.task_name not in origin.tasks:
            account.drop_record(row.place, "of a task that was not asked for")
            continue
        if experience.provenance["record_sha256"] in seen:
            account.add_duplicate(experience, COPY)
            continue
        seen.add(experience.provenance["record_sha256"])
        for name, value in row.cells.items():
            if name not in column_map.columns and value is not None:
                account.drop_field(name, "column not in the map")
        account.fields.update(details.fields)
        account.changes.update(details.changes)
        experiences.append(experience)
    if any(_NO_EXTRACTOR in _extractors(e) for e in experiences):
        account.warnings.append(
            "without meta-features of task and system no sampler can compare them: map "
            "task_features, task_extractor, task_extractor_version, system_features, "
            "system_extractor and system_extractor_version"
        )
    return experiences


def _extractors(experience: Experience) -> tuple[str, str]:
    return experience.task_features.extractor, experience.system_features.extractor


def _experience(
    row: ForeignRow, column_map: ColumnMap, origin: RowOrigin, account: Account
) -> Experience:
    taken = {name: _present(s.take(row.cells)) for name, s in column_map.fields.items()}
    groups = {
        group: {name: _present(source.take(row.cells)) for name, source in sources.items()}
        for group, sources in column_map.groups.items()
        if group != "parameters"
    }
    # Of these None and the text "none" are values; what is absent was not active.
    parameters = {n: s.take(row.cells) for n, s in column_map.groups["parameters"].items()}
    digest = _digest(row.cells)
    task = _text(taken, "task_name")
    outcome = _outcome(taken)
    failed = outcome is not Outcome.OK
    scores = _scores(groups["scores"], column_map.groups["scores"], account)
    if failed and scores:
        for name in scores:
            account.drop_field(f"scores: {name}", f"of a trial that ended {outcome.value}")
        scores = {}
    try:
        return Experience(
            id="",
            tenant=origin.tenant,
            origin=f"import:{origin.importer}",
            search_id=search_id_of(
                origin.importer, str(taken.get("search_id") or origin.name), origin.tenant
            ),
            trial_number=_trial_number(taken, digest),
            task_name=task,
            task_fingerprint=str(taken.get("task_fingerprint") or _stand_in(origin, task)),
            task_type=_text(taken, "task_type"),
            task_features=_features(taken, "task", groups["task_features"]),
            system_features=_features(taken, "system", groups["system_features"]),
            configuration=Configuration(
                branch=str(taken.get("branch") or _text(taken, "method")),
                model=_text(taken, "model") if has_model(_text(taken, "method")) else None,
                revision=_optional_text(taken.get("revision")),
                method=_text(taken, "method"),
                parameters={
                    n: _value(v, n, is_typed=origin.is_typed)
                    for n, v in parameters.items()
                    if v is not ABSENT
                },
            ),
            outcome=outcome,
            scores=scores,
            seconds=_seconds(groups["seconds"]),
            failure=_failure(taken, outcome),
            started_at=_time(taken.get("started_at"), "started_at", account),
            ended_at=_time(_required(taken, "ended_at"), "ended_at", account),
            provenance={"importer": origin.version, "source": origin.name, "row": str(row.number)}
            | {"record_sha256": digest},
            **{n: _number(taken[n], n) for n in _NUMBERS if taken.get(n) is not None},
            **{n: _whole(taken[n], n) for n in _WHOLE_NUMBERS if taken.get(n) is not None},
            **{n: str(taken[n]) for n in _TEXTS if taken.get(n) is not None},
        )
    except ValidationError as error:
        first = first_problem(error)
        raise RowFault(f"{first.field or 'row'}: {first.message}") from error


def _present(value: Any) -> Any:
    """Return None for a cell that says nothing."""
    if value is ABSENT:
        return None
    return None if isinstance(value, str) and value.strip().lower() in _EMPTY else value


def _trial_number(taken: Mapping[str, Any], digest: str) -> int:
    """Return the number of a trial; one derived from the row's content if it has none.

    So a row has the same id in a table that has grown, and another one in another table of the
    same name.
    """
    number = taken.get("trial_number")
    return int(digest[:12], 16) if number is None else _whole(number, "trial_number")


def _outcome(taken: Mapping[str, Any]) -> Outcome:
    text = _text(taken, "outcome").lower()
    if text not in set(Outcome):
        raise RowFault(f"outcome: {text!r} is none of {', '.join(Outcome)}; translate it by values")
    return Outcome(text)


def _failure(taken: Mapping[str, Any], outcome: Outcome) -> Failure | None:
    if outcome in (Outcome.OK, Outcome.PRUNED):
        return None
    message = _optional_text(taken.get("failure_message"))
    kind = _optional_text(taken.get("failure_kind"))
    if kind is None:
        kind = classify_failure(message)[1].kind if message else NOT_RECORDED
    words = scrub_foreign_message(message) if message else ""
    return Failure(kind=plain(kind), message=words)


def _scores(
    values: Mapping[str, Any], sources: Mapping[str, ColumnSource], account: Account
) -> dict[str, Score]:
    scores = {}
    for name, value in values.items():
        if value is None:
            continue
        source, number = sources[name], _number(value, name)
        if not source.low <= number <= source.high:
            raise RowFault(f"score {name} is not within {source.low:g}..{source.high:g}")
        if (source.low, source.high) != (0.0, 1.0):
            account.change(f"{name} of {source.low:g}..{source.high:g} brought to 0..1")
        number = (number - source.low) / (source.high - source.low)
        scores[name] = Score(value=number, maximize=source.maximize)
    return scores


def _seconds(values: Mapping[str, Any]) -> dict[str, float]:
    seconds = {n: _number(v, n) for n, v in values.items() if v is not None}
    if any(value < 0 for value in seconds.values()):
        raise RowFault("a time is negative")
    return seconds


def _features(taken: Mapping[str, Any], kind: str, values: Mapping[str, Any]) -> FeatureVector:
    return FeatureVector(
        extractor=str(taken.get(f"{kind}_extractor") or _NO_EXTRACTOR),
        version=str(taken.get(f"{kind}_extractor_version") or "0"),
        values={n: None if v is None else _number(v, n) for n, v in values.items()},
    )


def _value(value: Any, name: str, *, is_typed: bool) -> Value:
    """Return a hyper-parameter's value; where there are no types, texts are parsed."""
    if isinstance(value, str):
        text = value.strip()
        if len(text) > _MAX_TEXT:
            raise RowFault(f"{name}: too long a text")
        if is_typed:
            return text
        if text.lower() in {"true", "false"}:
            return text.lower() == "true"
        for kind in (int, float):
            try:
                value = kind(text)
            except ValueError:
                continue
            break
        else:
            return text
    if isinstance(value, float) and not math.isfinite(value):
        raise RowFault(f"{name}: not finite")
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise RowFault(f"{name}: no single value")


def _number(value: Any, name: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise RowFault(f"{name}: no number") from None
    if not math.isfinite(number):
        raise RowFault(f"{name}: not finite")
    return number


def _whole(value: Any, name: str) -> int:
    number = _number(value, name)
    if number != int(number) or number < 0:
        raise RowFault(f"{name}: not a whole number from 0 on")
    return int(number)


def _time(value: Any, name: str, account: Account) -> datetime | None:
    if value is None:
        return None
    try:
        time = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
        if time.tzinfo is None:
            account.change(f"{name}: {UTC_ASSUMED}")
            return time.replace(tzinfo=UTC)
        return time.astimezone(UTC)
    except (ValueError, OverflowError):
        raise RowFault(f"{name}: no date and time (ISO 8601)") from None


def _required(taken: Mapping[str, Any], name: str) -> Any:
    value = taken.get(name)
    if value is None:
        raise RowFault(f"{name}: empty")
    return value


def _text(taken: Mapping[str, Any], name: str) -> str:
    text = str(_required(taken, name)).strip()
    if len(text) > _MAX_TEXT or plain(text) not in (text, f"{text[:157]}..."):
        raise RowFault(f"{name}: no short text")
    return text


def _optional_text(value: Any) -> str | None:
    return None if value is None else str(value)


def _stand_in(origin: RowOrigin, task: str) -> str:
    """Return what stands for the digest of data that we do not have: that of the task's name."""
    return hashlib.sha256(f"{origin.importer} task {task}".encode("utf-8", "replace")).hexdigest()


def _digest(cells: Mapping[str, Any]) -> str:
    text = json.dumps(dict(cells), sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
