from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xautolm_core.records.energy import ATTRIBUTED
from xautolm_core.records.energy import UNCERTAINTY
from xautolm_core.records.energy import make_reading
from xautolm_core.records.energy import total

QUALITY = st.sampled_from(["A", "B", "C"])


@given(
    st.lists(st.tuples(st.floats(0.001, 1e9), QUALITY, st.floats(0.1, 1e5)), min_size=1, max_size=9)
)
def test_a_sum_is_as_uncertain_as_its_parts(parts) -> None:
    readings = [
        make_reading("cpu", joules, source="x", quality=quality, seconds=seconds)
        for joules, quality, seconds in parts
    ]
    joules, uncertainty = total(readings)
    assert joules == pytest.approx(sum(part[0] for part in parts))
    each = [reading.uncertainty for reading in readings]
    assert min(each) - 1e-9 <= uncertainty <= max(each) + 1e-9


def test_nothing_read_has_no_sum() -> None:
    assert total([]) is None


@pytest.mark.parametrize("joules", [0.0, -1.0, math.nan, math.inf])
def test_what_was_not_read_is_no_reading(joules: float) -> None:
    assert make_reading("cpu", joules, source="x", quality="A", seconds=1.0) is None


@given(QUALITY, st.floats(0.01, 1e4), st.floats(0, 100))
def test_a_share_is_less_certain_and_so_is_a_short_window(quality, seconds, resolution) -> None:
    plain = make_reading("gpu", 1.0, source="x", quality=quality, seconds=seconds)
    shared = make_reading(
        "gpu",
        1.0,
        source="x",
        quality=quality,
        seconds=seconds,
        resolution_seconds=resolution,
        flags=[ATTRIBUTED],
    )
    assert plain.uncertainty == UNCERTAINTY[quality] <= shared.uncertainty <= 1
    assert plain.quality <= shared.quality
    assert ("short_window" in shared.flags) == (seconds < 20 * resolution)
