"""Experiences of any space, mapped onto the space of this search.

Deviation from the reference implementation, which samples what an experience does not say and then
learns the sampled value: here nothing is learnt from a part that does not map.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from xautolm_core.search.samplers.updates import Observation
from xautolm_core.space.space import Branch
from xautolm_core.space.space import SearchSpace
from xautolm_core.space.space import admits

if TYPE_CHECKING:
    from xautolm_core.experience.schema import Experience
    from xautolm_core.space.configuration import Configuration
    from xautolm_core.space.configuration import Value


class DropReason(StrEnum):
    """Why an experience is not used, in words."""

    TASK_TYPE = "other task type"
    EXTRACTOR = "other version of the meta-features"
    OUTCOME = "outcome says nothing about the configuration"
    NO_SCORE = "no score"
    NO_BRANCH = "no such fine-tuner in this space"
    NOT_NEAREST = "not among the nearest"
    NOT_USED = "kind of outcome not used by this sampler"


@dataclass(frozen=True)
class MappedConfiguration:
    """What a configuration of any space says in terms of this one.

    Attributes:
        observation: Its choices as far as they map.
        complete: Whether it is a configuration of this space.
    """

    observation: Observation
    complete: bool


def map_configuration(
    configuration: Configuration, space: SearchSpace
) -> MappedConfiguration | None:
    """Map a configuration part by part; None if no fine-tuner of the space corresponds to it."""
    branch = _corresponding_branch(configuration, space)
    if branch is None:
        return None
    values: dict[str, Value] = {}
    if configuration.model in branch.model.choices:
        values[branch.model.handle] = configuration.model
    for parameter in branch.parameters:
        if parameter.name not in configuration.parameters:
            continue
        value = configuration.parameters[parameter.name]
        if admits(parameter, value):
            values[parameter.handle] = value
    complete = len(values) == len(branch.parameters) + 1 and len(configuration.parameters) == len(
        branch.parameters
    )
    return MappedConfiguration(Observation(branch.name, values), complete)


def _corresponding_branch(configuration: Configuration, space: SearchSpace) -> Branch | None:
    """Same name and method, else same method and a group that offers the model."""
    branch = space.branch(configuration.branch)
    if branch is not None and branch.method == configuration.method:
        return branch
    return next(
        (
            candidate
            for candidate in space.branches
            if candidate.method == configuration.method
            and configuration.model in candidate.model.choices
        ),
        None,
    )


def same_extractor(first_name: str, first_version: str, name: str, version: str) -> bool:
    """Whether two vectors are comparable: same extractor, same major version."""
    return (
        first_name == name
        and first_version.split(".", maxsplit=1)[0] == version.split(".", maxsplit=1)[0]
    )


def unusable(
    experience: Experience,
    *,
    task_type: str,
    task_extractor: tuple[str, str],
    system_extractor: tuple[str, str],
) -> DropReason | None:
    """Return why an experience cannot inform this search, or None if it can."""
    if experience.task_type != task_type:
        return DropReason.TASK_TYPE
    task, system = experience.task_features, experience.system_features
    if not same_extractor(*task_extractor, task.extractor, task.version):
        return DropReason.EXTRACTOR
    if not same_extractor(*system_extractor, system.extractor, system.version):
        return DropReason.EXTRACTOR
    if not experience.outcome.says_something_about_configuration:
        return DropReason.OUTCOME
    return None
