"""Which experiences can inform a search at all, judged for a whole history at once."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from xautolm_core.records.outcome import Outcome

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xautolm_core.search.history.coded import Coded
    from xautolm_core.search.history.features import FeatureRows


class DropReason(StrEnum):
    """Why an experience is not used, in words."""

    TASK_TYPE = "other task type"
    EXTRACTOR = "other version of the meta-features"
    OUTCOME = "outcome says nothing about the configuration"
    CHEAP_METHOD = "cheap method"
    NO_SCORE = "no score"
    NO_BRANCH = "no such fine-tuner in this space"
    NOT_NEAREST = "not among the nearest"
    NOT_USED = "kind of outcome not used by this sampler"


@dataclass(frozen=True)
class Relevance:
    """What an experience must have in common with the current search.

    Attributes:
        task_type: Kind of task.
        task_extractor: Name and version of the extractor of the task's meta-features.
        system_extractor: Likewise of the machine's.
    """

    task_type: str
    task_extractor: tuple[str, str]
    system_extractor: tuple[str, str]


def irrelevant(
    relevance: Relevance,
    *,
    task_type: Coded,
    task_features: FeatureRows,
    system_features: FeatureRows,
    outcomes: NDArray[np.int8],
) -> tuple[NDArray[np.bool_], dict[DropReason, int]]:
    """Return which experiences cannot inform the search, and how many for which reason.

    An experience is counted under the first reason that applies, in the order of ``DropReason``.

    Args:
        relevance: What they must have in common with it.
        task_type: Columns of a history, as are the others.
        task_features: See ``History``.
        system_features: See there.
        outcomes: See there.
    """
    reasons = {
        DropReason.TASK_TYPE: ~task_type.equals(relevance.task_type),
        DropReason.EXTRACTOR: ~(
            _comparable(task_features, relevance.task_extractor)
            & _comparable(system_features, relevance.system_extractor)
        ),
        DropReason.OUTCOME: ~_INFORMATIVE[outcomes],
    }
    dropped = np.zeros(len(outcomes), dtype=bool)
    counts: dict[DropReason, int] = {}
    for reason, applies in reasons.items():
        count = int(np.count_nonzero(applies & ~dropped))
        if count:
            counts[reason] = count
        dropped |= applies
    return dropped, counts


def same_extractor(first_name: str, first_version: str, name: str, version: str) -> bool:
    """Whether two vectors are comparable: same extractor, same major version."""
    return (
        first_name == name
        and first_version.split(".", maxsplit=1)[0] == version.split(".", maxsplit=1)[0]
    )


def _comparable(features: FeatureRows, wanted: tuple[str, str]) -> NDArray[np.bool_]:
    pairs = zip(features.extractors, features.versions, strict=True)
    by_code = [same_extractor(*wanted, name, version) for name, version in pairs]
    # Code -1, no features at all, comes to the last entry.
    return np.asarray([*by_code, False])[features.codes]


_INFORMATIVE = np.asarray([o.says_something_about_configuration for o in Outcome])
