"""Retry transient faults: exponential back-off with jitter, within a total limit."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field
from typing import TypeVar

FIRST_WAIT_SECONDS = 0.1
LONGEST_WAIT_SECONDS = 5.0
TRANSIENT_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})
"""HTTP statuses after which a request may succeed when it is repeated."""

T = TypeVar("T")


@dataclass
class Patience:
    """The limit on retries of transient faults.

    Concurrent calls may share one: once a fault has lasted longer than the limit, the others are
    not retried any longer, until a call succeeds. Otherwise ten thousand reads from a dead server
    would each wait for the limit.

    Attributes:
        limit_seconds: Time from the first attempt of a call to its last; 0 means a single attempt.
        stop: Set it to end all waiting.
    """

    limit_seconds: float
    stop: threading.Event = field(default_factory=threading.Event)
    spent: bool = False


def call_patiently(
    call: Callable[[], T],
    *,
    is_transient: Callable[[Exception], bool],
    patience: Patience,
    before_wait: Callable[[Exception, int], None] = lambda error, attempts: None,
) -> T:
    """Return the result of a call, repeating it while it fails with transient faults.

    Args:
        call: Must be safe to repeat, even if it took effect and only its answer was lost.
        is_transient: Whether the next attempt may succeed after an exception.
        patience: The limit. The last attempt begins when it is reached, and not after.
        before_wait: Called with the fault and the number of attempts so far.

    Raises:
        Exception: The exception of the last attempt.
    """
    start = time.monotonic()
    for attempts in itertools.count(1):
        try:
            result = call()
        except Exception as error:
            if not is_transient(error):
                raise
            left = patience.limit_seconds - (time.monotonic() - start)
            if patience.spent or left <= 0:
                patience.spent = True
                raise
            before_wait(error, attempts)
            if patience.stop.wait(min(left, _wait_seconds(attempts))):
                raise
        else:
            patience.spent = False
            return result
    raise AssertionError("unreachable")


def _wait_seconds(attempts: int) -> float:
    # Half of it is random: clients that failed together should not retry together.
    longest = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2.0 ** min(attempts - 1, 16))
    return random.uniform(longest / 2, longest)
