"""The candidate configurations for one trial."""

from __future__ import annotations

import math
from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

from xautolm_core.records.configuration import Configuration
from xautolm_core.records.configuration import Value
from xautolm_core.search.samplers.probabilistic_model import UniformChooser
from xautolm_core.space.draw import BRANCH_HANDLE
from xautolm_core.space.draw import decode
from xautolm_core.space.draw import draw
from xautolm_core.space.draw import encode
from xautolm_core.space.parameters import Boolean
from xautolm_core.space.parameters import Categorical
from xautolm_core.space.parameters import Parameter

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from xautolm_core.space.space import SearchSpace

WHOLE_SPACE = 400
"""Largest space of which all configurations are candidates."""

RANDOM, FROM_HISTORY, MUTATIONS = 160, 120, 80

_KEPT_GENE = 0.65


def all_configurations(space: SearchSpace) -> list[Configuration] | None:
    """Return every configuration of a small space; None if there are more than ``WHOLE_SPACE``."""
    found: list[Configuration] = []
    for branch in space.branches:
        domains = [_values(branch.model), *(_values(p) for p in branch.parameters)]
        if len(found) + math.prod(len(values) for values in domains) > WHOLE_SPACE:
            return None
        handles = [branch.model.handle, *(p.handle for p in branch.parameters)]
        for values in product(*domains):
            choices = dict(zip(handles, values, strict=True))
            found.append(decode(space, {BRANCH_HANDLE: branch.name, **choices}))
    return found


def drawn(
    space: SearchSpace,
    generator: np.random.Generator,
    *,
    history: Sequence[Configuration],
    front: Sequence[Configuration],
) -> list[Configuration]:
    """Return candidates in an open space: random ones, of the history, and mutations of the front.

    Args:
        space: The space to draw from.
        generator: Random generator of the draws.
        history: Configurations of the history, the most promising first.
        front: The Pareto front of the task's own trials.
    """
    found = list(history[:FROM_HISTORY])
    uniform = UniformChooser(generator)
    found += [draw(space, uniform) for _ in range(RANDOM)]
    if front:
        parents = [encode(space, one) for one in front]
        for place in range(MUTATIONS):
            parent = parents[place % len(parents)]
            found.append(draw(space, MutationChooser(parent, generator, uniform)))
    return list(unique(found))


def unique(configurations: Iterable[Configuration]) -> Iterable[Configuration]:
    """Yield each configuration once, in the order of its first appearance."""
    return dict.fromkeys(configurations)


@dataclass(frozen=True)
class MutationChooser:
    """Keeps most choices of a parent, and draws the others anew."""

    parent: Mapping[str, Value]
    generator: np.random.Generator
    uniform: UniformChooser

    def branch(self, names: Sequence[str]) -> str:
        """Choose a branch."""
        kept = self.parent[BRANCH_HANDLE]
        if self.generator.random() < _KEPT_GENE and kept in names:
            return str(kept)
        return self.uniform.branch(names)

    def value(self, parameter: Parameter) -> Value:
        """Choose a model or a hyper-parameter's value."""
        kept = self.generator.random() < _KEPT_GENE
        if kept and parameter.handle in self.parent:
            return self.parent[parameter.handle]
        return self.uniform.value(parameter)


def _values(parameter: Parameter) -> Sequence[Value]:
    match parameter:
        case Categorical(choices=choices):
            return choices
        case Boolean():
            return (False, True)
        case _:
            return range(parameter.low, parameter.high + 1)
