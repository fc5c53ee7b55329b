"""The page of a Green AI report: one HTML file that needs no network and no script."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from xautolm_core import __version__
from xautolm_core.records.methods import is_cheap
from xautolm_core.report.front_plot import FailedPoint
from xautolm_core.report.front_plot import PlotPoint
from xautolm_core.report.front_plot import front_plot
from xautolm_core.report.green.attempts import Attempt
from xautolm_core.report.green.green_report import GreenReport
from xautolm_core.report.green.searches import GreenSearch
from xautolm_core.report.green.statement import BOUNDARY
from xautolm_core.report.green.statement import LEFT_OUT
from xautolm_core.report.outcome_colours import OUTCOME_COLOURS
from xautolm_core.report.templating import template_environment
from xautolm_core.report.wording import joules_words
from xautolm_core.report.wording import outcome_words
from xautolm_core.report.wording import score_words

SHOWN_SEARCHES = 30
SHOWN_ROWS = 40
"""Most rows of a table that may grow with the store; those with the most joules are shown."""
_PLOTTED_SEARCHES = 6
_COST_LABEL = "Energy of training and evaluation (joules, log scale)"
# Okabe and Ito's palette, as the outcomes have it.
_COMPONENT_COLOURS = {"gpu": "#0072b2", "cpu": "#e69f00", "dram": "#56b4e9", "other": "#6b6b6b"}
_SIZES = {"wide": (960, 420), "narrow": (360, 340)}


@dataclass(frozen=True)
class Beside:
    """One row of the comparison within a search.

    Attributes:
        what: Role in the comparison, with the trial.
        model: Its model and method.
        parameters: Of the model; None if unknown or none.
        validation_score: On validation data.
        test_score: On the test split, on which only the winner and the best of the other kind
            are evaluated.
        joules: None if it was not metered.
        seconds: Of training and evaluation.
        is_winner: Whether the others are compared with it.
        pretrained: False for random weights.
    """

    what: str
    model: str
    parameters: int | None
    validation_score: float | None
    test_score: float | None
    joules: float | None
    seconds: float | None
    is_winner: bool = False
    pretrained: bool = True


def beside_winner(search: GreenSearch) -> list[Beside]:
    """Return the winner and the attempts that it is compared with.

    Args:
        search: A search with a winner.
    """
    if search.winner is None:
        return []
    winner = search.winner
    candidates = (
        ("chosen", winner),
        ("best smaller model", search.smaller),
        ("best cheap candidate", search.cheap),
        # Beside a cheap winner.
        ("best language model", search.language_model if is_cheap(winner.method) else None),
        ("least energy on the front", next(iter(search.front), None)),
    )
    rows: dict[str, Beside] = {}
    for what, attempt in candidates:
        if attempt is not None and attempt.identity not in rows:
            rows[attempt.identity] = _of_trial(what, attempt, search)
    return list(rows.values())


def _of_trial(what: str, attempt: Attempt, search: GreenSearch) -> Beside:
    parts = [s for s in (attempt.train_seconds, attempt.evaluate_seconds) if s is not None]
    return Beside(
        what=f"{what}, trial {attempt.trial_number}",
        model=attempt.made,
        parameters=attempt.parameters,
        validation_score=attempt.score,
        test_score=search.run.test_scores.get(attempt.trial_number) if search.run else None,
        joules=attempt.joules,
        seconds=sum(parts) if parts else None,
        is_winner=attempt is search.winner,
        pretrained=attempt.pretrained,
    )


def green_page(report: GreenReport) -> str:
    """Return a report as a self-contained HTML page.

    Args:
        report: The report.
    """
    template = template_environment(escape_html=True).get_template("green.html.j2")
    text: str = template.render(_context(report))
    return text


def _context(report: GreenReport) -> dict[str, Any]:
    shown = list(report.searches[:SHOWN_SEARCHES])
    return {
        "report": report,
        "scope": report.scope,
        "boundary": BOUNDARY,
        "left_out": LEFT_OUT,
        "shown_rows": SHOWN_ROWS,
        "searches": shown,
        "hidden_searches": len(report.searches) - len(shown),
        "beside": _beside(shown),
        "plots": _plots(shown),
        "outcome_colours": OUTCOME_COLOURS,
        "component_colours": _COMPONENT_COLOURS,
        "written_at": report.scope.written_at.strftime("%Y-%m-%d %H:%M UTC"),
        "version": __version__,
    }


def _beside(searches: list[GreenSearch]) -> list[tuple[GreenSearch, list[Beside]]]:
    found = [(search, beside_winner(search)) for search in searches if search.winner is not None]
    return [(search, rows) for search, rows in found if rows]


def _plots(searches: list[GreenSearch]) -> list[dict[str, Any]]:
    """Return a plot of score against energy for the latest searches that have one."""
    plots: list[dict[str, Any]] = []
    for search in searches:
        points, failed = _points(search)
        if len(points) < 2:
            continue
        plots.append(
            {
                "search": search,
                **{
                    form: _plot(
                        points,
                        failed,
                        search.cheap.score if search.cheap else None,
                        name=f"energy-{len(plots)}-{form}",
                        size=size,
                    )
                    for form, size in _SIZES.items()
                },
            }
        )
        if len(plots) == _PLOTTED_SEARCHES:
            break
    return plots


def _plot(
    points: list[PlotPoint],
    failed: list[FailedPoint],
    cheap_score: float | None,
    *,
    name: str,
    size: tuple[int, int],
) -> Markup:
    label = _COST_LABEL if name.endswith("wide") else "Energy (joules, log scale)"
    return front_plot(
        points,
        failed,
        cheap_score=cheap_score,
        cost_label=label,
        name=name,
        score_title="score",
        width=size[0],
        height=size[1],
    )


def _points(search: GreenSearch) -> tuple[list[PlotPoint], list[FailedPoint]]:
    front = {attempt.identity for attempt in search.front}
    chosen = search.winner.identity if search.winner else ""
    points: list[PlotPoint] = []
    failed: list[FailedPoint] = []
    for attempt in search.attempts:
        joules = attempt.joules
        if joules is None:
            continue
        words = f"Trial {attempt.trial_number}: {attempt.made}"
        if not attempt.is_evaluated or attempt.score is None:
            how = outcome_words(attempt.outcome)
            failed.append(FailedPoint(attempt.trial_number, joules, f"{words}; {how}"))
            continue
        score = f"{attempt.score_title} {score_words(attempt.score)}"
        points.append(
            PlotPoint(
                attempt.trial_number,
                joules,
                attempt.score,
                _mark(attempt, front, chosen),
                attempt.pretrained,
                f"{words}; {score}, {joules_words(joules)}",
            )
        )
    return points, failed


def _mark(attempt: Attempt, front: set[str], chosen: str) -> Any:
    if attempt.identity == chosen:
        return "chosen"
    return "front" if attempt.identity in front else "dominated"
