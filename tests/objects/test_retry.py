"""Waiting for faults that pass."""

from __future__ import annotations

import threading
import time

import pytest

from xautolm_core.objects.retry import LONGEST_WAIT_SECONDS
from xautolm_core.objects.retry import Patience
from xautolm_core.objects.retry import _wait_seconds
from xautolm_core.objects.retry import call_patiently


class Failing:
    """Fails a number of times, then returns how often it was called."""

    def __init__(self, times: int) -> None:
        self.left = times
        self.calls = 0

    def __call__(self) -> int:
        self.calls += 1
        if self.left > 0:
            self.left -= 1
            raise OSError("passes")
        return self.calls


def test_it_is_repeated_until_it_succeeds() -> None:
    told: list[int] = []
    result = call_patiently(
        Failing(3),
        is_transient=lambda error: isinstance(error, OSError),
        patience=Patience(10),
        before_wait=lambda error, attempts: told.append(attempts),
    )
    assert result == 4
    assert told == [1, 2, 3]


def test_other_faults_are_raised_at_once() -> None:
    failing = Failing(1)
    with pytest.raises(OSError, match="passes"):
        call_patiently(failing, is_transient=lambda error: False, patience=Patience(10))
    assert failing.calls == 1


def test_the_last_attempt_is_at_the_limit() -> None:
    failing = Failing(10**6)
    start = time.monotonic()
    with pytest.raises(OSError, match="passes"):
        call_patiently(failing, is_transient=lambda error: True, patience=Patience(0.5))
    assert 0.5 <= time.monotonic() - start < 2
    assert 3 <= failing.calls <= 8


def test_spent_patience_is_not_waited_for_again_until_something_succeeds() -> None:
    patience = Patience(0.2)
    for expected in (range(2, 6), range(1, 2)):
        failing = Failing(10**6)
        with pytest.raises(OSError, match="passes"):
            call_patiently(failing, is_transient=lambda error: True, patience=patience)
        assert failing.calls in expected
    assert call_patiently(Failing(0), is_transient=lambda error: True, patience=patience) == 1
    assert call_patiently(Failing(1), is_transient=lambda error: True, patience=patience) == 2


def test_waiting_can_be_stopped() -> None:
    patience = Patience(60)
    threading.Timer(0.3, patience.stop.set).start()
    start = time.monotonic()
    with pytest.raises(OSError, match="passes"):
        call_patiently(Failing(10**6), is_transient=lambda error: True, patience=patience)
    assert time.monotonic() - start < 5


def test_waits_grow_and_differ() -> None:
    for attempts in (1, 2, 3, 10, 10_000):
        waits = {_wait_seconds(attempts) for _ in range(50)}
        longest = min(LONGEST_WAIT_SECONDS, 0.1 * 2.0 ** min(attempts - 1, 100))
        assert len(waits) > 10
        assert longest / 2 <= min(waits) <= max(waits) <= longest
