from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from tests.experience.samples import complete_sample
from tests.experience.samples import sample
from tests.search.history.rows_of import rows_of
from tests.search.history.rows_of import rows_of_experiences
from tests.search.test_replay import made_up
from xautolm_core.experience.codec import canonical
from xautolm_core.experience.codec import check_payload
from xautolm_core.experience.codec import digest_of
from xautolm_core.experience.codec import experience_of
from xautolm_core.experience.columns import Row
from xautolm_core.experience.columns import to_table
from xautolm_core.records.experience import ExperiencePlan
from xautolm_core.records.features import FeatureVector
from xautolm_core.records.outcome import Outcome
from xautolm_core.records.scores import Score
from xautolm_core.search.history import History
from xautolm_core.search.history.layout import UNREADABLE
from xautolm_core.search.history.layout import to_history_table
from xautolm_core.search.history.relevance import DropReason
from xautolm_core.search.history.relevance import Relevance
from xautolm_core.search.history.table import first_of_each_id
from xautolm_core.search.history.table import with_trust

finite = st.floats(allow_nan=False, allow_infinity=False)
values = st.one_of(st.none(), st.booleans(), st.integers(-(2**70), 2**70), finite, st.text())
names = st.one_of(st.sampled_from(["epochs", "learning_rate", "a.b", ""]), st.text(max_size=8))
sizes = st.none() | st.integers(0, 2**40) | st.just(2**70)
amounts = st.none() | st.just(0.0) | st.floats(1e-3, 1e9)
plans = st.none() | st.builds(
    ExperiencePlan,
    estimated_seconds=amounts,
    estimated_host_bytes=sizes,
    estimated_gpu_bytes=sizes,
    allowed_seconds=amounts,
    allowed_host_bytes=sizes,
    allowed_gpu_bytes=sizes,
)
experiences = st.builds(
    lambda trial, parameters, features, scores, seconds, latency, outcome, more: sample(
        trial=trial,
        configuration=sample().configuration.model_copy(update={"parameters": parameters}),
        task_features=FeatureVector(extractor="e", version="1.0", values=features),
        scores={name: Score(value=value) for name, value in scores.items()},
        seconds=seconds,
        latency_ms=latency,
        outcome=outcome,
        **more,
    ),
    st.integers(0, 9),
    st.dictionaries(names, values, max_size=4),
    st.dictionaries(names, st.none() | finite, max_size=4),
    st.dictionaries(names | st.just("macro_f1"), finite, max_size=3),
    st.dictionaries(st.sampled_from(["train", "evaluate", "load"]), finite),
    st.none() | finite,
    st.sampled_from(list(Outcome)),
    st.fixed_dictionaries(
        {},
        optional={
            "plan": plans,
            "peak_host_bytes": sizes,
            "peak_gpu_bytes": sizes,
            "schedule_fraction": st.floats(0.1, 1.0),
            "cut_by": st.sampled_from([None, "deadline", "wall"]),
            "continues": st.none() | st.just(3),
        },
    ),
)


# The first example pays for the imports.
@settings(deadline=None)
@given(st.lists(experiences, max_size=6, unique_by=lambda e: e.id))
def test_a_history_says_what_the_experiences_say(past):
    assert rows_of(History.of(past)) == rows_of_experiences(past)


def test_a_complete_experience_and_many_made_up_ones():
    past = [complete_sample(), *made_up(60, seed=0)]
    assert rows_of(History.of(past)) == rows_of_experiences(past)
    assert len(History.empty()) == 0
    assert rows_of(History.empty()) == []


def row_of(**changes: Any) -> Row:
    """Return a row whose payload was changed, as another writer may have written it."""
    content = {**json.loads(canonical(complete_sample().model_dump(mode="json"))), **changes}
    text = canonical({name: value for name, value in content.items() if value is not ...})
    return Row("", check_payload(text, digest_of(text)))


