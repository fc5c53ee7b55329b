"""Compares imported experiences with a store, so that each is written once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xautolm_core.experience.contract import ExperienceFilter
from xautolm_core.experience.importers.duplicates import is_same_trial
from xautolm_core.experience.importers.published import ORIGIN as PUBLISHED
from xautolm_core.experience.store import ObjectExperienceStore
from xautolm_core.records.experience import Experience
from xautolm_core.records.outcome import Outcome


@dataclass(frozen=True)
class Counts:
    """How much of an import a store takes.

    Attributes:
        new: Experiences that the store does not hold.
        already_there: Those that it holds.
        twins: Those that it holds as another record of the same failure.
        conflicts: Those whose id it holds with another content; they are not written.
    """

    new: int
    already_there: int = 0
    twins: int = 0
    conflicts: int = 0

    @property
    def kept(self) -> int:
        """How much of the import is in the store afterwards."""
        return self.new + self.already_there + self.twins


def plan_import(
    experiences: Sequence[Experience], store: ObjectExperienceStore
) -> tuple[list[Experience], Counts]:
    """Return which imported experiences are new to a store, and the counts; write nothing.

    A published failure is written down twice, under two times: if a part of a run was imported that
    held one of the two records, a later import of the other one must not count it again.

    Raises:
        StoreError: The store cannot be read.
    """
    new: list[Experience] = []
    already_there = twins = conflicts = 0
    present = _present(experiences, store)
    known = {experience.id: experience for experience in present}
    failures = _failures_by_configuration(present)
    for experience in experiences:
        near = failures.get(_configuration_key(experience), ())
        if experience.id in known:
            is_known = _says_the_same(experience, known[experience.id])
            already_there, conflicts = already_there + is_known, conflicts + (not is_known)
        elif experience.origin == PUBLISHED and any(is_same_trial(experience, e) for e in near):
            twins += 1
        else:
            new.append(experience)
    return new, Counts(len(new), already_there, twins, conflicts)


def _says_the_same(one: Experience, other: Experience) -> bool:
    digests = {e.provenance.get("record_sha256") for e in (one, other)}
    # A published record exists in two layouts.
    return len(digests) == 1 or is_same_trial(one, other)


def _present(experiences: Sequence[Experience], store: ObjectExperienceStore) -> list[Experience]:
    """Return what a store holds of the same searches, in one pass for each tenant."""
    searches: dict[str, set[str]] = {}
    for experience in experiences:
        searches.setdefault(experience.tenant, set()).add(experience.search_id)
    return [
        experience
        for tenant, names in searches.items()
        for experience in store.scan(ExperienceFilter(tenant=tenant, search_ids=frozenset(names)))
    ]


def _failures_by_configuration(
    present: Sequence[Experience],
) -> dict[tuple[str, str, int], list[Experience]]:
    found: dict[tuple[str, str, int], list[Experience]] = {}
    for experience in present:
        if experience.outcome is not Outcome.OK:
            found.setdefault(_configuration_key(experience), []).append(experience)
    return found


def _configuration_key(experience: Experience) -> tuple[str, str, int]:
    return experience.tenant, experience.search_id, hash(experience.configuration)
