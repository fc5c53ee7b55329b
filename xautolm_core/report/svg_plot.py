"""Parts of the plots in reports: SVG that needs nothing else.

Colours are those of Okabe and Ito's palette; what they tell apart differs in shape as well, so that
plots can be read in grey and by colour-blind people.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup
from markupsafe import escape

FRONT = "#0072b2"
DOMINATED = "#6b6b6b"
CHOSEN = "#b34700"
CHEAP = "#00664d"
INK = "#1a1a1a"
RADIUS = 5.0
SCORE_TITLE = "macro F1"
"""What a score is called, unless a caller says so."""
_GRID = "#dddddd"
_CHARACTER_WIDTH = 6.6
_LABEL_HEIGHT = 13.0
# A place for each tick of this many pixels.
_TICK_WIDTH = 70

Places = Callable[[float, float, float, float], Sequence[tuple[float, float]]]
"""Where a label may stand: from x and y of its point, its width and height to left upper corners,
in the order of preference. All in pixels."""


@dataclass(frozen=True)
class Frame:
    """The area of a plot in pixels, and its axes in data units.

    Attributes:
        low_x: Left end of the x-axis; as log10 if ``log_x``.
        high_x: Right end likewise.
        low_score: Lower end of the y-axis.
        high_score: Upper end.
        log_x: Whether the x-axis is logarithmic.
    """

    width: float
    height: float
    low_x: float
    high_x: float
    low_score: float
    high_score: float
    log_x: bool = False
    left: float = 58
    right_margin: float = 18
    top: float = 16
    bottom_margin: float = 62

    @property
    def right(self) -> float:
        """Pixel of the right edge."""
        return self.width - self.right_margin

    @property
    def bottom(self) -> float:
        """Pixel of the lower edge."""
        return self.height - self.bottom_margin

    @property
    def most_ticks(self) -> int:
        """Ticks of the x-axis that do not crowd."""
        return max(int((self.right - self.left) / _TICK_WIDTH), 2)

    def x(self, value: float) -> float:
        """Return the pixel of a value on the x-axis."""
        drawn = math.log10(value) if self.log_x else value
        return self.left + (drawn - self.low_x) / (self.high_x - self.low_x) * (
            self.right - self.left
        )

    def y(self, score: float) -> float:
        """Return the pixel of a score."""
        share = (score - self.low_score) / (self.high_score - self.low_score)
        return self.bottom - share * (self.bottom - self.top)


def score_limits(scores: Sequence[float]) -> tuple[float, float]:
    """Return the ends of a y-axis on which some scores have room above and below."""
    low, high = (min(scores), max(scores)) if scores else (0.0, 1.0)
    margin = 0.12 * max(high - low, 0.02)
    return max(low - margin, 0.0) if low >= 0 else low, high + margin


def svg(frame: Frame, parts: Sequence[str], *, name: str, title: str, description: str) -> Markup:
    """Return an SVG element with what it shows in words.

    Args:
        frame: Gives its size.
        parts: Its elements; all texts in them are escaped.
        name: Prefix of the element ids, unique in the page.
        title: What it is.
        description: What it shows, for those who cannot see it.
    """
    return Markup(  # noqa: S704 - every text in it went through escape()
        f'<svg viewBox="0 0 {frame.width} {frame.height}" role="img" '
        f'aria-labelledby="{name}-title {name}-description" '
        'font-family="system-ui, sans-serif" font-size="12">'
        f'<title id="{name}-title">{escape(title)}</title>'
        f'<desc id="{name}-description">{escape(description)}</desc>'
        f"{''.join(parts)}</svg>"
    )


def on_validation(score_title: str) -> str:
    """Return the title of the axis of scores, such as ``Macro F1 on validation``."""
    return f"{score_title[:1].upper()}{score_title[1:]} on validation"


def axes(
    frame: Frame,
    ticks: Sequence[tuple[float, str]],
    label: str,
    *,
    score_title: str = SCORE_TITLE,
) -> list[str]:
    """Return both axes with their grid.

    Args:
        frame: The area.
        ticks: Values on the x-axis with their words.
        label: Title of the x-axis, with its unit.
        score_title: What the score is called.
    """
    parts = []
    for score in round_numbers(frame.low_score, frame.high_score, at_most=6):
        y = frame.y(score)
        parts.append(_line(frame.left, y, frame.right, y, _GRID))
        parts.append(text(frame.left - 8, y + 4, _tick_words(score), anchor="end"))
    for value, words in ticks:
        x = frame.x(value)
        parts.append(_line(x, frame.top, x, frame.bottom, _GRID))
        parts.append(text(x, frame.bottom + 30, words, anchor="middle"))
    parts.append(_line(frame.left, frame.bottom, frame.right, frame.bottom, INK))
    parts.append(_line(frame.left, frame.top, frame.left, frame.bottom, INK))
    middle_x, middle_y = (frame.left + frame.right) / 2, (frame.top + frame.bottom) / 2
    parts.append(text(middle_x, frame.height - 10, label, anchor="middle", bold=True))
    parts.append(
        f'<text x="14" y="{middle_y:.1f}" fill="{INK}" text-anchor="middle" font-weight="600" '
        f'transform="rotate(-90 14 {middle_y:.1f})">{escape(on_validation(score_title))}</text>'
    )
    return parts


def round_numbers(low: float, high: float, *, at_most: int) -> list[float]:
    """Return round numbers at equal distances between two ends, about ``at_most`` of them."""
    raw = (high - low) / at_most
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * m for m in (1, 2, 2.5, 5, 10) if power * m >= raw)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [index * step for index in range(first, last + 1)]


def cheap_line(frame: Frame, score: float) -> str:
    """Return the dashed line of the best cheap candidate's score."""
    y = frame.y(score)
    return (
        f'<line x1="{frame.left:.1f}" y1="{y:.1f}" x2="{frame.right:.1f}" y2="{y:.1f}" '
        f'stroke="{CHEAP}" stroke-width="2" stroke-dasharray="7 5"/>'
    )


