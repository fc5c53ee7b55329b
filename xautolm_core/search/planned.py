"""Trials that the search itself decides on, beside those that its sampler draws."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xautolm_core.records.methods import is_cheap

if TYPE_CHECKING:
    from xautolm_core.records.configuration import Configuration
    from xautolm_core.space.space import SearchSpace


@dataclass(frozen=True)
class PlannedTrial:
    """A configuration that is enqueued.

    Attributes:
        configuration: What is tried.
        why: Where it comes from, in words.
        soft_deadline_seconds: What its training and evaluation may take; None for what the budget
            policy gives.
        continues: Number of the trial whose checkpoint it goes on from; None to begin anew.
    """

    configuration: Configuration
    why: str
    soft_deadline_seconds: float | None = None
    continues: int | None = None


def next_cheap(space: SearchSpace, tried: Iterable[Configuration]) -> PlannedTrial | None:
    """Return the next cheap candidate of a space that was not tried yet, or None.

    They come before all else, in the space's order, so that whatever becomes of the rest, the
    answer in hand is never below the obvious one.

    Args:
        space: The search space.
        tried: Configurations of all trials so far, running ones included.
    """
    done = {configuration for configuration in tried if is_cheap(configuration.method)}
    for candidate in space.cheap:
        if candidate not in done:
            return PlannedTrial(candidate, "cheap candidate, before any language model")
    return None
