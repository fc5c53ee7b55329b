"""The plot of score against cost, as an SVG that needs nothing else.

Points differ in shape as well as in colour (the palette of Okabe and Ito), so that the plot can be
read in grey and by colour-blind people.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup
from markupsafe import escape

Mark = Literal["front", "dominated", "chosen"]

_FRONT = "#0072b2"
_DOMINATED = "#6b6b6b"
_CHOSEN = "#b34700"
_BASELINE = "#00664d"
_INK = "#1a1a1a"
_GRID = "#dddddd"
_RADIUS = 5.0
_CHARACTER_WIDTH = 6.6


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


@dataclass(frozen=True)
class Frame:
    """The area of the plot in pixels and its axes in data units (cost as log10)."""

    width: float
    height: float
    left: float
    right: float
    top: float
    bottom: float
    low_cost: float
    high_cost: float
    low_score: float
    high_score: float

    def x(self, cost: float) -> float:
        """Return the pixel of a cost."""
        share = (math.log10(cost) - self.low_cost) / (self.high_cost - self.low_cost)
        return self.left + share * (self.width - self.left - self.right)

    def y(self, score: float) -> float:
        """Return the pixel of a score."""
        share = (score - self.low_score) / (self.high_score - self.low_score)
        return self.height - self.bottom - share * (self.height - self.top - self.bottom)


def front_plot(
    points: Sequence[PlotPoint],
    failed: Sequence[FailedPoint],
    *,
    baseline: float | None,
    cost_label: str,
    name: str,
    width: int = 960,
    height: int = 420,
) -> Markup:
    """Return the plot as an SVG element.

    Args:
        points: Trials with a score.
        failed: Trials without one; drawn as crosses along the lower edge.
        baseline: Score of the linear baseline, a horizontal line; None for no line.
        cost_label: Title of the x-axis, with its unit.
        name: Prefix of the element ids, unique in the page.
        width: Pixels; choose it near to what is shown, as the texts scale along.
        height: Pixels.
    """
    drawable = [p for p in points if p.cost > 0 and math.isfinite(p.score)]
    crosses = [f for f in failed if f.cost > 0]
    frame = _frame(drawable, crosses, baseline, width, height)
    parts = [*_axes(frame, cost_label)]
    if baseline is not None:
        parts.append(_baseline_line(frame, baseline))
    parts.append(_front_line(frame, [p for p in drawable if p.mark != "dominated"]))
    parts += [_cross(frame, f) for f in crosses]
    order = {"dominated": 0, "front": 1, "chosen": 2}
    parts += [_point(frame, p) for p in sorted(drawable, key=lambda p: order[p.mark])]
    parts += _labels(frame, [p for p in drawable if p.mark != "dominated"], drawable)
    description = _description(drawable, crosses, baseline, cost_label)
    return Markup(  # noqa: S704 - every text in it went through escape()
        f'<svg viewBox="0 0 {width} {height}" role="img" '
        f'aria-labelledby="{name}-title {name}-description" '
        'font-family="system-ui, sans-serif" font-size="12">'
        f'<title id="{name}-title">Score against cost of all trials</title>'
        f'<desc id="{name}-description">{escape(description)}</desc>'
        f"{''.join(parts)}</svg>"
    )


def _frame(
    points: Sequence[PlotPoint],
    crosses: Sequence[FailedPoint],
    baseline: float | None,
    width: int,
    height: int,
) -> Frame:
    costs = [p.cost for p in points] + [f.cost for f in crosses] or [1.0, 10.0]
    scores = [p.score for p in points] + ([baseline] if baseline is not None else []) or [0.0, 1.0]
    low, high = math.log10(min(costs)), math.log10(max(costs))
    cost_margin = max((high - low) * 0.06, 0.08)
    spread = max(max(scores) - min(scores), 0.02)
    return Frame(
        width,
        height,
        left=58,
        right=18,
        top=16,
        bottom=62,
        low_cost=low - cost_margin,
        high_cost=high + cost_margin,
        low_score=max(min(scores) - 0.12 * spread, 0.0) if min(scores) >= 0 else min(scores),
        high_score=max(scores) + 0.12 * spread,
    )


def _axes(frame: Frame, cost_label: str) -> list[str]:
    bottom = frame.height - frame.bottom
    right = frame.width - frame.right
    parts = []
    for score in _score_ticks(frame, at_most=6):
        y = frame.y(score)
        parts.append(_line(frame.left, y, right, y, _GRID))
        parts.append(_text(frame.left - 8, y + 4, _tick_words(score), anchor="end"))
    for cost in _cost_ticks(frame, at_most=max(int((right - frame.left) / 70), 2)):
        x = frame.x(cost)
        parts.append(_line(x, frame.top, x, bottom, _GRID))
        parts.append(_text(x, bottom + 30, _cost_words(cost), anchor="middle"))
    parts.append(_line(frame.left, bottom, right, bottom, _INK))
    parts.append(_line(frame.left, frame.top, frame.left, bottom, _INK))
    parts.append(
        _text((frame.left + right) / 2, frame.height - 10, cost_label, anchor="middle", bold=True)
    )
    middle = (frame.top + bottom) / 2
    parts.append(
        f'<text x="14" y="{middle:.1f}" fill="{_INK}" text-anchor="middle" font-weight="600" '
        f'transform="rotate(-90 14 {middle:.1f})">Macro F1 on validation</text>'
    )
    return parts


def _score_ticks(frame: Frame, *, at_most: int) -> list[float]:
    span = frame.high_score - frame.low_score
    raw = span / at_most
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * m for m in (1, 2, 2.5, 5, 10) if power * m >= raw)
    first = math.ceil(frame.low_score / step - 1e-9)
    last = math.floor(frame.high_score / step + 1e-9)
    return [index * step for index in range(first, last + 1)]


def _cost_ticks(frame: Frame, *, at_most: int) -> list[float]:
    """Return round numbers on the log axis: the densest set that does not crowd."""
    decades = range(math.floor(frame.low_cost) - 1, math.ceil(frame.high_cost) + 1)
    candidates: list[float] = []
    for multiples in ((1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9), (1, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,)):
        candidates = [
            cost
            for decade in decades
            for cost in (m * 10.0**decade for m in multiples)
            if frame.low_cost <= math.log10(cost) <= frame.high_cost
        ]
        if len(candidates) <= at_most:
            break
    return candidates[:: max(math.ceil(len(candidates) / at_most), 1)]


def _baseline_line(frame: Frame, score: float) -> str:
    y = frame.y(score)
    right = frame.width - frame.right
    return (
        f'<line x1="{frame.left:.1f}" y1="{y:.1f}" x2="{right:.1f}" y2="{y:.1f}" '
        f'stroke="{_BASELINE}" stroke-width="2" stroke-dasharray="7 5"/>'
    )


def _front_line(frame: Frame, points: Sequence[PlotPoint]) -> str:
    """Return the staircase below which nothing was found for the cost."""
    corners: list[str] = []
    best = -math.inf
    for point in sorted(points, key=lambda p: (p.cost, -p.score)):
        if point.score <= best:
            continue
        x, y = frame.x(point.cost), frame.y(point.score)
        corners.append(f"H{x:.1f} V{y:.1f}" if corners else f"M{x:.1f} {y:.1f}")
        best = point.score
    if not corners:
        return ""
    corners.append(f"H{frame.width - frame.right:.1f}")
    path = " ".join(corners)
    return f'<path d="{path}" fill="none" stroke="{_FRONT}" stroke-width="2"/>'


def _point(frame: Frame, point: PlotPoint) -> str:
    x, y = frame.x(point.cost), frame.y(point.score)
    colour = {"front": _FRONT, "dominated": _DOMINATED, "chosen": _CHOSEN}[point.mark]
    radius = _RADIUS + (2 if point.mark == "chosen" else 0)
    title = f"<title>{escape(point.title)}</title>"
    if not point.pretrained:
        r = radius + 1.5
        corners = f"{x:.1f},{y - r:.1f} {x + r:.1f},{y:.1f} {x:.1f},{y + r:.1f} {x - r:.1f},{y:.1f}"
        return (
            f'<polygon points="{corners}" fill="#ffffff" stroke="{colour}" stroke-width="2">'
            f"{title}</polygon>"
        )
    fill = "#ffffff" if point.mark == "dominated" else colour
    return (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="{fill}" stroke="{colour}" '
        f'stroke-width="2">{title}</circle>'
    )


def _cross(frame: Frame, failed: FailedPoint) -> str:
    x, y = frame.x(failed.cost), frame.height - frame.bottom + 9
    return (
        f'<path d="M{x - 4:.1f} {y - 4:.1f} l8 8 m0 -8 l-8 8" stroke="{_INK}" stroke-width="1.6" '
        f'fill="none"><title>{escape(failed.title)}</title></path>'
    )


def _labels(
    frame: Frame, labelled: Sequence[PlotPoint], obstacles: Sequence[PlotPoint]
) -> list[str]:
    """Return the trial numbers of the front, each at the first of four places that is free."""
    taken = [_box(frame.x(p.cost), frame.y(p.score), 2 * _RADIUS + 4) for p in obstacles]
    parts = []
    for point in labelled:
        words = f"#{point.number}"
        w, h = _CHARACTER_WIDTH * len(words) + 2, 13.0
        x, y = frame.x(point.cost), frame.y(point.score)
        places = (
            (x - w / 2, y - 10 - h),
            (x + 9, y - h / 2),
            (x - w / 2, y + 10),
            (x - 9 - w, y - h / 2),
        )
        for left, top in places:
            box = (left, top, left + w, top + h)
            inside = (
                left >= frame.left
                and box[2] <= frame.width
                and top >= 0
                and box[3] <= frame.height - frame.bottom
            )
            if inside and not any(_overlap(box, other) for other in taken):
                taken.append(box)
                parts.append(_text(left + 1, top + h - 3, words, anchor="start", bold=True))
                break
    return parts


def _box(x: float, y: float, size: float) -> tuple[float, float, float, float]:
    return (x - size / 2, y - size / 2, x + size / 2, y + size / 2)


def _overlap(
    one: tuple[float, float, float, float], other: tuple[float, float, float, float]
) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _line(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"/>'


def _text(
    x: float, y: float, words: str, *, anchor: str, colour: str = _INK, bold: bool = False
) -> str:
    weight = ' font-weight="600"' if bold else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" text-anchor="{anchor}"{weight} '
        # A white edge keeps the text readable where it lies on a line.
        'stroke="#ffffff" stroke-width="3" paint-order="stroke">'
        f"{escape(words)}</text>"
    )


def _tick_words(score: float) -> str:
    return f"{score:.3f}".rstrip("0").rstrip(".") if score else "0"


def _cost_words(cost: float) -> str:
    return f"{cost:g}"


def _description(
    points: Sequence[PlotPoint],
    crosses: Sequence[FailedPoint],
    baseline: float | None,
    cost_label: str,
) -> str:
    if not points:
        return "No trial has a score."
    best = max(points, key=lambda p: p.score)
    front = [p for p in points if p.mark != "dominated"]
    words = (
        f"Macro F1 on validation against {cost_label} of {len(points)} trials. "
        f"{len(front)} of them form the Pareto front. The best score is {best.score:.4f} "
        f"(trial {best.number}). {len(crosses)} more trials have no score."
    )
    return words if baseline is None else f"{words} The linear baseline has {baseline:.4f}."
