"""Adapt starts to the task: weight classes where they are unbalanced."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xautolm_core.records.configuration import Configuration
    from xautolm_core.space.space import SearchSpace

UNBALANCED_BELOW = 0.9
"""Relative entropy below which classes count as unbalanced."""

_WEIGHTED = "class_weighted_loss"


def relative_entropy(class_rows: Sequence[int]) -> float:
    """Return the entropy of class sizes as a share of its maximum, in [0, 1].

    Args:
        class_rows: Rows of each class; classes without rows count.
    """
    total = sum(class_rows)
    if len(class_rows) < 2 or not total:
        return 1.0
    shares = [rows / total for rows in class_rows if rows]
    return -sum(share * math.log(share) for share in shares) / math.log(len(class_rows))


def weigh_classes(space: SearchSpace, class_rows: Sequence[int]) -> SearchSpace:
    """Return a space whose starts use class weights, if the classes are unbalanced.

    Searches maximise macro-F1, in which a rare class counts as much as a common one; an unweighted
    loss spends the first epoch on the common ones. Only starts are changed, where their branch
    admits it, not the space that samplers draw from.

    Args:
        space: The search space.
        class_rows: Training rows of each class.
    """
    if relative_entropy(class_rows) >= UNBALANCED_BELOW:
        return space
    return replace(space, starts=tuple(_weighted(space, start) for start in space.starts))


def _weighted(space: SearchSpace, start: Configuration) -> Configuration:
    if _WEIGHTED not in start.parameters:
        return start
    found = start.model_copy(update={"parameters": {**start.parameters, _WEIGHTED: True}})
    return found if space.contains(found) else start
