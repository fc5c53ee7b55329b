"""Records that say the same: copies of one record, and failures that were written down twice."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from xautolm_core.experience.codec import canonical
from xautolm_core.experience.importers.failure_texts import NOT_RECORDED
from xautolm_core.records.experience import Experience
from xautolm_core.records.outcome import Outcome

SAME_FAILURE_WITHIN = timedelta(seconds=2)
COPY = "copy of the same record"
SAME_FAILURE = "second record of the same failure"


@dataclass(frozen=True)
class Duplicate:
    """An experience that another one stands for."""

    experience: Experience
    reason: str


def without_duplicates(
    experiences: Iterable[Experience],
) -> tuple[list[Experience], list[Duplicate]]:
    """Tell experiences from duplicates. The order in which they come does not matter.

    The published code writes a failure of classification twice: with its error text, and within two
    seconds without. Of the records of one search and configuration whose ends lie within two
    seconds of the first, the one with a recorded cause stays, else the earliest. Of successes only
    copies go: same search, configuration, end and scores.

    Returns:
        What stays, ordered by search, end and content, and what goes.
    """
    groups: dict[tuple[str, str], list[Experience]] = {}
    for experience in experiences:
        groups.setdefault(_trial_key(experience), []).append(experience)
    kept: list[Experience] = []
    gone: list[Duplicate] = []
    for group in groups.values():
        for cluster in _clusters(sorted(group, key=_order)):
            best = min(cluster, key=lambda e: (not _has_cause(e), _order(e)))
            kept.append(best)
            gone += [
                Duplicate(e, COPY if _same_end(e, best) else SAME_FAILURE)
                for e in cluster
                if e is not best
            ]
    kept.sort(key=lambda e: (e.search_id, _order(e)))
    return kept, gone


def is_same_trial(one: Experience, other: Experience) -> bool:
    """Whether two experiences are records of one and the same evaluation."""
    if _trial_key(one) != _trial_key(other) or _failed(one) != _failed(other):
        return False
    if _failed(one):
        return abs(one.ended_at - other.ended_at) <= SAME_FAILURE_WITHIN
    return _same_end(one, other) and one.scores == other.scores


def _clusters(ordered: Sequence[Experience]) -> list[list[Experience]]:
    """Part experiences of one configuration, ordered by their end, into evaluations."""
    clusters: list[list[Experience]] = []
    for experience in ordered:
        # Measured from the first one, so that a row of failures does not melt into one.
        oldest = experience.ended_at - SAME_FAILURE_WITHIN
        near = itertools.takewhile(lambda c: c[0].ended_at >= oldest, reversed(clusters))  # noqa: B023 - used at once
        found = next((c for c in near if is_same_trial(c[0], experience)), None)
        if found is None:
            clusters.append([experience])
        else:
            found.append(experience)
    return clusters


def _trial_key(experience: Experience) -> tuple[str, str]:
    configuration = experience.configuration.model_dump(mode="json")
    return experience.search_id, canonical(configuration)


def _failed(experience: Experience) -> bool:
    return experience.outcome is not Outcome.OK


def _has_cause(experience: Experience) -> bool:
    return experience.failure is None or experience.failure.kind != NOT_RECORDED


def _same_end(one: Experience, other: Experience) -> bool:
    return one.ended_at == other.ended_at


def _order(experience: Experience) -> tuple[object, ...]:
    provenance = sorted(experience.provenance.items())
    return experience.ended_at, experience.provenance.get("record_sha256", ""), str(provenance)
