"""What every page has to hold to, looked at in a real browser."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import html5lib


class PageSuite:
    """The rules of a page. A suite of a page has a fixture ``page`` that returns its file."""

    def test_it_is_valid_html(self, page: Path) -> None:
        # Strict: the first error of the standard's own parsing algorithm is raised.
        html5lib.HTMLParser(strict=True).parse(page.read_text("utf-8"))

    def test_nothing_overflows_at_1280_pixels(self, browser: Any, page: Path) -> None:
        assert_fits(browser, page, 1280)

    def test_nothing_overflows_at_390_pixels(self, browser: Any, page: Path) -> None:
        assert_fits(browser, page, 390)

    def test_nothing_is_asked_of_the_network(self, browser: Any, page: Path) -> None:
        show(browser, page, 1280)
        assert browser.get_log("browser") == []
        requests = [
            entry["message"]
            for entry in browser.get_log("performance")
            if '"Network.requestWillBeSent"' in entry["message"]
        ]
        assert requests
        assert all('"url":"file://' in r or '"url":"data:' in r for r in requests)

    def test_texts_of_plots_do_not_overlap_at_1280_pixels(self, browser: Any, page: Path) -> None:
        assert_plots_readable(browser, page, 1280, ".wide-plot")

    def test_texts_of_plots_do_not_overlap_at_390_pixels(self, browser: Any, page: Path) -> None:
        assert_plots_readable(browser, page, 390, ".narrow")

    def test_no_text_lies_upon_another(self, browser: Any, page: Path) -> None:
        for width in (1280, 390):
            show(browser, page, width)
            assert browser.execute_script(_OVERLAPS) == []

    def test_it_prints_all_of_it(self, browser: Any, page: Path) -> None:
        show(browser, page, 1280)
        printed = browser.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})
        content = base64.b64decode(printed["data"])
        assert content.startswith(b"%PDF")
        # Boxes that scroll on a screen would lose on paper what does not fit.
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
        cut = browser.execute_script(
            """
            return [...document.querySelectorAll('.scroll')]
              .filter(e => getComputedStyle(e).overflowX !== 'visible').length;
            """
        )
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
        assert cut == 0


# Words of headings, paragraphs, lists and tiles: those of tables lie in boxes of their own.
_OVERLAPS = """
const boxes = [...document.querySelectorAll('h1, h2, h3, p, li, .tile, .scroll, .bar, figure, pre')]
  .filter(e => e.offsetParent !== null && e.innerText.trim() !== '')
  .map(e => [e, e.getBoundingClientRect()]);
const found = [];
for (let i = 0; i < boxes.length; i++)
  for (let j = i + 1; j < boxes.length; j++) {
    const [a, r] = boxes[i], [b, s] = boxes[j];
    if (a.contains(b) || b.contains(a)) continue;
    const wide = Math.min(r.right, s.right) - Math.max(r.left, s.left);
    const high = Math.min(r.bottom, s.bottom) - Math.max(r.top, s.top);
    if (wide > 1 && high > 1) found.push([a.innerText.slice(0, 40), b.innerText.slice(0, 40)]);
  }
return found;
"""


def show(browser: Any, page: Path, width: int) -> None:
    """Load a page at a width; what was logged before is gone."""
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.get_log("browser")
    browser.get_log("performance")
    browser.get(page.as_uri())
    assert browser.execute_script("return window.innerWidth") == width


def assert_fits(browser: Any, page: Path, width: int) -> None:
    """Nothing is wider than the page, unless it sits in a box that scrolls by itself."""
    show(browser, page, width)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    outside = browser.execute_script(
        """
        return [...document.querySelectorAll('body *')]
          .filter(e => !e.closest('.scroll') && !e.closest('svg') && e.offsetParent !== null)
          .filter(e => e.getBoundingClientRect().right > window.innerWidth + 1)
          .map(e => e.tagName + '.' + e.className);
        """
    )
    assert outside == []


def assert_plots_readable(browser: Any, page: Path, width: int, shown: str) -> None:
    """The texts of each plot are large enough, within the page, and not upon each other."""
    show(browser, page, width)
    plots = browser.execute_script(
        """
        return [...document.querySelectorAll(arguments[0] + ' svg')].map(
          svg => [...svg.querySelectorAll('text')]
            .map(t => t.getBoundingClientRect())
            .map(r => [r.left, r.right, r.top, r.bottom]));
        """,
        shown,
    )
    assert plots
    for sizes in plots:
        assert sizes
        assert all(bottom - top >= 9 for _, _, top, bottom in sizes)
        assert all(left >= 0 and right <= width for left, right, _, _ in sizes)
        overlapping = [
            (one, other)
            for i, one in enumerate(sizes)
            for other in sizes[i + 1 :]
            if one[0] < other[1] - 1
            and other[0] < one[1] - 1
            and one[2] < other[3] - 3
            and other[2] < one[3] - 3
        ]
        assert overlapping == []
