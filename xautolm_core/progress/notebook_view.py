"""The view of a search in a notebook: one output that is updated in place."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from importlib import import_module
from types import TracebackType
from typing import TYPE_CHECKING
from typing import Any

from markupsafe import Markup
from markupsafe import escape

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

_REDRAW_SECONDS = 1.0
_SHOWN_FRONT = 8
_SHOWN_NOTES = 12


def in_notebook() -> bool:
    """Whether this code runs in the kernel of a notebook, which shows HTML."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell is not None and getattr(shell, "kernel", None) is not None


class NotebookView:
    """A ``SearchObserver`` that redraws one output of a cell.

    Args:
        spec: The search.
        resumed: Whether it is a resumed search.
        show: Shows HTML in place of what it showed before; IPython's own display if None.
    """

    def __init__(
        self,
        spec: SearchSpec,
        *,
        resumed: bool = False,
        show: Callable[[str], None] | None = None,
    ) -> None:
        self._progress = SearchProgress(spec, resumed)
        self._show = show or _ipython_output()
        self._notes: list[str] = []
        self._drawn_at = 0.0

    def __enter__(self) -> NotebookView:
        """Draw for the first time."""
        self._draw()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Draw the last state, without running trials."""
        self._progress.phase = "ended"
        self._progress.running.clear()
        self._draw()

    def phase(self, name: str, detail: str = "") -> None:
        """Show the phase."""
        self._progress.phase = f"{name}: {detail}" if detail else name
        self._draw()

    def note(self, text: str, *, warning: bool = False) -> None:
        """Show a note for the user."""
        self._notes.append(f"warning: {text}" if warning else text)
        self._draw()

    def warm_started(self, report: WarmStartReport) -> None:
        """Show how the history was used."""
        self.note(f"history: {warm_start_words(report)}")

    def trial_started(self, number: int, configuration: Configuration, why: str) -> None:
        """Show a trial as running."""
        self._progress.started(number, configuration)
        self._draw()

    def trial_ended(
        self, record: TrialRecord, front: Sequence[TrialRecord], best: TrialRecord | None
    ) -> None:
        """Remove a trial from the running ones; a failure becomes a note."""
        self._progress.ended(record, front, best)
        failure = record.result.failure
        if failure is not None:
            said = failure.message or failure.kind
            self._notes.append(f"trial {record.number} {record.result.outcome.value}: {said}")
        self._draw()

    def tick(self, seconds_left: float | None, running: Mapping[int, Mapping[str, Any]]) -> None:
        """Redraw at most once a second, as each update is sent to the browser."""
        self._progress.ticked(seconds_left, running)
        if time.monotonic() - self._drawn_at >= _REDRAW_SECONDS:
            self._draw()

    def _draw(self) -> None:
        self._drawn_at = time.monotonic()
        self._show(str(self._html()))

    def _html(self) -> Markup:
        progress = self._progress
        spent = seconds_words(time.monotonic() - progress.began)
        parts = [progress.done_words, f"{spent} spent", time_left_words(progress)]
        if not progress.running:
            parts.insert(0, progress.phase)
        if progress.outcomes:
            parts.append(outcome_counts(progress.outcomes))
        if progress.best is not None:
            score = primary_score(progress.best.result.model_scores)
            words = score_words(score.value if score else None)
            parts.append(f"best {words} (#{progress.best.number})")
        head = Markup("<p><b>{}</b></p>").format(" · ".join(part for part in parts if part))
        return Markup("<div>{}{}{}{}</div>").format(
            head, self._running(), self._front(), self._told()
        )

    def _running(self) -> Markup:
        return _table(
            ("running", "", "phase", "time", "configuration"),
            [
                (
                    f"#{trial.number}",
                    Markup('<progress max="1" value="{:.3f}"></progress>').format(trial.share_done),
                    trial.phase,
                    seconds_words(time.monotonic() - trial.launched),
                    trial.waits_for or configuration_words(trial.configuration),
                )
                for trial in self._progress.running.values()
            ],
        )

    def _front(self) -> Markup:
        rows = []
        for record in list(self._progress.front)[-_SHOWN_FRONT:]:
            score = primary_score(record.result.scores)
            rows.append(
                (
                    f"#{record.number}",
                    score_words(score.value if score else None),
                    seconds_words(record.result.comparable_seconds),
                    configuration_words(record.configuration),
                )
            )
        front = self._progress.front
        title = primary_title(front[-1].result.scores) if front else "score"
        return _table(("front", title, "time", "configuration"), rows)

    def _told(self) -> Markup:
        notes = self._notes[-_SHOWN_NOTES:]
        items = Markup().join(Markup("<li>{}</li>").format(" ".join(one.split())) for one in notes)
        return Markup("<ul>{}</ul>").format(items) if notes else Markup()


def _table(titles: Sequence[str], rows: Sequence[Sequence[object]]) -> Markup:
    if not rows:
        return Markup()
    head = Markup().join(Markup("<th>{}</th>").format(title) for title in titles)
    body = Markup().join(
        Markup("<tr>{}</tr>").format(
            Markup().join(Markup("<td>{}</td>").format(escape(cell)) for cell in row)
        )
        for row in rows
    )
    return Markup("<table><tr>{}</tr>{}</table>").format(head, body)


def _ipython_output() -> Callable[[str], None]:
    """Return a function that shows HTML in place of what it showed before."""
    display: Any = import_module("IPython.display")
    output = display.display(display.HTML(""), display_id=True)
    return lambda html: output.update(display.HTML(html))
