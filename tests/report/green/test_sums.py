from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.report.green.samples import searches
from xautolm_core.records.energy import EnergyReading
from xautolm_core.report.green.attempts import attempts_of
from xautolm_core.report.green.sums import attempts_by
from xautolm_core.report.green.sums import energy_of
from xautolm_core.report.green.sums import energy_sum
from xautolm_core.report.green.sums import readings_by
from xautolm_core.report.green.sums import wasted

_READINGS = st.lists(
    st.builds(
        EnergyReading,
        component=st.sampled_from(["gpu", "cpu", "dram", "other"]),
        joules=st.floats(0.001, 1e9),
        source=st.sampled_from(["nvml", "rapl"]),
        flags=st.just(()),
        quality=st.sampled_from(["A", "B", "C"]),
    ),
    min_size=1,
)


@given(_READINGS)
def test_an_uncertainty_lies_between_the_best_and_the_worst(readings: list[EnergyReading]) -> None:
    found = energy_sum(readings)
    assert found is not None
    parts = [one.uncertainty for one in readings]
    assert min(parts) - 1e-9 <= found.uncertainty <= max(parts) + 1e-9
    assert found.low_joules <= found.joules <= found.high_joules
    assert found.worst_quality == max(one.quality for one in readings)


def test_nothing_read_is_no_sum() -> None:
    assert energy_sum([]) is None


def test_sums_by_hand() -> None:
    attempts = attempts_of(searches())
    whole = energy_of(attempts)
    assert whole is not None
    assert whole.joules == 550.0
    # 450 J of class A, 90 J of B, 10 J of C.
    assert whole.uncertainty == pytest.approx((450 * 0.05 + 90 * 0.15 + 10 * 0.40) / 550)
    lost = energy_of(wasted(attempts))
    assert lost is not None
    assert lost.joules == 50.0
    by_outcome = attempts_by(attempts, lambda a: a.outcome.value)
    assert list(by_outcome) == ["ok", "timeout"]
    assert by_outcome["ok"].attempts == 5
    assert by_outcome["ok"].unmetered == 1
    assert by_outcome["timeout"].share == pytest.approx(50 / 550)
    assert list(readings_by(attempts, lambda r: r.quality)) == ["A", "B", "C"]


@pytest.mark.parametrize("part", ["outcome", "model", "search_id", "hardware"])
def test_parts_add_up_to_the_whole(part: str) -> None:
    attempts = attempts_of(searches())
    groups = attempts_by(attempts, lambda a: str(getattr(a, part)))
    assert sum(g.energy.joules for g in groups.values() if g.energy) == 550.0
    assert sum(g.attempts for g in groups.values()) == len(attempts)
    assert sum(g.share or 0.0 for g in groups.values()) == pytest.approx(1.0)
