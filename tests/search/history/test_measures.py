"""Numbers of a history that are made from several of an experience."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from tests.experience.samples import sample
from xautolm_core.records.attempt import TrialResult
from xautolm_core.records.energy import EnergyReading
from xautolm_core.records.outcome import Outcome
from xautolm_core.search.history import History

amounts = st.none() | st.floats(0.0, 1e6)


def readings_of(*qualities: str, joules: float = 50.0) -> tuple[EnergyReading, ...]:
    return tuple(
        EnergyReading.model_validate(
            {"component": component, "joules": joules, "source": "counter", "quality": quality}
        )
        for component, quality in zip(("gpu", "cpu", "dram"), qualities, strict=False)
    )


@settings(deadline=None)
@given(
    st.lists(st.floats(0.0, 1e6), max_size=3),
    st.dictionaries(st.sampled_from(["train", "evaluate", "save"]), st.floats(0.0, 1e6)),
    st.floats(0.0, 1e6),
    amounts,
    st.none() | st.tuples(st.floats(0.0, 1e6), amounts),
)
def test_joules_compare_as_those_of_results(joules, seconds, reused, reused_joules, chain):
    """A history has the joules that a search's objective has."""
    common = {
        "seconds": seconds,
        "reused_seconds": reused,
        "reused_joules": reused_joules,
        "continues": None if chain is None else 1,
        "cumulative_seconds": None if chain is None else chain[0],
        "cumulative_joules": None if chain is None or not joules else chain[1],
    }
    parts = [
        {"component": component, "joules": one, "source": "counter", "quality": "A"}
        for component, one in zip(("gpu", "cpu", "dram"), joules, strict=False)
    ]
    result = TrialResult(
        search_id="s",
        trial_number=2,
        outcome=Outcome.OK,
        energy=tuple(map(EnergyReading.model_validate, parts)),
        **common,
    )
    experience = sample(energy=tuple(map(EnergyReading.model_validate, parts)), **common)
    (found,) = History.of([experience]).energy_joules
    expected = result.comparable_joules
    assert math.isnan(found) if expected is None else found == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("qualities", "joules"),
    [("AA", 100.0), ("BB", 100.0), ("AB", None), ("CC", None), ("AC", None), ("", None)],
)
def test_only_joules_of_one_measured_quality_compare(qualities, joules):
    (found,) = History.of([sample(energy=readings_of(*qualities))]).energy_joules
    assert math.isnan(found) if joules is None else found == joules
