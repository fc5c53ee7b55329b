"""What a sampler is built from, and what a name of a sampler stands for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Protocol

from xautolm_core.plugins import Registry

if TYPE_CHECKING:
    from pathlib import Path

    from xautolm_core.search.history import History
    from xautolm_core.search.resource_load import Load
    from xautolm_core.search.samplers.base import Infeasibility
    from xautolm_core.search.samplers.base import SpaceSampler
    from xautolm_core.search.samplers.failure_rows import FailureForecaster
    from xautolm_core.search.samplers.options import RandomOptions
    from xautolm_core.search.samplers.selection import SearchContext
    from xautolm_core.space.space import SearchSpace

_HERE = "xautolm_core.search.samplers"

SAMPLERS = Registry(
    "xautolm.samplers",
    "sampler",
    {
        "guarded": f"{_HERE}.built_in:GUARDED",
        "xautolm": f"{_HERE}.built_in:WARM_START",
        "zero_shot": f"{_HERE}.built_in:ZERO_SHOT",
        "knn": f"{_HERE}.built_in:NEIGHBOURS",
        "random": f"{_HERE}.random_sampler:UniformSampler",
    },
)


@dataclass(frozen=True)
class SamplerInputs:
    """What a sampler is built from.

    Attributes:
        search: The current search: its space, objectives, task and meta-features.
        options: The sampler's own, checked.
        seed: Seed of its draws.
        history: Earlier experiences; empty where the options do not read any.
        expected_trials: How many trials the search will probably come to; None if unbounded.
        infeasible: Returns why a configuration cannot run here, or None if it can.
        failures: Says how probable failures are; None without the option ``failure_model``.
        seconds_allowed: What one trial may take; None if unbounded.
        load: Returns what a configuration is estimated to need of what a trial is allowed; None if
            that is not known.
        learnt_folder: Where what is learnt on a history may be kept for the next search; None for
            nowhere.
    """

    search: SearchContext
    options: RandomOptions
    seed: int
    history: History
    expected_trials: int | None = None
    infeasible: Infeasibility | None = None
    failures: FailureForecaster | None = None
    seconds_allowed: float | None = None
    load: Load | None = None
    learnt_folder: Path | None = None

    @property
    def space(self) -> SearchSpace:
        """What is drawn from."""
        return self.search.space


class SamplerKind(Protocol):
    """What the name of a sampler stands for; a subclass of ``SpaceSampler`` is one.

    Attributes:
        options_type: Its options: ``RandomOptions`` or a subclass.
        build: Makes the sampler of a search.
    """

    @property
    def options_type(self) -> type[RandomOptions]:
        """Return the type of its options."""
        ...

    @property
    def build(self) -> Callable[[SamplerInputs], SpaceSampler]:
        """Return what makes the sampler of a search."""
        ...
