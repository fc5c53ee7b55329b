"""A sampler of somebody else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from xautolm.extending import Sampler
from xautolm.extending import SamplerOptions
from xautolm.extending import UniformChooser


class LargestOptions(SamplerOptions):
    """Options: whether the largest number of epochs is taken."""

    largest: bool = True


class LargestFirst(Sampler):
    """Draws uniformly, but the most epochs that there are."""

    options_type = LargestOptions

    def chooser(self, study: Any, number: int, generator: Any) -> tuple[Any, str]:
        """Return what draws."""
        assert isinstance(self.options, LargestOptions)
        return _Largest(UniformChooser(generator), self.options.largest), "acme draws the largest"


class _Largest:
    def __init__(self, uniform: UniformChooser, largest: bool) -> None:
        self._uniform = uniform
        self._largest = largest

    def branch(self, names: Sequence[str]) -> str:
        return self._uniform.branch(names)

    def value(self, parameter: Any) -> Any:
        if self._largest and parameter.name == "epochs" and hasattr(parameter, "high"):
            return parameter.high
        return self._uniform.value(parameter)
