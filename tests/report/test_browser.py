"""The report in a real browser."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.report.samples import search_result
from xautolm_core.report.folder import write_result_folder
from xautolm_core.search.contract import Objective

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not (shutil.which("chromium") and shutil.which("chromedriver")),
        reason="needs chromium and chromium-driver",
    ),
]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    name = "a_very_long_name_of_a_task_without_any_place_to_break_it_" * 2
    labels = tuple(f"class-{n}-with-a-long-name" for n in range(12))
    objectives = (Objective.F1, Objective.TIME, Objective.LATENCY)
    write_result_folder(search_result(folder, task_name=name, labels=labels, objectives=objectives))
    return folder / "report.html"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--hide-scrollbars",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = webdriver.ChromeService(executable_path=shutil.which("chromedriver"))
    driver = webdriver.Chrome(options=options, service=service)
    yield driver
    driver.quit()


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_overflows_and_nothing_is_asked_of_the_network(
    browser: Any, page: Path, width: int
) -> None:
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.get_log("browser")
    browser.get_log("performance")
    browser.get(page.as_uri())
    assert browser.execute_script("return window.innerWidth") == width
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    # What is wider than the page must sit in a box that scrolls by itself.
    outside = browser.execute_script(
        """
        return [...document.querySelectorAll('body *')]
          .filter(e => !e.closest('.scroll') && !e.closest('svg') && e.offsetParent !== null)
          .filter(e => e.getBoundingClientRect().right > window.innerWidth + 1)
          .map(e => e.tagName + '.' + e.className);
        """
    )
    assert outside == []
    assert browser.get_log("browser") == []
    requests = [
        entry["message"]
        for entry in browser.get_log("performance")
        if '"Network.requestWillBeSent"' in entry["message"]
    ]
    assert requests
    assert all('"url":"file://' in r or '"url":"data:' in r for r in requests)


@pytest.mark.parametrize(("width", "shown"), [(1280, ".wide-plot"), (390, ".narrow")])
def test_the_plot_is_readable_at_every_width(
    browser: Any, page: Path, width: int, shown: str
) -> None:
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.get(page.as_uri())
    sizes = browser.execute_script(
        """
        return [...document.querySelectorAll(arguments[0] + ' svg text')]
          .map(t => t.getBoundingClientRect())
          .map(r => [r.left, r.right, r.top, r.bottom]);
        """,
        shown,
    )
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
