"""The history's own columns: of an experience what a sampler can learn from, and nothing else.

They are made from the store's columns (``xautolm_core.experience.columns``), so that arrays can be
taken from them without another look: text as small codes into a dictionary, numbers as float64 with
NaN, training and evaluation added up (``measures``).
What the store kept in ``rest``, because it did not fit its column, is put in its place.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Any

import numpy as np

from xautolm_core.experience.codec import canonical
from xautolm_core.experience.columns import PARAMETER
from xautolm_core.experience.columns import PLAN
from xautolm_core.experience.columns import SCORE
from xautolm_core.experience.columns import SECONDS
from xautolm_core.records.configuration import NO_MODEL
from xautolm_core.records.methods import MODELLESS_METHODS
from xautolm_core.records.outcome import Outcome
from xautolm_core.search.history.measures import MADE_FROM
from xautolm_core.search.history.measures import READINGS
from xautolm_core.search.history.measures import finite
from xautolm_core.search.history.measures import measures
from xautolm_core.search.history.measures import number
from xautolm_core.search.history.table import codes_of

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

LAYOUT_VERSION = 6
"""Raised whenever these columns change, so that no older cache is used."""

UNREADABLE = b"unreadable"
"""Metadata: how many rows do not fit the schema, and were left out."""

WORDS = (
    "tenant",
    "search_id",
    "task_name",
    "task_fingerprint",
    "task_type",
    "outcome",
    "configuration.branch",
    "configuration.model",
    "configuration.method",
    "task_features",
    "system_features",
)
"""Text that every experience has."""

DESCRIPTOR = "model_descriptor"
CUT_BY = "cut_by"
_DEFAULTS = {"tenant": "default"}
_SMALL_TYPES = ("int8", "int16", "int32")


def wanted_columns(names: Sequence[str]) -> list[str]:
    """Return which of the store's columns the history is made from."""
    plain = {"id", "ended_at", "rest", DESCRIPTOR, READINGS, *MADE_FROM, *WORDS}
    return [n for n in names if n in plain or n.startswith((PARAMETER, SCORE, PLAN))]


def to_history_table(table: pa.Table) -> pa.Table:
    """Return the history's columns of a table in the store's layout, in one chunk.

    Rows that do not fit the schema are left out; the metadata ``UNREADABLE`` counts them.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    columns = _columns(table.select(wanted_columns(table.column_names)))
    _put_back(columns, len(table))
    rows = len(table)
    result: dict[str, pa.Array] = {
        "id": columns["id"],
        "ended_at": pc.cast(columns["ended_at"], pa.int64()),
        **measures(columns, rows),
    }
    for name in sorted(columns):
        if name.startswith(SCORE):
            result[name] = number(columns[name], rows)
        elif name in (*WORDS, DESCRIPTOR, CUT_BY) or name.startswith(PARAMETER):
            result[name] = _with_small_codes(columns[name])
    found = pa.table(result)
    readable = _readable(result)
    if not readable.all():
        found = found.filter(pa.array(readable)).combine_chunks()
    return found.replace_schema_metadata({UNREADABLE: str(int((~readable).sum()))})


def _columns(table: pa.Table) -> dict[str, pa.Array]:
    """Return each column in one chunk, text dictionary-coded."""
    import pyarrow as pa

    whole = table.unify_dictionaries().combine_chunks()
    columns: dict[str, pa.Array] = {}
    for name in whole.column_names:
        column = whole.column(name)
        array = column.chunk(0) if column.num_chunks else pa.array([], column.type)
        is_text = pa.types.is_string(array.type) or pa.types.is_large_string(array.type)
        columns[name] = array.dictionary_encode() if is_text else array
    for name in (*WORDS, DESCRIPTOR):
        if name not in columns:
            columns[name] = pa.nulls(len(table), pa.string()).dictionary_encode()
    return columns


# --- what the store kept in ``rest`` ---


def _put_back(columns: dict[str, pa.Array], rows: int) -> None:
    """Fill gaps of the columns from ``rest`` and with the schema's defaults, in place."""
    import pyarrow as pa
    import pyarrow.compute as pc

    rest = columns.get("rest", pa.nulls(rows, pa.string()).dictionary_encode())
    found = [_left_over(text) for text in rest.dictionary.to_pylist()]
    for name in dict.fromkeys(name for values in found for name in values):
        is_number = name in MADE_FROM or name.startswith((SCORE, SECONDS, PLAN))
        kind = pa.float64() if is_number else pa.string()
        by_code = pa.array([values.get(name) for values in found], kind)
        missing = by_code.take(rest.indices)
        known = columns.get(name)
        whole = missing if known is None else pc.coalesce(known.cast(kind, safe=False), missing)
        columns[name] = whole if is_number else whole.dictionary_encode()
    _name_no_model(columns)
    for name, value in _DEFAULTS.items():
        if columns[name].null_count:
            whole = pc.fill_null(columns[name].cast(pa.string()), value)
            columns[name] = whole.dictionary_encode()


def _name_no_model(columns: dict[str, pa.Array]) -> None:
    """Replace the missing model of methods that need none by a fixed name, in place."""
    import pyarrow as pa
    import pyarrow.compute as pc

    model, method = (
        columns[f"configuration.{name}"].cast("string") for name in ("model", "method")
    )
    if model.null_count:
        needs_none = pc.fill_null(pc.is_in(method, pa.array(MODELLESS_METHODS)), False)
        named = pc.if_else(pc.and_(pc.is_null(model), needs_none), NO_MODEL, model)
        columns["configuration.model"] = named.dictionary_encode()


def _left_over(text: str | None) -> dict[str, Any]:
    """Return column to value of what one ``rest`` says of the history's columns."""
    from pydantic_core import from_json

    content = _object(from_json(text)) if text else {}
    parameters = _object(_object(content.get("configuration")).get("parameters"))
    found: dict[str, Any] = {PARAMETER + name: canonical(v) for name, v in parameters.items()}
    for name, score in _object(content.get("scores")).items():
        if "value" in _object(score):
            found[SCORE + name] = finite(score["value"])
    for prefix, field in ((SECONDS, "seconds"), (PLAN, "plan")):
        for name, value in _object(content.get(field)).items():
            found[prefix + name] = finite(value)
    for name in MADE_FROM:
        if content.get(name) is not None:
            found[name] = finite(content[name])
    if isinstance(content.get(CUT_BY), str):
        found[CUT_BY] = content[CUT_BY]
    return {name: value for name, value in found.items() if value is not None}


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


# --- arrays without gaps ---


def _with_small_codes(column: pa.Array) -> pa.Array:
    """Return a dictionary-coded column with the smallest indices."""
    import pyarrow as pa
    import pyarrow.compute as pc

    values = column.dictionary.cast(pa.string())
    kind = next(t for t in _SMALL_TYPES if len(values) <= np.iinfo(t).max)
    return pa.DictionaryArray.from_arrays(pc.cast(column.indices, kind), values)


def _readable(columns: Mapping[str, pa.Array]) -> NDArray[np.bool_]:
    """Return which rows have all that every experience has, and an outcome that is known."""
    import pyarrow as pa
    import pyarrow.compute as pc

    outcomes = pa.array([outcome.value for outcome in Outcome])
    readable = np.ones(len(columns["id"]), dtype=bool)
    for name in WORDS:
        column = columns[name]
        if column.null_count:
            readable &= column.is_valid().to_numpy(zero_copy_only=False)
        if name == "outcome":
            known = pc.is_in(column.dictionary, outcomes).to_numpy(zero_copy_only=False)
            readable &= np.append(known, False)[codes_of(column)]
    return readable
