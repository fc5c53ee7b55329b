"""Experiences as columns: put together again, they are the same byte for byte."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable
from datetime import UTC
from datetime import datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from tests.experience.samples import complete_sample
from tests.experience.samples import sample
from xautolm_core.experience.codec import CorruptObjectError
from xautolm_core.experience.codec import Payload
from xautolm_core.experience.codec import canonical
from xautolm_core.experience.codec import check_payload
from xautolm_core.experience.codec import decode
from xautolm_core.experience.codec import digest_of
from xautolm_core.experience.codec import encode
from xautolm_core.experience.columns import BLOBS
from xautolm_core.experience.columns import NUMBERS
from xautolm_core.experience.columns import SWITCHES
from xautolm_core.experience.columns import TIMES
from xautolm_core.experience.columns import WHOLE_NUMBERS
from xautolm_core.experience.columns import WORDS
from xautolm_core.experience.columns import Row
from xautolm_core.experience.columns import column_type
from xautolm_core.experience.columns import fixed_columns
from xautolm_core.experience.columns import from_table
from xautolm_core.experience.columns import to_table
from xautolm_core.experience.keys import derived_key
from xautolm_core.experience.keys import experience_key
from xautolm_core.experience.segment import encode_segment
from xautolm_core.experience.segment import join_tables
from xautolm_core.experience.segment import segment_of
from xautolm_core.experience.segment import sort_rows
from xautolm_core.experience.segment_reader import SegmentReader
from xautolm_core.records.experience import Experience

_VALUES: list[Any] = [None, True, 0, -1, 7, 2**63 - 1, 2**63, -(2**70), 0.5, -0.0, 1e300, 5e-324]
_VALUES += ["", "text", "é\u2028\x00", [], {}, [1, {"a": None}], {"x": 1.5}]
_VALUES += [{"value": 1}, {"value": 0.1, "new": []}]
_VALUES += [{"train": 1.5, "evaluate": 2, "": 3.0, "a b": None, "x" * 70: 1.0}]
_VALUES += [{"macro_f1": {"value": 0.5}, "em": {"value": 1}, "f1": 3.0, "a.b": {"low": 0.0}}]
_values = st.sampled_from(_VALUES)
_numbers = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**80), 2**80)
_times = st.sampled_from(
    [
        "2026-03-01T22:00:00Z",
        "2026-03-01T22:00:00.000001Z",
        "2026-03-01T22:00:00.100Z",
        "2026-03-01T22:00:00.1234567Z",
        "2026-03-01T22:00:00+00:00",
        "2026-03-01T23:30:00+01:30",
        "20260301T220000Z",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59.999999Z",
        "1969-12-31T23:59:59.999Z",
    ]
)
_odd_times = st.sampled_from(
    ["0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59-05:00", "2026-03-01T22:00:00", "yesterday"]
)
_fields = (*WORDS, *BLOBS, *WHOLE_NUMBERS, *NUMBERS, *SWITCHES, *TIMES)
_PATHS: list[tuple[str, ...]] = [tuple(name.split(".")) for name in _fields]
_PATHS += [("scores",), ("scores", "macro_f1"), ("scores", "macro_f1", "value"), ("scores", "new")]
_PATHS += [("seconds",), ("seconds", "train"), ("seconds", "new phase"), ("seconds", "new")]
_PATHS += [("plan",), ("plan", "estimated_seconds"), ("plan", "allowed_host_bytes"), ("plan", "x")]
_PATHS += [("predicted",), ("predicted", "score_low"), ("predicted", "new")]
_PATHS += [("configuration",), ("configuration", "parameters"), ("configuration", "revision")]
_PATHS += [("configuration", "parameters", n) for n in ("lora_r", "new", "a b", "é", "x.y")]
_PATHS += [("unknown",), ("rest",), ("key",), ("digest",), ("a.b",), ("schema_version",), ("",)]
_paths = st.sampled_from(_PATHS)
_GONE = "gone"
_JSON = json.loads(complete_sample().model_dump_json())


@st.composite
def payloads(draw: st.DrawFn) -> Payload:
    """Any JSON: that of an experience with some values changed, added or taken away."""
    content = copy.deepcopy(_JSON)
    changes = st.tuples(
        _paths, _values | _numbers | _times | _odd_times | st.just(_GONE) | st.text()
    )
    for path, value in draw(st.lists(changes, max_size=8)):
        place: Any = content
        for name in path[:-1]:
            place = place.get(name) if isinstance(place, dict) else None
        if not isinstance(place, dict):
            continue
        if value == _GONE:
            place.pop(path[-1], None)
        else:
            place[path[-1]] = copy.deepcopy(value)
    content["id"] = draw(st.binary(min_size=16, max_size=16)).hex()
    content["ended_at"] = draw(_times)
    text = canonical(content)
    return check_payload(text, digest_of(text))


def _rows(found: Iterable[Payload]) -> list[Row]:
    return [Row(f"experiences/x/{i}.json", payload) for i, payload in enumerate(found)]


@settings(max_examples=300, deadline=None)
@given(st.lists(payloads(), max_size=4))
def test_any_payload_comes_back_exactly(found: list[Payload]) -> None:
    rows = _rows(found)
    table = to_table(rows)
    assert list(from_table(table)) == rows
    assert {f.name: f.type for f in table.schema} == {n: column_type(n) for n in table.column_names}
    assert set(fixed_columns()) <= set(table.column_names)


@settings(max_examples=100, deadline=None)
@given(st.lists(payloads(), min_size=1, max_size=4), st.lists(payloads(), max_size=3))
def test_any_payload_comes_back_from_a_file(one: list[Payload], other: list[Payload]) -> None:
    rows = _rows(one + other)
    by_order = {(row.payload.ended_at, row.payload.id): row for row in rows}
    table = sort_rows(join_tables([to_table(rows[: len(one)]), to_table(rows[len(one) :])]))
    segment, data = encode_segment(table, 7)
    assert segment_of(segment.key) == segment
    assert (segment.generation, segment.rows) == (7, len(by_order))
    assert segment.is_whole(data)
    assert segment.first_ended_at <= min(ended_at for ended_at, _ in by_order)
    reader = SegmentReader(segment, data)
    assert reader.rows == len(by_order)
    found = [row for g in range(reader.row_groups) for row in from_table(reader.read(g))]
    assert [(row.payload.ended_at, row.payload.id) for row in found] == sorted(by_order)
    assert set(map(repr, found)) <= set(map(repr, rows))


def test_a_usual_experience_has_its_own_columns() -> None:
    experience = complete_sample()
    row = Row(experience_key(experience), decode(encode(experience)))
    (values,) = to_table([row]).to_pylist()
    assert values["key"] is None
    assert values["id"].hex() == experience.id
    assert values["ended_at"] == experience.ended_at
    assert values["started_at"] == experience.started_at
    assert values["tenant"] == "team-a"
    assert values["outcome"] == "oom_gpu"
    assert values["configuration.method"] == "lora"
    assert values["configuration.parameters.lora_r"] == "8"
    assert values["configuration.parameters.init_lora_weights"] == "null"
    assert values["seconds.train"] == 12.25
    assert values["scores.macro_f1"] == 0.51
    assert values["predicted.joules_high"] == 3001.0
    assert values["predicted.failure_probability"] == 0.25
    assert values["peak_gpu_bytes"] == 25_000_000_000
    assert values["plan.allowed_gpu_bytes"] == 25_000_000_000
    assert values["plan.estimated_seconds"] == 14.5
    assert values["energy"].startswith('[{"component":"gpu"')
    assert '"seed"' not in values["rest"]


def test_a_great_many_names_stay_exact_and_few_columns() -> None:
    configuration = sample().configuration
    rows = []
    for part in range(4):
        parameters = {f"parameter_{part}_{i}": i for i in range(200)}
        changed = configuration.model_copy(update={"parameters": parameters})
        experience = sample("wide", part, configuration=changed)
        rows.append(Row(experience_key(experience), decode(encode(experience))))
    table = to_table(rows)
    assert list(from_table(table)) == rows
    assert table.num_columns < 600


@settings(deadline=None)
@given(
    st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 30)),
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=30),
)
def test_the_key_is_derived_from_the_content(ended_at: datetime, search: str) -> None:
    experience = sample(search, 3, ended_at=ended_at.replace(tzinfo=UTC))
    payload = decode(encode(experience))
    assert derived_key(experience.model_dump(mode="json")) == experience_key(experience)
    (values,) = to_table([Row(experience_key(experience), payload)]).to_pylist()
    assert values["key"] is None


@settings(deadline=None)
@given(st.integers(0, 10**6))
def test_a_row_that_was_altered_is_found(chance: int) -> None:
    rows = [_row(sample("s", i)) for i in range(3)]
    table = to_table(rows)
    name = sorted(set(table.column_names) - {"key"})[chance % (table.num_columns - 1)]
    column = table[name].to_pylist()
    if column[0] is None or name == "started_at":
        return
    changed = [_altered(column[0]), *column[1:]]
    kind = table.schema.field(name).type
    plain = kind.value_type if pa.types.is_dictionary(kind) else kind
    array = pa.array(changed, plain)
    index = table.schema.get_field_index(name)
    table = table.set_column(index, name, array.dictionary_encode() if kind != plain else array)
    if name == "ended_at":
        # The text of the time is made of it.
        assert changed[0] != column[0]
    with pytest.raises(CorruptObjectError):
        list(from_table(table))


def _row(experience: Experience) -> Row:
    return Row(experience_key(experience), decode(encode(experience)))


def _altered(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return value + 1
    if isinstance(value, datetime):
        return value.replace(year=value.year + 1)
    if isinstance(value, bytes):
        return bytes(16 if len(value) == 16 else 32)
    return value[:-1] + ("0" if value[-1:] != "0" else "1")
