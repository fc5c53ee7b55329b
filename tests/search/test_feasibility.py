from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from tests.search import spaces
from xautolm_core.errors import SpaceError
from xautolm_core.records.features import FeatureVector
from xautolm_core.search.feasibility import Feasibility
from xautolm_core.search.feasibility import TextStatistics
from xautolm_core.search.feasibility import text_statistics
from xautolm_core.tasks.spec import TaskType
from xautolm_core.tasks.task import Split
from xautolm_core.tasks.task import Task


def feasibility(*, host_bytes: int | None = None, rows: int = 1000, seconds: float | None = None):
    statistics = TextStatistics(rows=rows, mean_tokens=20, p99_tokens=60, classes=2)
    return Feasibility(spaces.space(), statistics, 1, host_bytes, None, seconds)


def test_too_little_memory_is_a_reason():
    assert feasibility(host_bytes=2**35)(spaces.configuration()) is None
    reason = feasibility(host_bytes=1_000_000)(spaces.configuration())
    assert reason is not None
    assert "memory" in reason


def test_large_data_make_nothing_infeasible():
    small = feasibility(rows=20_000, seconds=60.0)
    huge = feasibility(rows=20_000_000, seconds=60.0)
    assert huge(spaces.configuration()) == small(spaces.configuration())
    assert huge.estimate(spaces.configuration()).train_seconds > 100


def test_a_load_is_what_is_estimated_of_what_is_allowed():
    tried = spaces.configuration()
    checked = feasibility(host_bytes=2**30, seconds=60.0)
    needed = checked.estimate(tried)
    found = checked.load(tried)
    assert found.log_memory == pytest.approx(np.log(needed.host_bytes / 2**30))
    # A trial may shrink to a twentieth of its schedule.
    assert found.log_time == pytest.approx(np.log(needed.train_seconds / (20 * 60.0)))
    assert np.isnan(
        [feasibility().load(tried).log_memory, feasibility().load(tried).log_time]
    ).all()
    # The scarcer memory counts, and lengths that a tokenizer measured take the place of others.
    checked.gpu_bytes = 2**20
    values: dict[str, float | None] = {"tokens_mean": 33.0, "tokens_p99": 99.0}
    checked.learn_token_lengths(_vector(values, "org/small"))
    needed = checked.estimate(tried)
    assert checked.load(tried).log_memory == pytest.approx(np.log(needed.gpu_bytes / 2**20))


def test_a_screening_takes_as_long_on_large_data_as_on_small():
    one = spaces.configuration("linear_probe", method="linear_probe", screening_rows=1_000)
    small, huge = feasibility(rows=1_000), feasibility(rows=20_000_000)
    assert huge.estimate(one) == small.estimate(one)
    assert feasibility(rows=400).estimate(one).train_seconds < small.estimate(one).train_seconds


def test_nothing_feasible_is_an_error_that_says_why():
    feasibility(host_bytes=2**35).require_any(0)
    with pytest.raises(SpaceError, match="needs about"):
        feasibility(host_bytes=1_000_000).require_any(0)


def split(texts: list[str]) -> Split:
    column = pa.chunked_array([pa.array(texts, pa.large_string())])
    return Split(column, None, np.zeros(len(texts), dtype=np.int32))


def test_lengths_from_characters_and_from_a_tokenizer():
    splits = {name: split(["x" * 45] * 10) for name in ("train", "validation", "test")}
    task = Task("t", TaskType.TEXT_CLASSIFICATION, "f", ("a", "b"), splits)
    found = text_statistics(task)
    assert (found.rows, found.mean_tokens, found.p99_tokens) == (10, 12.0, 12.0)
    checked = feasibility()
    values: dict[str, float | None] = {"tokens_mean": 33.0, "tokens_p99": 99.0}
    words = _vector(values, "words")
    checked.learn_token_lengths(words)
    assert checked.statistics.mean_tokens == 20
    checked.learn_token_lengths(_vector(values, "org/small"))
    assert (checked.statistics.mean_tokens, checked.statistics.p99_tokens) == (33.0, 99.0)


def _vector(values: dict[str, float | None], tokenizer: str) -> FeatureVector:
    return FeatureVector(
        extractor="x", version="1.0", values=values, facts={"tokenizer": tokenizer}
    )
