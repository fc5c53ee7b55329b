"""Draw configurations from a space, and convert them to and from named choices."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Protocol

from xautolm_core.errors import SpaceError
from xautolm_core.records.configuration import Configuration
from xautolm_core.records.configuration import Value
from xautolm_core.records.methods import is_cheap
from xautolm_core.space.parameters import Parameter
from xautolm_core.space.screening import is_screening
from xautolm_core.space.space import Branch
from xautolm_core.space.space import SearchSpace

BRANCH_HANDLE = "branch"
SCREENED_HANDLE = "screened_model"
"""Distinguishes a screening trial from the probe of the same method; it cannot be the handle of a
parameter, as these have a dot."""


class Chooser(Protocol):
    """The choices of a draw. Samplers implement it."""

    def branch(self, names: Sequence[str]) -> str:
        """Return one of the branches' names."""
        ...

    def value(self, parameter: Parameter) -> Value:
        """Return a value of the parameter's domain."""
        ...


def draw(space: SearchSpace, chooser: Chooser) -> Configuration:
    """Return a configuration: the branch first, then its model, then its parameters in order.

    Raises:
        SpaceError: The chooser returned a branch, a model or a value that is not in the space.
    """
    name = chooser.branch([branch.name for branch in space.branches])
    branch = _branch(space, name)
    model = chooser.value(branch.model)
    parameters = {p.name: chooser.value(p) for p in branch.parameters}
    return _configuration(space, branch, model, parameters)


def encode(space: SearchSpace, configuration: Configuration) -> dict[str, Value]:
    """Return the choices that lead to a configuration, by handle.

    A cheap candidate has no choices: its name takes the place of the branch, for a screening trial
    together with its model.

    Raises:
        SpaceError: The configuration is not of this space.
    """
    if is_cheap(configuration.method) and space.contains(configuration):
        choices: dict[str, Value] = {BRANCH_HANDLE: configuration.branch}
        if is_screening(configuration):
            choices[SCREENED_HANDLE] = configuration.model
        return choices
    branch = _branch(space, configuration.branch)
    if not space.contains(configuration):
        raise SpaceError(f"Space {space.name!r} does not contain this configuration")
    choices = {
        BRANCH_HANDLE: branch.name,
        branch.model.handle: configuration.model,
    }
    choices.update({p.handle: configuration.parameters[p.name] for p in branch.parameters})
    return choices


def decode(space: SearchSpace, choices: Mapping[str, Value]) -> Configuration:
    """Return the configuration of choices by handle; handles of other branches are ignored.

    Raises:
        SpaceError: A choice is missing or is not in the space.
    """
    name = choices.get(BRANCH_HANDLE)
    screened = choices.get(SCREENED_HANDLE)
    fixed = space.cheap if screened is None else space.screening
    of_model = (c for c in fixed if screened in (None, c.model))
    if cheap := next((c for c in of_model if c.branch == name), None):
        return cheap
    branch = _branch(space, name)
    try:
        model = choices[branch.model.handle]
        parameters = {p.name: choices[p.handle] for p in branch.parameters}
    except KeyError as error:
        raise SpaceError(f"Branch {branch.name!r} needs a choice for {error.args[0]!r}") from error
    return _configuration(space, branch, model, parameters)


def _branch(space: SearchSpace, name: Value) -> Branch:
    branch = space.branch(name) if isinstance(name, str) else None
    if branch is None:
        known = ", ".join(b.name for b in space.branches)
        raise SpaceError(f"Space {space.name!r} has no branch {name!r}", hint=f"It has: {known}")
    return branch


def _configuration(
    space: SearchSpace, branch: Branch, model: Value, parameters: Mapping[str, Value]
) -> Configuration:
    known = space.models.get(model) if isinstance(model, str) else None
    configuration = Configuration(
        branch=branch.name,
        model=str(model),
        revision=known.reference.revision if known is not None else None,
        method=branch.method,
        parameters=dict(parameters),
    )
    if known is None or not space.contains(configuration):
        raise SpaceError(f"Space {space.name!r} does not contain {configuration}")
    return configuration
