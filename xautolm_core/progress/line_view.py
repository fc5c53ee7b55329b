"""Plain lines with the time, one per event: for logs, pipes and continuous integration."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING
from typing import Any
from typing import TextIO

from xautolm_core.progress.state import SearchProgress
from xautolm_core.progress.state import outcome_counts
from xautolm_core.progress.state import time_left_words
from xautolm_core.progress.state import warm_start_words
from xautolm_core.report.wording import configuration_words
from xautolm_core.report.wording import score_words
from xautolm_core.report.wording import seconds_words
from xautolm_core.tasks.task_type import primary_score
from xautolm_core.tasks.task_type import primary_title

if TYPE_CHECKING:
    from xautolm_core.records.configuration import Configuration
    from xautolm_core.search.contract import SearchSpec
    from xautolm_core.search.contract import TrialRecord
    from xautolm_core.search.contract import WarmStartReport

# A log should show that a long trial is alive, but not twice a second.
_ALIVE_SECONDS = 60.0


class LineView:
    """A ``SearchObserver`` that writes a line per event.

    Args:
        spec: The search.
        stream: Where the lines go.
        resumed: Whether it is a resumed search.
    """

    def __init__(self, spec: SearchSpec, stream: TextIO, *, resumed: bool = False) -> None:
        self._progress = SearchProgress(spec, resumed)
        self._stream = stream
        self._last_line = time.monotonic()

    def phase(self, name: str, detail: str = "") -> None:
        """Write that a phase began."""
        self._line(f"{name}: {detail}" if detail else name)

    def note(self, text: str, *, warning: bool = False) -> None:
        """Write a note for the user."""
        self._line(f"warning: {text}" if warning else text)

    def warm_started(self, report: WarmStartReport) -> None:
        """Write how the history was used."""
        self._line(f"history: {warm_start_words(report)}")

    def trial_started(self, number: int, configuration: Configuration, why: str) -> None:
        """Write that a trial was launched."""
        self._progress.started(number, configuration)
        self._line(f"trial {number} started: {configuration_words(configuration)} ({why})")

    def trial_ended(
        self, record: TrialRecord, front: Sequence[TrialRecord], best: TrialRecord | None
    ) -> None:
        """Write how a trial ended, and the state of the search."""
        self._progress.ended(record, front, best)
        self._line(f"trial {record.number} {ended_words(record)}")
        best_words = "no model yet"
        if best is not None:
            score = primary_score(best.result.model_scores)
            best_words = f"best {score_words(score.value if score else None)} (#{best.number})"
        numbers = " ".join(f"#{r.number}" for r in self._progress.front) or "empty"
        parts = [
            f"{self._progress.done_words} ({outcome_counts(self._progress.outcomes)})",
            best_words,
            f"front {numbers}",
            time_left_words(self._progress),
        ]
        self._line("; ".join(part for part in parts if part))

    def tick(self, seconds_left: float | None, running: Mapping[int, Mapping[str, Any]]) -> None:
        """Write a line if nothing else was written for a minute."""
        self._progress.ticked(seconds_left, running)
        if time.monotonic() - self._last_line < _ALIVE_SECONDS or not self._progress.running:
            return
        states = [
            f"trial {trial.number} waits: {trial.waits_for}"
            if trial.waits_for
            else f"trial {trial.number} {trial.phase} {100 * trial.share_done:.0f} %"
            for trial in self._progress.running.values()
        ]
        self._line("; ".join([*states, time_left_words(self._progress)]).rstrip("; "))

    def _line(self, text: str) -> None:
        self._last_line = time.monotonic()
        now = datetime.now().astimezone()
        print(f"{now:%H:%M:%S} {' '.join(text.split())}", file=self._stream, flush=True)


class QuietView:
    """A ``SearchObserver`` that writes warnings only, on standard error."""

    def phase(self, name: str, detail: str = "") -> None:
        """Say nothing."""

    def note(self, text: str, *, warning: bool = False) -> None:
        """Write a warning."""
        if warning:
            print(f"warning: {' '.join(text.split())}", file=sys.stderr, flush=True)

    def warm_started(self, report: WarmStartReport) -> None:
        """Say nothing; a search that wanted history and found none gives a warning."""

    def trial_started(self, number: int, configuration: Configuration, why: str) -> None:
        """Say nothing."""

    def trial_ended(
        self, record: TrialRecord, front: Sequence[TrialRecord], best: TrialRecord | None
    ) -> None:
        """Say nothing."""

    def tick(self, seconds_left: float | None, running: Mapping[int, Mapping[str, Any]]) -> None:
        """Say nothing."""


def ended_words(record: TrialRecord) -> str:
    """Return how a trial ended, on one line."""
    result = record.result
    score = primary_score(result.scores)
    words = result.outcome.value
    if score is not None:
        words += f": {primary_title(result.scores)} {score_words(score.value)}"
    if result.time_seconds is not None:
        words += f" in {seconds_words(result.time_seconds)}"
    if result.failure is not None:
        words += f" ({result.failure.message or result.failure.kind})"
    return words