def staircase(frame: Frame, corners: Sequence[tuple[float, float]]) -> str:
    """Return the line of the best score so far, from the left to the right edge.

    Args:
        frame: The area.
        corners: x-values and scores where it rises, from the left.
    """
    if not corners:
        return ""
    points = [(frame.x(value), frame.y(score)) for value, score in corners]
    x, y = points[0]
    steps = [f"M{x:.1f} {y:.1f}", *(f"H{x:.1f} V{y:.1f}" for x, y in points[1:])]
    path = " ".join([*steps, f"H{frame.right:.1f}"])
    return f'<path d="{path}" fill="none" stroke="{FRONT}" stroke-width="2"/>'


def disc(x: float, y: float, radius: float, *, colour: str, fill: str, title: str) -> str:
    """Return a circle with what is said of it to those who point at it."""
    return (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="{fill}" stroke="{colour}" '
        f'stroke-width="2"><title>{escape(title)}</title></circle>'
    )


def diamond(x: float, y: float, radius: float, *, colour: str, title: str) -> str:
    """Return a hollow diamond with what is said of it to those who point at it."""
    r = radius
    corners = f"{x:.1f},{y - r:.1f} {x + r:.1f},{y:.1f} {x:.1f},{y + r:.1f} {x - r:.1f},{y:.1f}"
    return (
        f'<polygon points="{corners}" fill="#ffffff" stroke="{colour}" stroke-width="2">'
        f"<title>{escape(title)}</title></polygon>"
    )


def cross(x: float, y: float, title: str) -> str:
    """Return a cross with what is said of it to those who point at it."""
    return (
        f'<path d="M{x - 4:.1f} {y - 4:.1f} l8 8 m0 -8 l-8 8" stroke="{INK}" stroke-width="1.6" '
        f'fill="none"><title>{escape(title)}</title></path>'
    )


def labels(
    frame: Frame,
    labelled: Sequence[tuple[float, float, str]],
    obstacles: Sequence[tuple[float, float]],
    places: Places,
) -> list[str]:
    """Return the labels of points, each at the first of its places that is free.

    One without a free place is left out.

    Args:
        frame: The area that they must not leave.
        labelled: Pixels of the points, with the words.
        obstacles: Pixels of all points.
        places: Where a label may stand.
    """
    size = RADIUS + 2
    taken = [(x - size, y - size, x + size, y + size) for x, y in obstacles]
    parts = []
    for x, y, words in labelled:
        w = _CHARACTER_WIDTH * len(words) + 2
        for left, top in places(x, y, w, _LABEL_HEIGHT):
            box = (left, top, left + w, top + _LABEL_HEIGHT)
            inside = (
                left >= frame.left and box[2] <= frame.width and top >= 0 and box[3] <= frame.bottom
            )
            if inside and not any(_overlap(box, other) for other in taken):
                taken.append(box)
                baseline = top + _LABEL_HEIGHT - 3
                parts.append(text(left + 1, baseline, words, anchor="start", bold=True))
                break
    return parts


def text(x: float, y: float, words: str, *, anchor: str, bold: bool = False) -> str:
    """Return words at a place; ``anchor`` is ``start``, ``middle`` or ``end``."""
    weight = ' font-weight="600"' if bold else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" fill="{INK}" text-anchor="{anchor}"{weight} '
        # A white edge keeps the text readable where it lies on a line.
        'stroke="#ffffff" stroke-width="3" paint-order="stroke">'
        f"{escape(words)}</text>"
    )


def _overlap(
    one: tuple[float, float, float, float], other: tuple[float, float, float, float]
) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _line(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"/>'


def _tick_words(score: float) -> str:
    return f"{score:.3f}".rstrip("0").rstrip(".") if score else "0"
