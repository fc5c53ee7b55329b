"""The plot of score against cost: each trial, and the front of those that nothing beats."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup

from xautolm_core.report import svg_plot
from xautolm_core.report.svg_plot import RADIUS
from xautolm_core.report.svg_plot import Frame
from xautolm_core.search.pareto import staircase

Mark = Literal["front", "dominated", "chosen"]

_COLOURS = {
    "front": svg_plot.FRONT,
    "dominated": svg_plot.DOMINATED,
    "chosen": svg_plot.CHOSEN,
}


@dataclass(frozen=True)
class PlotPoint:
    """A trial with a score.

    Attributes:
        number: The trial.
        cost: Seconds or milliseconds, greater than 0.
        score: In [0, 1].
        mark: How it is drawn.
        pretrained: Models without pretraining are drawn as hollow diamonds.
        title: What is said of it to those who point at it, or cannot see it.
    """

    number: int
    cost: float
    score: float
    mark: Mark
    pretrained: bool
    title: str


@dataclass(frozen=True)
class FailedPoint:
    """A trial without a score that is known to have cost something."""

    number: int
    cost: float
    title: str


def front_plot(
    points: Sequence[PlotPoint],
    failed: Sequence[FailedPoint],
    *,
    cheap_score: float | None,
    cost_label: str,
    name: str,
    score_title: str = svg_plot.SCORE_TITLE,
    width: int = 960,
    height: int = 420,
) -> Markup:
    """Return the plot as an SVG element.

    Args:
        points: Trials with a score.
        failed: Trials without one; drawn as crosses along the lower edge.
        cheap_score: Of the best cheap candidate, a dashed horizontal line; None for no line.
        cost_label: Title of the x-axis, with its unit.
        name: Prefix of the element ids, unique in the page.
        score_title: What the score is called.
        width: Pixels; choose it near to what is shown, as the texts scale along.
        height: Pixels.
    """
    drawable = [p for p in points if p.cost > 0 and math.isfinite(p.score)]
    crosses = [f for f in failed if f.cost > 0]
    frame = _frame(drawable, crosses, cheap_score, width, height)
    ticks = [(cost, f"{cost:g}") for cost in _cost_ticks(frame)]
    parts = svg_plot.axes(frame, ticks, cost_label, score_title=score_title)
    if cheap_score is not None:
        parts.append(svg_plot.cheap_line(frame, cheap_score))
    front = [p for p in drawable if p.mark != "dominated"]
    corners = staircase(front, cost=lambda p: p.cost, score=lambda p: p.score)
    parts.append(svg_plot.staircase(frame, [(p.cost, p.score) for p in corners]))
    parts += [svg_plot.cross(frame.x(f.cost), frame.bottom + 9, f.title) for f in crosses]
    order = {"dominated": 0, "front": 1, "chosen": 2}
    parts += [_point(frame, p) for p in sorted(drawable, key=lambda p: order[p.mark])]
    parts += svg_plot.labels(
        frame,
        [(frame.x(p.cost), frame.y(p.score), f"#{p.number}") for p in front],
        [(frame.x(p.cost), frame.y(p.score)) for p in drawable],
        _around,
    )
    return svg_plot.svg(
        frame,
        parts,
        name=name,
        title="Score against cost of all trials",
        description=_description(
            drawable, crosses, cheap_score, cost_label, svg_plot.on_validation(score_title)
        ),
    )


def _frame(
    points: Sequence[PlotPoint],
    crosses: Sequence[FailedPoint],
    cheap_score: float | None,
    width: int,
    height: int,
) -> Frame:
    costs = [p.cost for p in points] + [f.cost for f in crosses] or [1.0, 10.0]
    scores = [p.score for p in points] + ([] if cheap_score is None else [cheap_score])
    low, high = math.log10(min(costs)), math.log10(max(costs))
    margin = max((high - low) * 0.06, 0.08)
    low_score, high_score = svg_plot.score_limits(scores)
    return Frame(width, height, low - margin, high + margin, low_score, high_score, log_x=True)


def _cost_ticks(frame: Frame) -> list[float]:
    """Return round numbers on the log axis: the densest set that does not crowd."""
    at_most = frame.most_ticks
    decades = range(math.floor(frame.low_x) - 1, math.ceil(frame.high_x) + 1)
    candidates: list[float] = []
    for multiples in ((1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9), (1, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,)):
        candidates = [
            cost
            for decade in decades
            for cost in (m * 10.0**decade for m in multiples)
            if frame.low_x <= math.log10(cost) <= frame.high_x
        ]
        if len(candidates) <= at_most:
            break
    return candidates[:: max(math.ceil(len(candidates) / at_most), 1)]


def _point(frame: Frame, point: PlotPoint) -> str:
    x, y = frame.x(point.cost), frame.y(point.score)
    colour = _COLOURS[point.mark]
    radius = RADIUS + (2 if point.mark == "chosen" else 0)
    if not point.pretrained:
        return svg_plot.diamond(x, y, radius + 1.5, colour=colour, title=point.title)
    fill = "#ffffff" if point.mark == "dominated" else colour
    return svg_plot.disc(x, y, radius, colour=colour, fill=fill, title=point.title)


def _around(x: float, y: float, w: float, h: float) -> Sequence[tuple[float, float]]:
    return (
        (x - w / 2, y - 10 - h),
        (x + 9, y - h / 2),
        (x - w / 2, y + 10),
        (x - 9 - w, y - h / 2),
    )


def _description(
    points: Sequence[PlotPoint],
    crosses: Sequence[FailedPoint],
    cheap_score: float | None,
    cost_label: str,
    score_label: str,
) -> str:
    if not points:
        return "No trial has a score."
    best = max(points, key=lambda p: p.score)
    front = [p for p in points if p.mark != "dominated"]
    words = (
        f"{score_label} against {cost_label} of {len(points)} trials. "
        f"{len(front)} of them form the Pareto front. The best score is {best.score:.4f} "
        f"(trial {best.number}). {len(crosses)} more trials have no score."
    )
    if cheap_score is None:
        return words
    return f"{words} The best cheap candidate has {cheap_score:.4f}."
