"""Trials that the search itself plans, in addition to those that its sampler draws."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xautolm_core.records.methods import is_cheap

if TYPE_CHECKING:
    from xautolm_core.records.configuration import Configuration
    from xautolm_core.space.space import SearchSpace


@dataclass(frozen=True)
class PlannedTrial:
    """A trial that is enqueued.

    Attributes:
        configuration: Its configuration.
        why: Origin of the configuration, in words.
        soft_deadline_seconds: Limit of its training and evaluation; None for that of the budget
            policy.
        continues: Number of the trial whose checkpoint it continues; None to start from scratch.
    """

    configuration: Configuration
    why: str
    soft_deadline_seconds: float | None = None
    continues: int | None = None


def next_cheap(
    space: SearchSpace,
    tried: Iterable[Configuration],
    *,
    is_affordable: Callable[[Configuration], bool] = lambda _: True,
) -> PlannedTrial | None:
    """Return the next cheap candidate of a space that was not tried yet, or None.

    They come first, in the space's order, so that a result at least as good as the obvious
    baselines is available early.

    Args:
        space: The search space.
        tried: Configurations of all trials so far, running ones included.
        is_affordable: Whether there is time for a candidate; others are left out.
    """
    done = {configuration for configuration in tried if is_cheap(configuration.method)}
    for candidate in space.cheap:
        if candidate not in done and is_affordable(candidate):
            return PlannedTrial(candidate, "cheap candidate, before any language model")
    return None
