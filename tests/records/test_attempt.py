"""How long an attempt took, and what of it compares with others."""

from __future__ import annotations

from datetime import UTC
from datetime import datetime
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xautolm_core.records.attempt import AttemptRecord
from xautolm_core.records.attempt import TrialResult
from xautolm_core.records.energy import EnergyReading
from xautolm_core.records.experience import Experience
from xautolm_core.records.outcome import Outcome

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
seconds = st.floats(0, 1e5)


def result(**changes: object) -> TrialResult:
    values = {"search_id": "s", "trial_number": 0, "outcome": Outcome.OK, **changes}
    return TrialResult.model_validate(values)


@given(queued=seconds, held=st.floats(0.001, 1e5), phases=st.lists(seconds, max_size=3))
def test_a_machine_is_held_from_start_to_end_and_waited_for_from_the_launch(queued, held, phases):
    named = {str(place): length for place, length in enumerate(phases)}
    began = MOMENT + timedelta(seconds=queued)
    ended = began + timedelta(seconds=held)
    found = result(launched_at=MOMENT, started_at=began, ended_at=ended, seconds=named)
    assert found.held_seconds == pytest.approx(held, abs=1e-5)
    assert found.wall_seconds == pytest.approx(queued + held, abs=1e-5)
    # Without a clock, or with one that went back, its phases tell.
    for changes in ({"ended_at": None}, {"ended_at": MOMENT - timedelta(days=1)}):
        odd = found.model_copy(update=changes)
        assert odd.held_seconds == odd.wall_seconds == pytest.approx(sum(phases))


@given(train=st.none() | seconds, evaluate=st.none() | seconds, reused=seconds)
def test_equal_configurations_compare_whatever_was_reused(train, evaluate, reused):
    phases = {"train": train, "evaluate": evaluate, "save": 7.0}
    known = {name: length for name, length in phases.items() if length is not None}
    found = result(seconds=known, reused_seconds=reused)
    if train is None and evaluate is None:
        assert found.time_seconds is None
    else:
        assert found.time_seconds == pytest.approx((train or 0) + (evaluate or 0) + reused)
    assert found.comparable_seconds == found.time_seconds
    chained = found.model_copy(update={"continues": 1, "cumulative_seconds": 55.5})
    assert chained.comparable_seconds == 55.5


def test_what_was_not_metered_is_not_0():
    assert result().energy_joules is None
    assert not result().is_unmetered
    assert result(seconds={"train": 1.0}).is_unmetered
    reading = EnergyReading(component="cpu", joules=30.0, source="rapl", quality="A")
    metered = result(seconds={"train": 2.0}, reused_seconds=1.0, energy=(reading,))
    assert not metered.is_unmetered
    # What was reused is taken to have drawn the power of the rest, unless it was metered.
    assert metered.comparable_joules == pytest.approx(45.0)
    known = metered.model_copy(update={"reused_joules": 5.0})
    assert known.comparable_joules == pytest.approx(35.0)


def test_an_experience_has_what_a_result_has():
    own = set(AttemptRecord.model_fields)
    assert own < set(Experience.model_fields)
    assert own < set(TrialResult.model_fields)
