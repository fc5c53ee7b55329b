"""Experiences as columns: an exact, compact table, and back.

A payload (canonical JSON) is taken apart into typed and dictionary-coded columns; what fits none of
them stays, as JSON, in the column ``rest``. Nothing is lost: putting a row together again gives the
same canonical JSON, byte for byte, so that its digest still holds. Fields that only a newer version
knows stay in ``rest`` too.

A value of the wrong type, or null, is never moved into a column: a null in a column means that
``rest`` decides.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING
from typing import Any

from pydantic_core import from_json

from xautolm_core.experience.codec import CorruptObjectError
from xautolm_core.experience.codec import Payload
from xautolm_core.experience.codec import canonical
from xautolm_core.experience.codec import digest_of
from xautolm_core.experience.codec import is_identity
from xautolm_core.experience.keys import derived_key

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS_VERSION = 1
"""Of this layout; it stands in the metadata of every file."""

WORDS = (
    "tenant",
    "origin",
    "search_id",
    "task_name",
    "task_fingerprint",
    "task_type",
    "outcome",
    "device",
    "sampler",
    "configuration.branch",
    "configuration.model",
    "configuration.method",
)
"""Fields with text that repeats: dictionary columns."""

BLOBS = (
    "task_features",
    "system_features",
    "model_descriptor",
    "versions",
    "energy",
    "failure",
    "provenance",
)
"""Fields whose whole JSON repeats from trial to trial: dictionary columns of canonical JSON."""

WHOLE_NUMBERS = ("trial_number", "attempt", "seed", "threads", "peak_gpu_bytes", "peak_host_bytes")
NUMBERS = ("latency_ms", "data_fraction", "schedule_fraction")
SWITCHES = ("warm_started",)
TIMES = ("ended_at", "started_at")

PARAMETER = "configuration.parameters."
"""Prefix of a hyper-parameter's column: a dictionary column of its value as JSON."""

SECONDS = "seconds."
"""Prefix of a phase's column: float64, seconds."""

SCORE = "scores."
"""Prefix of a score's column: float64, the value; direction and range stay in ``rest``."""

PLAN = "plan."
"""Prefix of what was estimated and allowed: int64 for bytes, float64 for all else."""

PREDICTED = "predicted."
"""Prefix of a predicted number's column: float64."""

_FIXED = (
    *("id", "digest", "key", "rest"),
    *WORDS,
    *BLOBS,
    *WHOLE_NUMBERS,
    *NUMBERS,
    *SWITCHES,
    *TIMES,
)
_APART = frozenset({"id", "digest", "key", "rest"})
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_MAX_NAMED_COLUMNS = 256
_SMALLEST, _LARGEST = -(2**63), 2**63 - 1


@dataclass(frozen=True)
class Row:
    """One object: the key that it was stored under, and its payload."""

    key: str
    payload: Payload


def to_table(rows: Iterable[Row]) -> pa.Table:
    """Return rows as columns, in their order.

    Raises:
        CorruptObjectError: A payload's id is not an id of an experience.
    """
    import pyarrow as pa

    columns: dict[str, list[Any]] = {}
    count = 0
    for row in rows:
        for name, value in _take_apart(row, known=columns).items():
            column = columns.get(name)
            if column is None:
                column = columns[name] = [None] * count
            column.append(value)
        count += 1
        for column in columns.values():
            if len(column) < count:
                column.append(None)
    for name in fixed_columns():
        columns.setdefault(name, [None] * count)
    names = sorted(columns)
    arrays = [_array(columns[name], column_type(name)) for name in names]
    return pa.table(arrays, names=names)


def from_table(table: pa.Table) -> Iterator[Row]:
    """Yield the rows of a table, each put together again and checked against its digest.

    Raises:
        CorruptObjectError: A row does not match its digest.
    """
    for row in rows_or_faults(table):
        if isinstance(row, CorruptObjectError):
            raise row
        yield row


def readable_rows(table: pa.Table) -> list[bool]:
    """Return for each row of a table whether it can be put together again to match its digest."""
    return [isinstance(row, Row) for row in rows_or_faults(table)]


