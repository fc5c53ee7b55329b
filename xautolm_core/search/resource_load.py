"""The estimated needs of a configuration, relative to its limits."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xautolm_core.records.configuration import Configuration


@dataclass(frozen=True)
class ResourceLoad:
    """Needs of a configuration relative to its limits, known before it runs.

    Attributes:
        log_memory: Natural logarithm of estimated over allowed bytes, of host or GPU memory,
            whichever is scarcer; NaN if not known or not limited.
        log_time: Likewise of training and evaluation seconds.
        seconds: Estimated training and evaluation; NaN if not known.
    """

    log_memory: float = math.nan
    log_time: float = math.nan
    seconds: float = math.nan


Load = Callable[["Configuration"], ResourceLoad]
"""Returns the needs of a configuration relative to its limits."""
