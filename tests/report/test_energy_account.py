from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.report.samples import record
from xautolm_core.records.energy import EnergyReading
from xautolm_core.records.outcome import Outcome
from xautolm_core.report.energy_account import account_energy
from xautolm_core.search.contract import TrialRecord

READING = st.builds(
    EnergyReading,
    component=st.sampled_from(["gpu", "cpu", "dram", "other"]),
    joules=st.floats(0.001, 1e8),
    source=st.just("x"),
    quality=st.sampled_from(["A", "B", "C"]),
)
TRIAL = st.tuples(st.sampled_from(Outcome), st.lists(READING, max_size=3))


def _record(number: int, outcome: Outcome, energy: list[EnergyReading]) -> TrialRecord:
    one = record(number, outcome=outcome, train_seconds=3.0)
    return replace(one, result=one.result.model_copy(update={"energy": tuple(energy)}))


@given(st.lists(TRIAL, max_size=8))
def test_every_joule_is_counted_once(trials) -> None:
    account = account_energy([_record(n, *trial) for n, trial in enumerate(trials)])
    joules = [one.joules for _, energy in trials for one in energy]
    if not joules:
        assert (account.joules, account.wasted_joules) == (None, None)
        return
    assert account.joules == pytest.approx(sum(joules))
    assert sum(account.by_component.values()) == pytest.approx(account.joules)
    assert sum(account.by_quality.values()) == pytest.approx(account.joules)
    lost = [o.joules for outcome, energy in trials if outcome is not Outcome.OK for o in energy]
    assert account.wasted_joules == pytest.approx(sum(lost))
    assert account.unmetered_trials == sum(not energy for _, energy in trials)
