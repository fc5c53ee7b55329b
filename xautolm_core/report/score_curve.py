"""The best validation score over the time of a search, and what each candidate added to it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from xautolm_core.report import svg_plot
from xautolm_core.report.svg_plot import RADIUS
from xautolm_core.report.svg_plot import Frame
from xautolm_core.report.wording import configuration_label
from xautolm_core.report.wording import configuration_words
from xautolm_core.report.wording import score_words
from xautolm_core.report.wording import seconds_words
from xautolm_core.search.contract import Objective
from xautolm_core.search.pareto import staircase
from xautolm_core.tasks.task_type import primary_title

if TYPE_CHECKING:
    from xautolm_core.search.contract import SearchResult
    from xautolm_core.search.contract import TrialRecord

_UNITS = ((180.0, "Seconds", 1.0), (10_800.0, "Minutes", 60.0), (math.inf, "Hours", 3600.0))
"""Up to how many seconds an axis is in which unit, and how many seconds that has."""


@dataclass(frozen=True)
class Improvement:
    """A trial that was better than all that had ended before it.

    Attributes:
        record: The trial.
        seconds: From the first launch of a trial to its end, pauses left out.
        score: Its macro-F1 on validation, in [0, 1].
        added: The score minus the best one before; None for the first.
    """

    record: TrialRecord
    seconds: float
    score: float
    added: float | None


@dataclass(frozen=True)
class ScoreCurve:
    """The best score that a search had in hand at every moment.

    Attributes:
        improvements: In the order of time; scores rise.
        end_seconds: From the first launch to the end of the last trial, pauses left out.
        pause_seconds: Pauses that were left out.
    """

    improvements: Sequence[Improvement]
    end_seconds: float
    pause_seconds: float


def score_curve(result: SearchResult) -> ScoreCurve:
    """Return the curve of a search's trials.

    The pauses of a search that was stopped and resumed do not count. Where its trials span more
    time than it has run (``SearchResult.seconds``), the gaps in which no trial ran are shortened by
    the difference, the longest ones first.

    Args:
        result: What the search came to.
    """
    spans = {r.number: span for r in result.trials if (span := _span(r)) is not None}
    if not spans:
        return ScoreCurve((), 0.0, 0.0)
    begin, end = min(spans.values())[0], max(end for _, end in spans.values())
    pauses = _pauses(sorted(spans.values()), end - begin - result.seconds)

    def elapsed(moment: float) -> float:
        left_out = sum(min(length, max(moment - since, 0.0)) for since, length in pauses)
        return max(moment - begin - left_out, 0.0)

    # Models that were beaten may be deleted since: they were in hand at the time.
    scored = [r for r in result.trials if r.values and r.number in spans]
    best = staircase(
        sorted(scored, key=lambda r: r.number),
        cost=lambda r: spans[r.number][1],
        score=lambda r: r.values[Objective.F1.value],
    )
    scores = [record.values[Objective.F1.value] for record in best]
    improvements = [
        Improvement(
            record,
            elapsed(spans[record.number][1]),
            scores[place],
            scores[place] - scores[place - 1] if place else None,
        )
        for place, record in enumerate(best)
    ]
    return ScoreCurve(improvements, elapsed(end), sum(length for _, length in pauses))


def _span(record: TrialRecord) -> tuple[float, float] | None:
    """Return when a trial was launched and ended, in seconds since 1970.

    A trial that was lost with its machine has none: its end is when somebody noticed.
    """
    result = record.result
    launched = result.launched_at or result.started_at
    if launched is None or result.ended_at is None:
        return None
    if not result.outcome.says_something_about_configuration:
        return None
    # Clocks of two machines may differ by more than a short trial takes.
    return launched.timestamp(), max(launched.timestamp(), result.ended_at.timestamp())


def _pauses(spans: Sequence[tuple[float, float]], excess: float) -> list[tuple[float, float]]:
    """Return since when and how many seconds are left out, ``excess`` in all if gaps allow it."""
    gaps: list[tuple[float, float]] = []
    busy_until = spans[0][1]
    for launched, ended in spans:
        if launched > busy_until:
            gaps.append((launched - busy_until, busy_until))
        busy_until = max(busy_until, ended)
    pauses = []
    for length, since in sorted(gaps, reverse=True):
        if excess <= 0:
            break
        pauses.append((since, min(length, excess)))
        excess -= length
    return pauses


def curve_plot(
    curve: ScoreCurve,
    *,
    cheap_score: float | None,
    chosen: int | None,
    name: str,
    width: int = 960,
    height: int = 360,
) -> Markup:
    """Return the curve as an SVG element.

    Args:
        curve: One with an improvement.
        cheap_score: Of the best cheap candidate, a dashed horizontal line; None for no line.
        chosen: The trial that was chosen.
        name: Prefix of the element ids, unique in the page.
        width: Pixels; choose it near to what is shown, as the texts scale along.
        height: Pixels.
    """
    steps = curve.improvements
    scores = [step.score for step in steps] + ([] if cheap_score is None else [cheap_score])
    end = max(curve.end_seconds, steps[-1].seconds) or 1.0
    frame = Frame(width, height, 0.0, 1.02 * end, *svg_plot.score_limits(scores))
    unit, unit_seconds = next((word, s) for most, word, s in _UNITS if end <= most)
    values = svg_plot.round_numbers(0.0, frame.high_x / unit_seconds, at_most=frame.most_ticks)
    ticks = [(value * unit_seconds, f"{value:g}") for value in values]
    title = primary_title(steps[0].record.result.scores)
    label = f"{unit} since the first launch"
    parts = svg_plot.axes(frame, ticks, label, score_title=title)
    if cheap_score is not None:
        parts.append(svg_plot.cheap_line(frame, cheap_score))
    parts.append(svg_plot.staircase(frame, [(step.seconds, step.score) for step in steps]))
    parts += [_point(frame, step, is_chosen=step.record.number == chosen) for step in steps]
    places = [(frame.x(step.seconds), frame.y(step.score)) for step in steps]
    words = [f"#{s.record.number} {configuration_label(s.record.configuration)}" for s in steps]
    # The last ones first: where there is no room for all, they matter most.
    labelled = [(x, y, text) for (x, y), text in zip(places, words, strict=True)][::-1]
    parts += svg_plot.labels(frame, labelled, places, _beside_a_step)
    return svg_plot.svg(
        frame,
        parts,
        name=name,
        title="Best score over the time of the search",
        description=_description(curve, cheap_score),
    )


def _point(frame: Frame, step: Improvement, *, is_chosen: bool) -> str:
    colour = svg_plot.CHOSEN if is_chosen else svg_plot.FRONT
    title = (
        f"Trial {step.record.number}: {configuration_words(step.record.configuration)}; "
        f"{primary_title(step.record.result.scores)} {score_words(step.score)} after "
        f"{seconds_words(step.seconds)}"
    )
    radius = RADIUS + (2 if is_chosen else 0)
    x, y = frame.x(step.seconds), frame.y(step.score)
    return svg_plot.disc(x, y, radius, colour=colour, fill=colour, title=title)


def _beside_a_step(x: float, y: float, w: float, h: float) -> Sequence[tuple[float, float]]:
    # A curve that rises leaves room above on the left and below on the right.
    return (
        (x - w - 8, y - h - 3),
        (x + 9, y + 4),
        (x - w / 2, y - 10 - h),
        (x + 9, y + 4 + h),
        (x - 9 - w, y - h / 2),
        (x + 9, y + 4 + 2 * h),
    )


def _description(curve: ScoreCurve, cheap_score: float | None) -> str:
    steps = [
        f"{score_words(step.score)} after {seconds_words(step.seconds)} (trial "
        f"{step.record.number}, {configuration_label(step.record.configuration)})"
        for step in curve.improvements
    ]
    title = primary_title(curve.improvements[0].record.result.scores) if steps else "score"
    words = f"The best {title} on validation was {', '.join(steps)}."
    words += f" The last trial ended after {seconds_words(curve.end_seconds)}."
    if cheap_score is None:
        return words
    return f"{words} The best cheap candidate has {score_words(cheap_score)}."
