from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xautolm_core.errors import ConfigError
from xautolm_core.request.quantities import parse_duration
from xautolm_core.request.quantities import parse_pairs
from xautolm_core.request.quantities import parse_size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("90s", 90),
        ("10m", 600),
        ("10min", 600),
        ("1h30m", 5400),
        ("1h 30m", 5400),
        ("1.5h", 5400),
        ("2d", 172_800),
        ("1H", 3600),
        ("0.5", 0.5),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text, "--budget") == seconds


@pytest.mark.parametrize(
    "text", ["", "0", "-5", "0s", "ten", "10 parsecs", "m", "10m!", "nan", "inf", "1h,30m"]
)
def test_what_is_no_duration_is_refused_by_the_options_name(text: str) -> None:
    with pytest.raises(ConfigError, match="--budget"):
        parse_duration(text, "--budget")


@given(st.integers(0, 99), st.integers(0, 59), st.integers(1, 59))
def test_parts_of_a_duration_add_up(hours: int, minutes: int, seconds: int) -> None:
    text = f"{hours}h{minutes}m{seconds}s"
    assert parse_duration(text, "--budget") == hours * 3600 + minutes * 60 + seconds


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("4GiB", 4 * 2**30),
        ("4Gi", 4 * 2**30),
        ("4gib", 4 * 2**30),
        ("500MB", 500 * 10**6),
        ("500M", 500 * 10**6),
        ("1.5 GiB", 3 * 2**29),
        ("2000000000", 2_000_000_000),
        ("64KiB", 65_536),
        ("1TB", 10**12),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text, "--trial-memory") == size


@pytest.mark.parametrize("text", ["", "0", "0GiB", "-1GiB", "lots", "4GiBs", "4 4"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="--trial-memory"):
        parse_size(text, "--trial-memory")


def test_pairs_are_json_where_they_read_as_such() -> None:
    pairs = ["k=5", "rate=0.5", "on=true", "name=cosine", "text=a=b", "none=null", "empty="]
    assert parse_pairs(pairs, "--sampler-option") == {
        "k": 5,
        "rate": 0.5,
        "on": True,
        "name": "cosine",
        "text": "a=b",
        "none": None,
        "empty": "",
    }


@pytest.mark.parametrize("pairs", [["k"], ["=5"], ["k=1", "k=2"]])
def test_what_is_no_pair_is_refused(pairs: list[str]) -> None:
    with pytest.raises(ConfigError, match="--sampler-option"):
        parse_pairs(pairs, "--sampler-option")
