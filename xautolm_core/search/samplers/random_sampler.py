"""Uniform random search."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xautolm_core.search.samplers.base import SpaceSampler
from xautolm_core.search.samplers.probabilistic_model import UniformChooser

if TYPE_CHECKING:
    import numpy as np
    from optuna import Study

    from xautolm_core.space.draw import Chooser


class UniformSampler(SpaceSampler):
    """Draws branch, model and every hyper-parameter uniformly; learns nothing."""

    def chooser(
        self, study: Study, number: int, generator: np.random.Generator
    ) -> tuple[Chooser, str]:
        """Draw uniformly."""
        return UniformChooser(generator), "uniform random draw"
