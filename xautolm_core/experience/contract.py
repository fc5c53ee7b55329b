"""The contract of all experience stores."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from xautolm_core.records.experience import Experience
from xautolm_core.records.outcome import Outcome


@dataclass(frozen=True)
class ExperienceFilter:
    """Which experiences are asked for; None and empty mean any.

    Attributes:
        tenant: Of this tenant.
        task_types: Of these kinds of task.
        task_name: Of this task.
        task_fingerprint: With exactly this content.
        search_id: Of this search.
        search_ids: Of one of these searches.
        exclude_search_id: Not of this search.
        outcomes: With one of these outcomes.
        extractor: Whose task features come from this extractor.
        ended_from: That ended at this time (UTC) or later.
        ended_before: That ended before this time (UTC).
    """

    tenant: str | None = None
    task_types: tuple[str, ...] = ()
    task_name: str | None = None
    task_fingerprint: str | None = None
    search_id: str | None = None
    search_ids: frozenset[str] = frozenset()
    exclude_search_id: str | None = None
    outcomes: tuple[Outcome, ...] = ()
    extractor: str | None = None
    ended_from: datetime | None = None
    ended_before: datetime | None = None

    def matches(self, experience: Experience) -> bool:
        """Whether an experience is asked for."""
        wanted = (
            (self.tenant, experience.tenant),
            (self.task_name, experience.task_name),
            (self.task_fingerprint, experience.task_fingerprint),
            (self.search_id, experience.search_id),
            (self.extractor, experience.task_features.extractor),
        )
        if any(asked is not None and asked != found for asked, found in wanted):
            return False
        if self.exclude_search_id is not None and experience.search_id == self.exclude_search_id:
            return False
        one_of = (
            (self.search_ids, experience.search_id),
            (self.task_types, experience.task_type),
            (self.outcomes, experience.outcome),
        )
        if any(asked and found not in asked for asked, found in one_of):
            return False
        if self.ended_from is not None and experience.ended_at < self.ended_from:
            return False
        return self.ended_before is None or experience.ended_at < self.ended_before


@dataclass(frozen=True)
class Fault:
    """Something in a store that cannot be read, or is not what it says.

    Attributes:
        key: Where it is.
        problem: What is wrong with it.
    """

    key: str
    problem: str


@dataclass(frozen=True)
class VerifyReport:
    """What ``verify`` found.

    Attributes:
        objects: How many objects were checked.
        faults: What is wrong.
        notes: What is left over and does no harm.
    """

    objects: int
    faults: Sequence[Fault]
    notes: Sequence[Fault] = ()


class ExperienceStore(Protocol):
    """Keeps experiences. Safe under concurrent writers and readers; nothing is ever half-written.

    A corrupt object is reported (``faults``) and skipped, never fatal and never deleted.
    """

    def append(self, experience: Experience) -> str:
        """Keep an experience, all or nothing; appending it again changes nothing. Return its id.

        Raises:
            StoreError: It cannot be written.
        """
        ...

    def scan(self, wanted: ExperienceFilter = ...) -> Iterator[Experience]:
        """Yield the experiences asked for, each once, ordered by end time and id."""
        ...

    def get(self, experience_id: str) -> Experience | None:
        """Return one experience (``experience_id`` may be an unambiguous prefix), or None."""
        ...

    def compact(self) -> int:
        """Gather single objects in Parquet files; return how many. Safe to run at any time."""
        ...

    def verify(self) -> VerifyReport:
        """Check every object against its digest and the schema; change nothing."""
        ...

    @property
    def faults(self) -> Sequence[Fault]:
        """What the reads of this object have skipped so far."""
        ...
