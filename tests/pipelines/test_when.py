from __future__ import annotations

import pytest

from xautolm_core.errors import ConfigError
from xautolm_pipelines.when import When
from xautolm_pipelines.when import parse_cron
from xautolm_pipelines.when import parse_when


@pytest.mark.parametrize(
    ("text", "six"),
    [
        ("0 3 * * 0", "0 0 3 * * 0"),
        ("30 0 3 * * 0", "30 0 3 * * 0"),
        ("*/15 * * * *", "0 */15 * * * *"),
        ("0 9-17/2 1,15 Jan-Mar MON-FRI", "0 0 9-17/2 1,15 jan-mar mon-fri"),
        ("0 0 ? * sun", "0 0 0 ? * sun"),
        ("@weekly", "0 0 0 * * 0"),
    ],
)
def test_cron_has_six_fields_for_the_server(text: str, six: str) -> None:
    assert parse_cron(text) == six


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0 3 * *", "has 4 fields"),
        ("", "has 0 fields"),
        ("60 3 * * *", "not a minute from 0 to 59"),
        ("0 24 * * *", "not a hour"),
        ("0 0 0 * *", "not a day of the month from 1"),
        ("0 0 * 13 *", "not a month"),
        ("0 0 * * 7", "Sunday is 0"),
        ("0 0 * * fun", "not a day of the week"),
        ("0 0 L * *", "not a day of the month"),
        ("0 5-3 * * *", "the end is before the start"),
        ("*/0 * * * *", "steps by 0"),
        ("0 0 * * * *; reboot", "fields"),
        ("@reboot", "is unknown"),
    ],
)
def test_bad_cron(text: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_cron(text)
    assert words in str(caught.value)


def test_intervals() -> None:
    assert parse_when(None, "7d") == When(every_seconds=604_800)
    for bad in ("30s", "4000d"):
        with pytest.raises(ConfigError, match="--every"):
            parse_when(None, bad)


@pytest.mark.parametrize(("cron", "every"), [(None, None), ("0 3 * * 0", "7d")])
def test_exactly_one_is_given(cron: str | None, every: str | None) -> None:
    with pytest.raises(ConfigError, match="either --cron or --every"):
        parse_when(cron, every)
