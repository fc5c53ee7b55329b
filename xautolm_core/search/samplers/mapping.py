"""Experiences of any space, mapped onto the space of this search, part by part.

Each different fine-tuner, model and value is judged once, whatever the number of experiences.

Deviation from the reference implementation, which samples what an experience does not say and then
learns the sampled value: here nothing is learnt from a part that does not map.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from xautolm_core.experience.coded import NONE
from xautolm_core.experience.coded import Coded
from xautolm_core.space.parameters import Parameter
from xautolm_core.space.space import Branch
from xautolm_core.space.space import SearchSpace
from xautolm_core.space.space import admits

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xautolm_core.search.history.arrays import History


@dataclass(frozen=True)
class BranchObservations:
    """What the experiences of one fine-tuner say.

    Attributes:
        branch: The fine-tuner, of this space.
        rows: Its experiences, ascending.
        values: Handle to the values that were tried, in the order of ``rows``; none where an
            experience says nothing, or something outside of the domain.
    """

    branch: Branch
    rows: NDArray[np.int64]
    values: Mapping[str, Coded]


@dataclass(frozen=True)
class MappedHistory:
    """What configurations of any space say in terms of this one.

    Attributes:
        branches: One entry a fine-tuner of the space.
        complete: Shape (rows,): whether the experience is a configuration of this space.
    """

    branches: tuple[BranchObservations, ...]
    complete: NDArray[np.bool_]


def corresponding_branches(history: History, space: SearchSpace) -> NDArray[np.int64]:
    """Return the index of the fine-tuner of the space that each experience is of, or ``NONE``.

    That is the one with the same name and method, else the first with the same method and a group
    that offers the model.
    """
    methods = history.method.values
    by_name = _table(
        history.branch.values,
        methods,
        lambda branch, name, method: branch.name == name and branch.method == method,
        space,
    )
    by_model = _table(
        history.model.values,
        methods,
        lambda branch, model, method: branch.method == method and model in branch.model.choices,
        space,
    )
    named = by_name[history.branch.codes, history.method.codes]
    return np.where(named != NONE, named, by_model[history.model.codes, history.method.codes])


def map_history(history: History, space: SearchSpace) -> MappedHistory:
    """Map the configurations of a history whose fine-tuners all correspond to one of the space."""
    branch_of = corresponding_branches(history, space)
    tried = np.zeros(len(history), dtype=np.int16)
    for column in history.parameters.values():
        tried += column.codes != NONE
    complete = np.zeros(len(history), dtype=bool)
    branches = []
    for index, branch in enumerate(space.branches):
        rows = np.flatnonzero(branch_of == index)
        values = {branch.model.handle: _admitted(history.model.take(rows), branch.model)}
        for parameter in branch.parameters:
            if parameter.name in history.parameters:
                column = history.parameters[parameter.name].take(rows)
                values[parameter.handle] = _admitted(column, parameter)
        known = np.zeros(len(rows), dtype=np.int16)
        for column in values.values():
            known += column.codes != NONE
        wanted = len(branch.parameters)
        complete[rows] = (known == wanted + 1) & (tried[rows] == wanted)
        branches.append(BranchObservations(branch, rows, values))
    return MappedHistory(tuple(branches), complete)


def _table(
    firsts: Sequence[str],
    methods: Sequence[str],
    corresponds: Callable[[Branch, str, str], bool],
    space: SearchSpace,
) -> NDArray[np.int64]:
    """Return the index of the first fine-tuner that corresponds to each pair of values.

    The last row and the last column stand for an experience that has no such value.
    """
    table = np.full((len(firsts) + 1, len(methods) + 1), NONE, dtype=np.int64)
    for i, first in enumerate(firsts):
        for j, method in enumerate(methods):
            fits = (n for n, b in enumerate(space.branches) if corresponds(b, first, method))
            table[i, j] = next(fits, NONE)
    return table


def _admitted(column: Coded, parameter: Parameter) -> Coded:
    """Return the column without the values that lie outside of a domain."""
    codes = np.arange(len(column.values))
    kept = [c if admits(parameter, v) else NONE for c, v in zip(codes, column.values, strict=True)]
    return replace(column, codes=column.spread(kept, none=NONE).astype(np.int32))
