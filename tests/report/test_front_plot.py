from __future__ import annotations

import math
import re
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from xautolm_core.report.front_plot import FailedPoint
from xautolm_core.report.front_plot import PlotPoint
from xautolm_core.report.front_plot import front_plot

_POINTS = st.lists(
    st.builds(
        PlotPoint,
        number=st.integers(0, 999),
        cost=st.floats(1e-3, 1e5),
        score=st.floats(0, 1),
        mark=st.sampled_from(["front", "dominated", "chosen"]),
        pretrained=st.booleans(),
        title=st.sampled_from(["a", "<b> & \"c\" 'd'"]),
    ),
    max_size=12,
)


def _svg(
    points: list[PlotPoint], failed: list[FailedPoint], cheap_score: float | None
) -> ET.Element:
    text = front_plot(points, failed, cheap_score=cheap_score, cost_label="Seconds", name="p")
    return ET.fromstring(str(text))


@given(_POINTS, st.one_of(st.none(), st.floats(0, 1)))
def test_it_is_well_formed_and_everything_lies_inside(
    points: list[PlotPoint], cheap_score: float | None
) -> None:
    svg = _svg(points, [FailedPoint(1, 3.0, "x")], cheap_score)
    for circle in svg.iter("circle"):
        assert 0 <= float(circle.attrib["cx"]) <= 960
        assert 0 <= float(circle.attrib["cy"]) <= 420
    for text in svg.iter("text"):
        assert 0 <= float(text.attrib["x"]) <= 960
        assert 0 <= float(text.attrib["y"]) <= 420
    assert len(list(svg.iter("circle"))) + len(list(svg.iter("polygon"))) == len(points)


def test_a_better_score_is_higher_and_a_dearer_trial_further_right() -> None:
    svg = _svg(
        [
            PlotPoint(0, 2.0, 0.5, "front", True, "zero"),
            PlotPoint(1, 20.0, 0.9, "chosen", True, "one"),
            PlotPoint(2, 200.0, 0.7, "dominated", True, "two"),
        ],
        [],
        0.6,
    )
    at = {}
    for circle in svg.iter("circle"):
        title = circle.findtext("title")
        at[title] = (float(circle.attrib["cx"]), float(circle.attrib["cy"]))
    assert at["one"][1] < at["two"][1] < at["zero"][1]
    # Equal ratios are equal distances on a log axis.
    assert math.isclose(at["one"][0] - at["zero"][0], at["two"][0] - at["one"][0], abs_tol=0.2)


def test_the_front_is_a_staircase_that_never_falls() -> None:
    svg = _svg(
        [
            PlotPoint(0, 2.0, 0.5, "front", True, ""),
            PlotPoint(1, 20.0, 0.9, "chosen", True, ""),
            PlotPoint(2, 9.0, 0.7, "front", True, ""),
        ],
        [],
        None,
    )
    path = next(p.attrib["d"] for p in svg.iter("path") if p.attrib["stroke"] == "#0072b2")
    heights = [float(y) for y in re.findall(r"V([\d.]+)", path)]
    assert heights == sorted(heights, reverse=True)
    assert len(heights) == 2


def test_models_without_pretraining_have_another_shape() -> None:
    svg = _svg([PlotPoint(0, 2.0, 0.5, "dominated", False, "raw")], [], None)
    assert [p.findtext("title") for p in svg.iter("polygon")] == ["raw"]
    assert not list(svg.iter("circle"))


def test_it_says_in_words_what_it_shows() -> None:
    svg = _svg([PlotPoint(7, 2.0, 0.5, "chosen", True, "")], [FailedPoint(8, 1.0, "")], 0.25)
    words = svg.findtext("desc") or ""
    assert "1 trials" in words
    assert "0.5000 (trial 7)" in words
    assert "best cheap candidate has 0.2500" in words
    labelled = svg.attrib["aria-labelledby"].split()
    assert {element.attrib.get("id") for element in svg} >= set(labelled)