@pytest.mark.parametrize(
    "changes",
    [
        {"seconds": {"train": 3, "evaluate": 0.5}},
        {"seconds": {"train": 3}},
        {"scores": {"macro_f1": {"value": 1}}},
        {"latency_ms": 7},
        {"tenant": ...},
        {"from_the_future": {"parameters": {"a": 1}}},
        {"model_descriptor": None},
        {
            "configuration": {
                "branch": "b",
                "model": "m",
                "method": "full",
                "parameters": {"a b/c": 0.1, "": None, "x" * 80: [1], "plain": True},
            }
        },
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_what_fits_no_column_is_put_back_in_its_place(changes):
    row = row_of(**changes)
    table = to_history_table(to_table([row]))
    assert table.schema.metadata[UNREADABLE] == b"0"
    found = rows_of(History.of_tables([with_trust(table, 1.0)]))
    if "configuration" in changes:
        # A list is no value of a hyper-parameter: whatever it is compared with, it differs.
        assert found[0]["parameters"] == {
            "a b/c": (float, 0.1),
            "": (type(None), None),
            "x" * 80: (list, [1]),
            "plain": (bool, True),
        }
    else:
        assert found == rows_of_experiences([experience_of(row.payload)])
    assert table.column("tenant").to_pylist() == [experience_of_tenant(changes)]


def experience_of_tenant(changes: dict[str, Any]) -> str:
    return "default" if changes.get("tenant") is ... else complete_sample().tenant


@pytest.mark.parametrize(
    "changes",
    [
        {"outcome": "abducted"},
        {"outcome": 3},
        {"task_type": ...},
        {"search_id": None},
        {"task_features": []},
        {"configuration": {"branch": "b", "model": 1, "method": "full", "parameters": {}}},
    ],
    ids=str,
)
def test_rows_that_do_not_fit_the_schema_are_left_out_and_counted(changes):
    table = to_history_table(to_table([row_of(**changes, id="0" * 32), row_of()]))
    readable = 2 if changes == {"task_features": []} else 1
    assert len(table) == readable
    assert int(table.schema.metadata[UNREADABLE]) == 2 - readable
    # Features that are no object are there, but of no extractor: nothing can use them.
    history = History.of_tables([with_trust(table, 1.0)])
    features = experience_of(row_of().payload).task_features
    wanted = Relevance(
        "text-classification", (features.extractor, features.version), ("system", "1.0")
    )
    assert len(history.relevant(wanted)) == 1


def test_rows_are_ordered_by_end_time_and_id():
    first = sample(trial=0)
    same_time = [sample(trial=n, ended_at=first.ended_at) for n in (1, 2, 3)]
    past = [sample(trial=9), *same_time, first]
    assert [row["id"] for row in rows_of(History.of(past))] == [
        e.id for e in sorted(past, key=lambda e: (e.ended_at, e.id))
    ]


def test_the_same_experience_counts_once_the_earliest_first():
    late = sample(trial=1, ended_at=sample(trial=1).ended_at + timedelta(days=1))
    history = History.of([late, sample(trial=1), sample(trial=2)])
    assert rows_of(history) == rows_of_experiences([sample(trial=1), sample(trial=2)])


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 3), st.integers(0, 2), st.integers(0, 4), st.sampled_from([0.5, 1])
        ),
        max_size=30,
    )
)
def test_of_equal_ids_the_most_trusted_and_then_the_earliest_stays(rows):
    # The first two numbers are the upper and the lower half of an id.
    ids = np.asarray([[a] * 8 + [b] * 8 for a, b, _, _ in rows], dtype=np.uint8).reshape(-1, 16)
    ended_at = np.asarray([t for _, _, t, _ in rows], dtype=np.int64)
    trust = np.asarray([w for _, _, _, w in rows], dtype=float)
    kept = first_of_each_id(ids, ended_at, trust)
    best: dict[tuple[int, int], int] = {}
    for i, (a, b, time, weight) in enumerate(rows):
        other = best.get((a, b))
        if other is None or (-weight, time) < (-rows[other][3], rows[other][2]):
            best[a, b] = i
    if kept is None:
        assert len(best) == len(rows)
    else:
        assert np.flatnonzero(kept).tolist() == sorted(best.values())


def test_numbers_that_are_not_finite_are_left_out():
    past = sample(
        scores={"macro_f1": Score(value=float("nan"))},
        seconds={"train": float("inf"), "evaluate": 2.0},
        latency_ms=float("nan"),
    )
    (row,) = rows_of(History.of([past]))
    assert (row["scores"], row["time"], row["latency"]) == ({}, 2.0, None)


def test_relevance_counts_under_the_first_reason_that_applies():
    vector = FeatureVector(extractor="text-classification", version="2.0", values={})
    infra = {"outcome": Outcome.INFRA}
    past = [
        sample(trial=0),
        sample(trial=1, task_type="generation", **infra),
        sample(trial=2, task_features=vector, **infra),
        sample(trial=3, **infra),
    ]
    wanted = Relevance("text-classification", ("text-classification", "1.9"), ("system", "1.0"))
    found = History.of(past).counting({DropReason.TASK_TYPE: 5}).relevant(wanted)
    assert rows_of(found) == rows_of_experiences(past[:1])
    assert found.left_out == {
        DropReason.TASK_TYPE: 6,
        DropReason.EXTRACTOR: 1,
        DropReason.OUTCOME: 1,
    }
    assert found.relevant(wanted).left_out == found.left_out


def test_taking_rows_takes_everything_of_them():
    past = made_up(40, seed=2)
    history = History.of(past)
    chosen = np.asarray([3, 17, 29])
    assert rows_of(history.take(chosen)) == [rows_of(history)[i] for i in chosen]
