"""Read the run folder of a stopped search: which trials are done, which to run again."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from xautolm_core.records.attempt import TrialResult
from xautolm_core.records.outcome import Outcome
from xautolm_core.search.contract import Objective
from xautolm_core.search.contract import TrialRecord
from xautolm_core.search.folders import AttemptFolder
from xautolm_core.search.folders import Proposal
from xautolm_core.search.folders import read_attempts
from xautolm_core.search.planned import PlannedTrial
from xautolm_core.search.records import objective_values
from xautolm_core.search.records import record_of
from xautolm_core.storage_faults import told_storage_fault
from xautolm_core.trial.contract import TrialSpec

MAX_INFRA_ATTEMPTS = 2
"""Infrastructure faults after which a trial is abandoned."""

_TO_REPEAT = frozenset({Outcome.CANCELLED, Outcome.PREEMPTED})


@dataclass(frozen=True)
class ResumedTrial:
    """One trial of the stopped search.

    Attributes:
        proposal: The proposed trial.
        attempts: All attempts so far.
        final: The attempt that counts; None if the trial must run (again).
    """

    proposal: Proposal
    attempts: tuple[AttemptFolder, ...]
    final: AttemptFolder | None

    @property
    def next_attempt(self) -> int:
        """Number of the attempt to run: a new one if the last was submitted."""
        last = self.attempts[-1]
        return last.attempt + (last.spec is not None)

    @property
    def infra_attempts(self) -> int:
        """Number of attempts with an infrastructure fault other than of this machine's disk."""
        results = [a.result for a in self.attempts]
        return sum(r is not None and _is_lasting(r) for r in results)

    @property
    def lost_spec(self) -> TrialSpec | None:
        """The last attempt's spec, if it was submitted and has no known result."""
        last = self.attempts[-1]
        return last.spec if last.result is None else None


def read_run(out_folder: Path) -> list[ResumedTrial]:
    """Return the trials of a run, by number."""
    return [_resumed(tuple(attempts)) for attempts in read_attempts(out_folder).values()]


def is_final(outcome: Outcome, infra_attempts: int) -> bool:
    """Whether a trial with this outcome is over.

    Args:
        outcome: Outcome of its last attempt.
        infra_attempts: Attempts with an infrastructure fault, the last one included.
    """
    if outcome in _TO_REPEAT:
        return False
    return outcome is not Outcome.INFRA or infra_attempts >= MAX_INFRA_ATTEMPTS


def _is_lasting(result: TrialResult) -> bool:
    """Whether an attempt has an infrastructure fault that a resume does not assume repaired.

    A resume assumes that there is room on this machine's disk again. On another machine a trial
    with such a fault is abandoned like any other: its disk may be too small.
    """
    if result.outcome is not Outcome.INFRA:
        return False
    failure, is_remote = result.failure, "download" in result.seconds
    # Memory that is mapped to a disk without room ends a process by SIGBUS.
    of_disk = failure is not None and (
        failure.kind == "SIGBUS" or told_storage_fault(failure.message) is not None
    )
    return is_remote or not of_disk


def _resumed(attempts: tuple[AttemptFolder, ...]) -> ResumedTrial:
    infra = 0
    final = None
    for attempt in attempts:
        if attempt.result is None or attempt.spec is None:
            continue
        infra += _is_lasting(attempt.result)
        if is_final(attempt.result.outcome, infra):
            final = attempt
    return ResumedTrial(attempts[0].proposal, attempts, final)


def words_again(result: TrialResult) -> str:
    """Return a note for the user that a trial runs again, and why."""
    failure = result.failure
    why = result.outcome.value if failure is None else failure.message or failure.kind
    return (
        f"Trial {result.trial_number} starts again, attempt {result.attempt + 1}:"
        f" {result.outcome.value}, {why}"
    )


def planned_again(proposal: Proposal) -> PlannedTrial:
    """Return an earlier proposal, to be run in another attempt."""
    return PlannedTrial(proposal.configuration, proposal.why, continues=proposal.continues)


def resumed_values(one: ResumedTrial, objectives: Sequence[Objective]) -> Mapping[str, float]:
    """Return the objectives of a trial that an earlier process has finished; empty if none."""
    result = None if one.final is None else one.final.result
    return {} if result is None else objective_values(result, objectives)


def resumed_records(
    resumed: Iterable[ResumedTrial], objectives: Sequence[Objective]
) -> list[TrialRecord]:
    """Return the records of trials that an earlier process has finished."""
    return [
        record_of(one.proposal, one.final.result, objectives)
        for one in resumed
        if one.final is not None and one.final.result is not None
    ]
