"""A search as its run folder tells of it, while it runs and when it has ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from xautolm_core.errors import ConfigError
from xautolm_core.records.outcome import Outcome
from xautolm_core.report.document import task_name
from xautolm_core.search.contract import SEARCH_FILE
from xautolm_core.search.contract import SearchResult
from xautolm_core.search.contract import SearchSpec
from xautolm_core.search.contract import TrialRecord
from xautolm_core.search.folders import read_state
from xautolm_core.search.records import choose_best
from xautolm_core.search.records import with_front
from xautolm_core.search.result_file import RESULT_FILE
from xautolm_core.search.result_file import read_result
from xautolm_core.search.resume import read_run
from xautolm_core.search.resume import resumed_records
from xautolm_core.search.run_folder import read_spec


@dataclass(frozen=True)
class SeenSearch:
    """A search as far as it has come.

    Attributes:
        out_folder: Its run folder.
        spec: What is asked.
        fingerprint: Of the task's content; empty before it is known.
        trials: Those that have ended, by number.
        result: What it came to; None while it runs, and where it was interrupted by force.
    """

    out_folder: Path
    spec: SearchSpec
    fingerprint: str
    trials: tuple[TrialRecord, ...]
    result: SearchResult | None

    @property
    def task_name(self) -> str:
        """The name of its task."""
        if self.result is not None:
            return task_name(self.result)
        return self.spec.task.name or "task"

    @property
    def best(self) -> TrialRecord | None:
        """The trial with the best model; None without one."""
        if self.result is None:
            return choose_best(self.trials)
        return next((one for one in self.trials if one.number == self.result.best), None)

    @property
    def outcomes(self) -> Mapping[Outcome, int]:
        """Outcome to number of trials."""
        counts: dict[Outcome, int] = {}
        for trial in self.trials:
            counts[trial.result.outcome] = counts.get(trial.result.outcome, 0) + 1
        return counts

    @property
    def last_moment(self) -> datetime | None:
        """When the last of its trials ended."""
        moments = [one.result.ended_at for one in self.trials if one.result.ended_at is not None]
        return max(moments, default=self.spec.created_at)


def read_seen(out_folder: Path, *, running: bool = False) -> SeenSearch:
    """Read a run folder.

    Args:
        out_folder: The run folder, or the folder with a search's result that a pipeline keeps.
        running: Whether a process is searching in it: a result of an earlier one is not read.

    Raises:
        ConfigError: It holds no search.
    """
    spec = read_spec(out_folder / SEARCH_FILE)
    result = None
    if not running and (out_folder / RESULT_FILE).is_file():
        result = read_result(out_folder)
    known = {one.number: one for one in resumed_records(read_run(out_folder), spec.objectives)}
    if result is not None:
        # A search that was resumed and killed has more trials than its last result.
        newer = [n for n, one in known.items() if not _is_told(one, result)]
        known = {**known, **{one.number: one for one in result.trials if one.number not in newer}}
        if newer:
            result = None
    state = read_state(out_folder)
    return SeenSearch(
        out_folder=out_folder,
        spec=spec,
        fingerprint="" if state is None else state.task_fingerprint,
        trials=tuple(with_front(known.values(), spec.objectives)),
        result=result,
    )


def require_run(out_folder: Path) -> None:
    """Make sure that a folder holds a search.

    Raises:
        ConfigError: It does not.
    """
    if not (out_folder / SEARCH_FILE).is_file():
        raise ConfigError(
            f"{out_folder} holds no search ({SEARCH_FILE} is missing)",
            hint="Name the run folder of a search",
        )


def _is_told(record: TrialRecord, result: SearchResult) -> bool:
    return any(
        one.number == record.number and one.result.attempt >= record.result.attempt
        for one in result.trials
    )
