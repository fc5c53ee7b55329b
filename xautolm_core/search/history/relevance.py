"""Which experiences can inform a search at all."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class DropReason(StrEnum):
    """Why an experience is not used, in words."""

    TASK_TYPE = "other task type"
    EXTRACTOR = "other version of the meta-features"
    OUTCOME = "outcome says nothing about the configuration"
    CHEAP_METHOD = "cheap method"
    NO_SCORE = "no score"
    NO_BRANCH = "no such branch in this space"
    NOT_NEAREST = "not among the nearest"
    NOT_USED = "kind of outcome not used by this sampler"


@dataclass(frozen=True)
class Relevance:
    """Requirements on an experience, relative to the current search.

    Attributes:
        task_type: Kind of task.
        task_extractor: Name and version of the extractor of the task's meta-features.
        system_extractor: Likewise of the machine's.
    """

    task_type: str
    task_extractor: tuple[str, str]
    system_extractor: tuple[str, str]


def same_extractor(first_name: str, first_version: str, name: str, version: str) -> bool:
    """Whether two vectors are comparable: same extractor, same major version."""
    return (
        first_name == name
        and first_version.split(".", maxsplit=1)[0] == version.split(".", maxsplit=1)[0]
    )
