"""How often a store that changes underneath is looked at again, and how long is waited between."""

from __future__ import annotations

import time
from collections.abc import Callable
from collections.abc import Iterator

from xautolm_core.errors import StoreError

ATTEMPTS = 30
"""How often a store is looked at before what is gone is reported, or before it is given up."""

FIRST_WAIT_SECONDS = 0.02
LONGEST_WAIT_SECONDS = 1.0


def looks(damage_known: Callable[[], int]) -> Iterator[bool]:
    """Yield, for each time that a store may be looked at, whether that is the last one.

    Each wait is twice as long as the one before. A look that found new damage does not count, and
    is not waited after: the next one goes without what is damaged.

    Args:
        damage_known: Returns how much damage is known by now.
    """
    known = damage_known()
    left = ATTEMPTS
    wait = FIRST_WAIT_SECONDS
    while left:
        yield left == 1
        found, known = known, damage_known()
        if found < known:
            continue
        left -= 1
        if left:
            time.sleep(wait)
            wait = min(2 * wait, LONGEST_WAIT_SECONDS)


def changes_too_fast() -> StoreError:
    """Return the error of a reader that never saw the store at rest."""
    return StoreError(
        "The store changes faster than it can be read",
        hint="Let fewer processes compact it at once, or raise XAUTOLM_STORE_GRACE_SECONDS",
    )