def is_known_column(name: str) -> bool:
    """Whether this version writes columns of such a name."""
    return name in _FIXED or name.startswith((PARAMETER, SECONDS, SCORE, PLAN, PREDICTED))


def rows_or_faults(table: pa.Table) -> Iterator[Row | CorruptObjectError]:
    """Yield the rows of a table like ``from_table``; in the place of a broken one what is wrong."""
    for batch in table.to_batches(max_chunksize=1_000):
        columns = {
            name: column.to_pylist()
            for name, column in zip(batch.schema.names, batch.columns, strict=True)
            if column.null_count < len(column)
        }
        columns.setdefault("key", [None] * batch.num_rows)
        for values in zip(*columns.values(), strict=True):
            yield _row_or_fault(dict(zip(columns, values, strict=True)))


def _row_or_fault(values: dict[str, Any]) -> Row | CorruptObjectError:
    try:
        return _put_together(values)
    except CorruptObjectError as error:
        fault = error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        fault = CorruptObjectError(f"a row cannot be read: {type(error).__name__}")
    # What a newer version added may be a part of the experience or not: the digest decides.
    known = {name: value for name, value in values.items() if is_known_column(name)}
    return fault if len(known) == len(values) else _row_or_fault(known)


def _array(values: list[Any], kind: pa.DataType) -> pa.Array:
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        return pa.array(values, kind.value_type).dictionary_encode()
    return pa.array(values, kind)


def column_type(name: str) -> pa.DataType:
    """Return the Arrow type of a column."""
    import pyarrow as pa

    plain = {
        "id": pa.binary(16),
        "digest": pa.binary(32),
        "key": pa.string(),
        **dict.fromkeys(TIMES, pa.timestamp("us", tz="UTC")),
        **dict.fromkeys(WHOLE_NUMBERS, pa.int64()),
        **dict.fromkeys(SWITCHES, pa.bool_()),
        **dict.fromkeys(NUMBERS, pa.float64()),
    }
    if name in plain:
        return plain[name]
    if is_plan_bytes(name):
        return pa.int64()
    if name.startswith((SECONDS, SCORE, PLAN, PREDICTED)):
        return pa.float64()
    return pa.dictionary(pa.int32(), pa.string())


def is_plan_bytes(name: str) -> bool:
    """Whether a column has bytes that were estimated or allowed: whole numbers."""
    return name.startswith(PLAN) and name.endswith("_bytes")


def fixed_columns() -> tuple[str, ...]:
    """Return the columns that every table has."""
    return _FIXED


def _take_apart(row: Row, known: Mapping[str, Any]) -> dict[str, Any]:
    """Return column to value of one row."""
    content: dict[str, Any] = from_json(row.payload.text)
    values: dict[str, Any] = {
        "id": _identity(row.payload.id),
        "digest": bytes.fromhex(row.payload.digest),
        "key": None if row.key == derived_key(content) else row.key,
    }
    del content["id"]
    _move(content, content.get("configuration"), values)
    for name in BLOBS:
        if isinstance(content.get(name), (dict, list)):
            values[name] = canonical(content.pop(name))
    for name in TIMES:
        _move_time(content, name, values)
    room = _MAX_NAMED_COLUMNS - len(known)
    configuration = content.get("configuration")
    if isinstance(configuration, dict):
        parameters: Any = configuration.get("parameters")
        for name, value in _named(parameters, PARAMETER, known, room):
            values[PARAMETER + name] = canonical(value)
            parameters.pop(name)
    for prefix in (SECONDS, PLAN, PREDICTED):
        part: Any = content.get(prefix.removesuffix("."))
        for name, value in _named(part, prefix, known, room):
            if _is_own_number(prefix + name, value):
                values[prefix + name] = part.pop(name)
    for name, score in _named(content.get("scores"), SCORE, known, room):
        if isinstance(score, dict) and type(score.get("value")) is float:
            values[SCORE + name] = score.pop("value")
    values["rest"] = canonical(content)
    return values


