"""Laws of the sums: whatever a counter and a clock do, nothing is made up."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xautolm_core.energy.accumulate import CounterSum
from xautolm_core.energy.accumulate import PowerIntegral

STEPS = st.lists(st.integers(0, 900), min_size=1, max_size=40)
BAD = st.sampled_from([None, math.nan, math.inf, -1.0])


@given(start=st.integers(0, 999), steps=STEPS)
def test_a_counter_that_wraps_loses_nothing(start: int, steps: list[int]) -> None:
    counter = CounterSum(maximum=1_000)
    value = start
    counter.add(0.0, value)
    for now, step in enumerate(steps, start=1):
        value = (value + step) % 1_000
        counter.add(float(now), value)
    assert counter.total == sum(steps)
    assert ("wrapped" in counter.flags) == (start + sum(steps) >= 1_000)


@given(steps=STEPS, faults=st.lists(st.tuples(st.integers(0, 39), BAD), max_size=10))
def test_values_that_cannot_be_change_nothing(
    steps: list[int], faults: list[tuple[int, float | None]]
) -> None:
    at = dict(faults)
    counter = CounterSum()
    value = 5
    counter.add(0.0, value)
    for index, step in enumerate(steps):
        if index in at:
            assert counter.add(index + 0.5, at[index]) == 0
        value += step
        counter.add(index + 1.0, value)
    assert counter.total == sum(steps)
    assert ("dropped" in counter.flags) == any(i < len(steps) for i in at)


@given(
    values=st.lists(st.floats(0, 1e9), max_size=40),
    times=st.lists(st.floats(-1e3, 1e3), min_size=40, max_size=40),
)
def test_a_total_never_falls(values: list[float], times: list[float]) -> None:
    counter, power = CounterSum(limit_per_second=1e6), PowerIntegral(1.0)
    for value, now in zip(values, times, strict=False):
        assert counter.add(now, value) >= 0
        assert power.add(now, value) >= 0


def test_one_odd_value_is_a_fault_two_are_a_restart() -> None:
    counter = CounterSum(limit_per_second=1_000)
    for now, value in enumerate([10_000, 10_500, 0, 11_500]):
        counter.add(float(now), value)
    assert counter.total == 1_500 and counter.flags == {"dropped"}
    for now, value in enumerate([100, 600, 700], start=4):
        counter.add(float(now), value)
    assert counter.total == 1_500 + 600 and "restarted" in counter.flags


def test_more_than_any_power_allows_is_dropped() -> None:
    counter = CounterSum(maximum=262_143e6, limit_per_second=2_000e6)
    for now, value in enumerate([1e9, 1.1e9, 0.0, 1.3e9]):  # 0 would be a wrap of 261 kJ in 1 s
        counter.add(float(now), value)
    assert counter.total == pytest.approx(0.3e9)


@given(
    watts=st.lists(st.floats(0, 1_000), min_size=2, max_size=50),
    period=st.floats(0.05, 5),
)
def test_integrated_power_lies_between_its_bounds(watts: list[float], period: float) -> None:
    power = PowerIntegral(period)
    for index, one in enumerate(watts):
        power.add(index * period, one)
    seconds = (len(watts) - 1) * period
    assert min(watts) * seconds - 1e-6 <= power.total <= max(watts) * seconds + 1e-6
    assert "gap" not in power.flags


def test_a_gap_is_interpolated_and_flagged() -> None:
    power = PowerIntegral(0.1)
    power.add(0.0, 100)
    power.add(60.0, 100)
    assert power.total == pytest.approx(6_000) and power.flags == {"gap"}
