"""Searches of the same data beside each other: what was measured, and how far it compares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from xautolm_core.report.green.searches import GreenSearch


@dataclass(frozen=True)
class Comparison:
    """Two searches of the same data.

    Attributes:
        earlier: Search id of the one that ended first.
        later: Search id of the other.
        joules_difference: Of the later one minus the earlier one; None if one has no reading.
        f1_difference: Likewise of the winners' macro-F1 on validation; None if one has no winner.
        is_clear: Whether the energy differs by more than both intervals together allow.
        obstacles: Why the two do not quite compare; empty if nothing stands against it.
    """

    earlier: str
    later: str
    joules_difference: float | None
    f1_difference: float | None
    is_clear: bool
    obstacles: tuple[str, ...]


def comparisons_of(searches: Sequence[GreenSearch], *, at_most: int = 20) -> list[Comparison]:
    """Return each search beside the one of the same data before it, the latest first.

    Args:
        searches: In any order.
        at_most: No more than so many.
    """
    by_data: dict[tuple[str, str], list[GreenSearch]] = {}
    for search in sorted(searches, key=lambda s: s.ended_at):
        by_data.setdefault((search.tenant, search.task_fingerprint), []).append(search)
    pairs = [(one, other) for group in by_data.values() for one, other in pairwise(group)]
    pairs.sort(key=lambda pair: pair[1].ended_at, reverse=True)
    return [_compare(one, other) for one, other in pairs[:at_most]]


def _compare(earlier: GreenSearch, later: GreenSearch) -> Comparison:
    one, other = earlier.energy, later.energy
    is_clear = False
    joules = None
    if one is not None and other is not None:
        joules = other.joules - one.joules
        is_clear = one.high_joules < other.low_joules or other.high_joules < one.low_joules
    f1 = None
    if earlier.winner is not None and later.winner is not None:
        f1 = (later.winner.macro_f1 or 0.0) - (earlier.winner.macro_f1 or 0.0)
    return Comparison(
        earlier.search_id, later.search_id, joules, f1, is_clear, tuple(_obstacles(earlier, later))
    )


def _obstacles(one: GreenSearch, other: GreenSearch) -> list[str]:
    found = []
    if one.hardware != other.hardware:
        found.append("different hardware")
    if _sources(one) != _sources(other):
        found.append("metered by different sources")
    if one.unmetered or other.unmetered:
        found.append("some attempts have no reading")
    if one.trials != other.trials:
        found.append(f"{one.trials} and {other.trials} trials")
    return found


def _sources(search: GreenSearch) -> frozenset[str]:
    return frozenset(r.source for attempt in search.attempts for r in attempt.energy)