def _put_together(values: dict[str, Any]) -> Row:
    """Return the row of column to value; the reverse of ``_take_apart``."""
    content: dict[str, Any] = from_json(values["rest"])
    content["id"] = values["id"].hex()
    blobs: dict[str, str] = {}
    for name, value in values.items():
        if value is None or name in _APART:
            continue
        if name in TIMES:
            # ``rest`` keeps a time that was written in another way.
            content.setdefault(name, _time_text(value))
        elif name in BLOBS:
            blobs[name] = value
        elif name.startswith(PARAMETER):
            content["configuration"]["parameters"][name.removeprefix(PARAMETER)] = from_json(value)
        elif name.startswith(SECONDS):
            content["seconds"][name.removeprefix(SECONDS)] = value
        elif name.startswith(SCORE):
            content["scores"][name.removeprefix(SCORE)]["value"] = value
        elif "." in name:
            parent, _, field = name.partition(".")
            content[parent][field] = value
        else:
            content[name] = value
    text = _canonical_with(content, blobs)
    digest = values["digest"].hex()
    identity: str = content["id"]
    if digest_of(text) != digest:
        raise CorruptObjectError(f"row {identity} does not match its digest")
    key = values["key"] or derived_key(content)
    if key is None:
        raise CorruptObjectError(f"row {identity} has no key")
    ended_at = values["ended_at"].astimezone(UTC)
    return Row(key, Payload(text=text, digest=digest, id=identity, ended_at=ended_at))


def _canonical_with(content: dict[str, Any], blobs: dict[str, str]) -> str:
    """Return the canonical JSON of fields, some of which are canonical JSON already."""
    parts = blobs | {name: canonical(value) for name, value in content.items()}
    return "{" + ",".join(f"{_quoted(name)}:{parts[name]}" for name in sorted(parts)) + "}"


@lru_cache(maxsize=1_000)
def _quoted(name: str) -> str:
    return canonical(name)


def _move(content: dict[str, Any], configuration: object, values: dict[str, Any]) -> None:
    """Move what is a plain word, number or switch of the right type."""
    for name in WORDS:
        parent, _, field = name.rpartition(".")
        place = configuration if parent else content
        if isinstance(place, dict) and type(place.get(field)) is str:
            values[name] = place.pop(field)
    for name in WHOLE_NUMBERS:
        value = content.get(name)
        if type(value) is int and _SMALLEST <= value <= _LARGEST:
            values[name] = content.pop(name)
    for names, kind in ((NUMBERS, float), (SWITCHES, bool)):
        for name in names:
            if type(content.get(name)) is kind:
                values[name] = content.pop(name)


def _is_own_number(column: str, value: object) -> bool:
    """Whether a value has the type of its column, so that nothing is changed in it."""
    if is_plan_bytes(column):
        return type(value) is int and _SMALLEST <= value <= _LARGEST
    return type(value) is float


def _move_time(content: dict[str, Any], name: str, values: dict[str, Any]) -> None:
    text = content.get(name)
    if type(text) is not str:
        return
    try:
        time = datetime.fromisoformat(text)
        if time.tzinfo is None:
            return
        values[name] = time.astimezone(UTC)
    except (ValueError, OverflowError):
        return
    if _time_text(values[name]) == text:
        del content[name]


def _named(
    mapping: object, prefix: str, known: Mapping[str, Any], room: int
) -> Sequence[tuple[str, Any]]:
    """Return the entries that may have a column of their own."""
    if not isinstance(mapping, dict):
        return ()
    return [
        (name, value)
        for name, value in mapping.items()
        if _NAME.fullmatch(name) and (room > 0 or prefix + name in known)
    ]


def _identity(identity: str) -> bytes:
    if not is_identity(identity):
        raise CorruptObjectError(f"its id {identity[:40]!r} is not an id of an experience")
    return bytes.fromhex(identity)


def _time_text(time: datetime) -> str:
    """Return a time as pydantic writes it."""
    return f"{time.replace(tzinfo=None).isoformat()}Z"
