"""The live view of a search in a terminal."""

from __future__ import annotations

import time
from collections.abc import Mapping
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING
from typing import Any

from rich.console import Console
from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from xautolm_core.progress.state import SearchProgress
from xautolm_core.progress.state import ShownTrial
from xautolm_core.progress.state import outcome_counts
from xautolm_core.progress.state import time_left_words
from xautolm_core.progress.state import warm_start_words
from xautolm_core.report.wording import configuration_words
from xautolm_core.report.wording import score_words
from xautolm_core.report.wording import seconds_words
from xautolm_core.tasks.task_type import primary_score
from xautolm_core.tasks.task_type import primary_title

if TYPE_CHECKING:
    from rich.console import RenderableType

    from xautolm_core.records.configuration import Configuration
    from xautolm_core.search.contract import SearchSpec
    from xautolm_core.search.contract import TrialRecord
    from xautolm_core.search.contract import WarmStartReport

_SHOWN_FRONT = 8


class LiveView:
    """A ``SearchObserver`` that redraws a few lines at the foot of the terminal.

    Notes, warnings and ended trials scroll above it and stay.

    Args:
        spec: The search.
        resumed: Whether it is a resumed search.
        stderr: Draw on standard error.
        console: Draw here instead.
    """

    def __init__(
        self,
        spec: SearchSpec,
        *,
        resumed: bool = False,
        stderr: bool = False,
        console: Console | None = None,
    ) -> None:
        self._progress = SearchProgress(spec, resumed)
        self._console = console or Console(stderr=stderr, highlight=False)
        self._live = Live(
            console=self._console,
            get_renderable=self.__rich__,
            refresh_per_second=4,
            # The last state is of no use once the summary is printed.
            transient=True,
            redirect_stderr=False,
        )

    def __enter__(self) -> LiveView:
        """Begin to draw."""
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop drawing."""
        self._live.stop()

    def phase(self, name: str, detail: str = "") -> None:
        """Show the phase."""
        self._progress.phase = f"{name}: {detail}" if detail else name

    def note(self, text: str, *, warning: bool = False) -> None:
        """Print a note for the user above the view."""
        self._print(f"warning: {text}" if warning else text, "yellow" if warning else "dim")

    def warm_started(self, report: WarmStartReport) -> None:
        """Print how the history was used."""
        self._print(f"history: {warm_start_words(report)}", "")

    def trial_started(self, number: int, configuration: Configuration, why: str) -> None:
        """Show a trial as running."""
        self._progress.started(number, configuration)

    def trial_ended(
        self, record: TrialRecord, front: Sequence[TrialRecord], best: TrialRecord | None
    ) -> None:
        """Remove a trial from the running ones; a failure is printed above the view."""
        self._progress.ended(record, front, best)
        if record.result.failure is not None:
            said = record.result.failure.message or record.result.failure.kind
            self._print(f"trial {record.number} {record.result.outcome.value}: {said}", "yellow")

    def tick(self, seconds_left: float | None, running: Mapping[int, Mapping[str, Any]]) -> None:
        """Take over the heartbeats; the view redraws by itself."""
        self._progress.ticked(seconds_left, running)

    def _print(self, text: str, style: str) -> None:
        self._console.print(Text(" ".join(text.split()), style=style))

    def __rich__(self) -> RenderableType:
        """Return the current state."""
        parts: list[RenderableType] = [self._headline()]
        # The dictionary may change while another thread draws.
        running = list(self._progress.running.values())
        if running:
            parts.append(self._running_table(running))
        if self._progress.front:
            parts.append(self._front_table(list(self._progress.front)))
        return Group(*parts)

    def _headline(self) -> Text:
        progress = self._progress
        spent = seconds_words(time.monotonic() - progress.began)
        parts = [progress.done_words, f"{spent} spent", time_left_words(progress)]
        if not progress.running:
            parts.insert(0, progress.phase)
        line = Text(" · ".join(part for part in parts if part), style="bold")
        if progress.outcomes:
            failed = bool(progress.failures)
            line.append(
                f"   {outcome_counts(progress.outcomes)}", style="yellow" if failed else "green"
            )
        if progress.best is not None:
            score = primary_score(progress.best.result.model_scores)
            words = score_words(score.value if score else None)
            line.append(f"   best {words} (#{progress.best.number})", style="bold green")
        return line

    def _running_table(self, running: Sequence[ShownTrial]) -> Table:
        table = Table(box=None, pad_edge=False, show_header=False, expand=False)
        for trial in running:
            best = trial.heartbeat.get("best_score")
            table.add_row(
                Text(f"#{trial.number}"),
                ProgressBar(total=1.0, completed=trial.share_done, width=20),
                Text(trial.phase, style="dim"),
                Text(seconds_words(time.monotonic() - trial.launched)),
                Text(f"F1 {score_words(best)}" if isinstance(best, float) else ""),
                Text(
                    trial.waits_for or configuration_words(trial.configuration),
                    style="yellow" if trial.waits_for else "",
                    overflow="ellipsis",
                    no_wrap=True,
                ),
            )
        return table

    def _front_table(self, front: Sequence[TrialRecord]) -> Table:
        table = Table(box=None, pad_edge=False, header_style="dim")
        table.add_column("front")
        title = primary_title(front[-1].result.scores) if front else "score"
        table.add_column(title, justify="right")
        table.add_column("time", justify="right")
        table.add_column("configuration", overflow="ellipsis", no_wrap=True)
        for record in front[-_SHOWN_FRONT:]:
            score = primary_score(record.result.scores)
            table.add_row(
                f"#{record.number}",
                score_words(score.value if score else None),
                seconds_words(record.result.comparable_seconds),
                Text(configuration_words(record.configuration)),
            )
        return table
