"""Calibration from columns: the same as from the experiences, and right for right predictions."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from tests.experience.samples import sample
from xautolm_core.experience.calibration import RELIABILITY_BINS
from xautolm_core.experience.calibration import Calibration
from xautolm_core.experience.calibration import ObjectiveCalibration
from xautolm_core.experience.calibration import calibration_of
from xautolm_core.experience.calibration import failure_calibration
from xautolm_core.experience.codec import decode
from xautolm_core.experience.codec import encode
from xautolm_core.experience.columns import Row
from xautolm_core.experience.columns import to_table
from xautolm_core.experience.folder import FolderStore
from xautolm_core.records.energy import EnergyReading
from xautolm_core.records.experience import Experience
from xautolm_core.records.experience import ExperiencePrediction
from xautolm_core.records.outcome import Outcome
from xautolm_core.records.scores import Score

_FAILED = {outcome for outcome in Outcome if outcome.is_failure}
_amounts = st.floats(0.5, 100.0)
_maybe = st.none() | _amounts
_predictions = st.builds(
    ExperiencePrediction,
    **{
        f"{name}_{part}": _maybe
        for name in ("score", "seconds", "joules")
        for part in ("median", "low", "high")
    },
    failure_probability=st.none() | st.floats(0.0, 1.0),
)


@st.composite
def _experiences(draw: st.DrawFn) -> list[Experience]:
    made = []
    for trial in range(draw(st.integers(0, 8))):
        joules = draw(st.lists(_amounts, max_size=2))
        made.append(
            sample(
                trial=trial,
                predicted=draw(st.none() | _predictions),
                outcome=draw(st.sampled_from(list(Outcome))),
                cut_by=draw(st.sampled_from([None, None, "wall"])),
                scores=draw(st.sampled_from([{}, {"macro_f1": Score(value=draw(_amounts))}])),
                seconds=draw(st.dictionaries(st.sampled_from(["train", "evaluate"]), _amounts)),
                reused_seconds=draw(st.sampled_from([0.0, 2.5])),
                reused_joules=draw(_maybe),
                cumulative_seconds=draw(_maybe),
                cumulative_joules=draw(_maybe),
                continues=draw(st.none() | st.just(3)),
                energy=tuple(
                    EnergyReading(component="cpu", joules=one, source="rapl", quality="A")
                    for one in joules
                ),
            )
        )
    return made


def _seconds_of(experience: Experience) -> float | None:
    return None if experience.cut_by else experience.comparable_seconds


def _joules_of(experience: Experience) -> float | None:
    return None if experience.cut_by else experience.comparable_joules


def _one_by_one(experiences: Sequence[Experience], name: str) -> ObjectiveCalibration | None:
    hits: list[bool] = []
    errors: list[float] = []
    for one in experiences:
        score = one.scores.get("macro_f1")
        actual = {
            "score": None if score is None else score.value,
            "seconds": _seconds_of(one),
            "joules": _joules_of(one),
        }[name]
        if one.outcome is not Outcome.OK or one.predicted is None or actual is None:
            continue
        told = [getattr(one.predicted, f"{name}_{part}") for part in ("median", "low", "high")]
        if None in told:
            continue
        median, low, high = told
        hits.append(low <= actual <= high)
        is_score = name == "score"
        errors.append(
            abs(actual - median) if is_score else math.exp(abs(math.log(actual / median)))
        )
    if not hits:
        return None
    return ObjectiveCalibration(len(hits), sum(hits) / len(hits), statistics.median(errors))


def _of(experiences: Sequence[Experience]) -> Calibration:
    return calibration_of(to_table(Row("k", decode(encode(one))) for one in experiences))


@settings(max_examples=150, deadline=None)
@given(_experiences())
def test_columns_say_what_the_experiences_say(experiences: list[Experience]) -> None:
    found = _of(experiences)
    for name in ("score", "seconds", "joules"):
        expected, one = _one_by_one(experiences, name), found.objectives.get(name)
        assert (one is None) == (expected is None), name
        if one is not None and expected is not None:
            assert one.trials == expected.trials
            assert one.inside_share == pytest.approx(expected.inside_share)
            assert one.median_error == pytest.approx(expected.median_error)
    told = [
        (one.predicted.failure_probability, one.outcome in _FAILED)
        for one in experiences
        if one.predicted is not None
        and one.predicted.failure_probability is not None
        and one.outcome in {Outcome.OK, *_FAILED}
    ]
    failures = found.failures
    assert (failures is None) == (not told)
    if failures is not None:
        assert failures.trials == len(told) == sum(one.trials for one in failures.bins)
        brier_score = statistics.fmean((p - failed) ** 2 for p, failed in told)
        assert failures.brier_score == pytest.approx(brier_score)


def test_right_predictions_lie_on_the_diagonal() -> None:
    generator = np.random.default_rng(0)
    probabilities = generator.random(20_000)
    failed = generator.random(20_000) < probabilities
    found = failure_calibration(probabilities, ~failed, failed)
    assert found is not None
    assert len(found.bins) == RELIABILITY_BINS
    for one in found.bins:
        assert one.trials > 3_000
        assert one.predicted is not None and one.observed is not None
        assert one.low <= one.predicted <= one.high
        assert one.observed == pytest.approx(one.predicted, abs=0.03)
    assert found.brier_score == pytest.approx(1 / 6, abs=0.01)


def test_a_store_tells_it_wherever_its_experiences_lie(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    told = ExperiencePrediction(
        score_median=0.8, score_low=0.79, score_high=0.805, failure_probability=0.1
    )
    for trial in range(10):
        store.append(sample(trial=trial, predicted=told if trial < 8 else None))
    store.append(sample("old"))
    expected = store.stats().predictions
    assert expected.objectives["score"].trials == 8
    assert expected.objectives["score"].inside_share == 6 / 8
    assert expected.objectives["score"].median_error == pytest.approx(0.0035)
    assert expected.failures is not None
    assert expected.failures.brier_score == pytest.approx(0.01)
    store.compact(grace=timedelta(0))
    assert store.stats().predictions == expected
    store.append(sample("new", predicted=told, task_fingerprint="e" * 64, outcome=Outcome.TIMEOUT))
    failures = store.stats().predictions.failures
    assert failures is not None
    assert (failures.trials, failures.bins[0].observed) == (9, pytest.approx(1 / 9))
    store.forget(task_fingerprint="e" * 64)
    assert store.stats().predictions == expected
