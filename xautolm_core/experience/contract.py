"""The contract of all experience stores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from xautolm_core.records.experience import Experience
from xautolm_core.records.outcome import Outcome


@dataclass(frozen=True)
class ExperienceFilter:
    """Which experiences are asked for; None and empty mean any.

    Attributes:
        tenant: Of this tenant.
        task_name: Of this task.
        task_fingerprint: With exactly this content.
        search_ids: Of one of these searches.
        outcomes: With one of these outcomes.
        ended_from: That ended at this time (UTC) or later.
    """

    tenant: str | None = None
    task_name: str | None = None
    task_fingerprint: str | None = None
    search_ids: frozenset[str] = frozenset()
    outcomes: tuple[Outcome, ...] = ()
    ended_from: datetime | None = None

    def matches(self, experience: Experience) -> bool:
        """Whether an experience is asked for."""
        wanted = (
            (self.tenant, experience.tenant),
            (self.task_name, experience.task_name),
            (self.task_fingerprint, experience.task_fingerprint),
        )
        if any(asked is not None and asked != found for asked, found in wanted):
            return False
        one_of = (
            (self.search_ids, experience.search_id),
            (self.outcomes, experience.outcome),
        )
        if any(asked and found not in asked for asked, found in one_of):
            return False
        return self.ended_from is None or experience.ended_at >= self.ended_from


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
