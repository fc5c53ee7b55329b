"""The nearest name, for messages about a wrong one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def did_you_mean(wrong: str, known: Iterable[str]) -> str:
    """Return ``Did you mean '...'?`` for the known name nearest to a wrong one, or nothing.

    A name is never meant by itself: what is wrong with it is then another thing.
    """
    by_lower_case = {name.lower(): name for name in known if name != wrong}
    near = difflib.get_close_matches(wrong.lower(), by_lower_case, n=1, cutoff=0.6)
    return f"Did you mean '{by_lower_case[near[0]]}'?" if near else ""
