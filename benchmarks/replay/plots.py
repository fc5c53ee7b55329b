"""Curves of the mean hypervolume over the trials, as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from markupsafe import Markup
from markupsafe import escape

from benchmarks.replay.arms import ARMS
from xautolm_core.report.svg_plot import INK
from xautolm_core.report.svg_plot import Frame
from xautolm_core.report.svg_plot import round_numbers
from xautolm_core.report.svg_plot import svg
from xautolm_core.report.svg_plot import text

if TYPE_CHECKING:
    from benchmarks.replay.results import Cell

# Okabe and Ito's palette; lines beyond it are dashed, so that they differ in grey, too.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#1a1a1a")
_DASHES = ("", "7 4", "2 3")
_GRID = "#dddddd"
_LEGEND_WIDTH = 340.0
_LINE_HEIGHT = 17.0


def curves(cells: Sequence[Cell], *, name: str, title: str) -> Markup:
    """Return a plot of the mean hypervolume after each trial, a line an arm.

    Args:
        cells: The arms' searches.
        name: Prefix of the element ids, unique in the page.
        title: What it shows.
    """
    found = {cell.arm: cell.curve() for cell in cells}
    longest = max(len(curve) for curve in found.values())
    frame = Frame(
        width=960,
        height=max(380, 60 + _LINE_HEIGHT * len(cells)),
        low_x=1,
        high_x=max(longest, 2),
        low_score=0.0,
        high_score=max(max(float(curve.max()) for curve in found.values()) * 1.05, 0.1),
        right_margin=_LEGEND_WIDTH,
    )
    parts = _axes(frame, longest)
    by_end = sorted(found, key=lambda arm: -float(found[arm].mean()))
    for place, arm in enumerate(by_end):
        curve = found[arm]
        points = " ".join(
            f"{frame.x(i + 1):.1f},{frame.y(float(v)):.1f}" for i, v in enumerate(curve)
        )
        style = _style(arm)
        label = f"{ARMS[arm].title}: mean {float(curve.mean()):.3f}".replace("`", "")
        parts.append(
            f'<polyline points="{points}" fill="none" {style}><title>{escape(label)}</title>'
            "</polyline>"
        )
        y = frame.top + 10 + _LINE_HEIGHT * place
        parts.append(
            f'<line x1="{frame.right + 12}" y1="{y}" x2="{frame.right + 36}" y2="{y}" {style}/>'
        )
        parts.append(text(frame.right + 42, y + 4, label, anchor="start"))
    described = f"Mean hypervolume after each of {longest} trials of {len(cells)} arms"
    return svg(frame, parts, name=name, title=title, description=described)


def _axes(frame: Frame, longest: int) -> list[str]:
    parts = []
    for value in round_numbers(frame.low_score, frame.high_score, at_most=8):
        y = frame.y(value)
        parts.append(_line(frame.left, y, frame.right, y, _GRID))
        parts.append(text(frame.left - 8, y + 4, f"{value:.1f}", anchor="end"))
    for number in round_numbers(1, longest, at_most=8):
        x = frame.x(number)
        parts.append(text(x, frame.bottom + 20, f"{number:.0f}", anchor="middle"))
    parts.append(_line(frame.left, frame.bottom, frame.right, frame.bottom, INK))
    parts.append(_line(frame.left, frame.top, frame.left, frame.bottom, INK))
    middle = (frame.left + frame.right) / 2
    parts.append(text(middle, frame.height - 12, "Trials that ended", anchor="middle", bold=True))
    return parts


def _style(arm: str) -> str:
    """Return how the line of an arm is drawn; the same arm has the same line in all plots."""
    index = list(ARMS).index(arm)
    width = 4 if ARMS[arm].group == "guarded" else 2
    colour = _COLOURS[index % len(_COLOURS)]
    dash = _DASHES[index // len(_COLOURS) % len(_DASHES)]
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return f'stroke="{colour}" stroke-width="{width}"{dashed}'


def _line(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"/>'
