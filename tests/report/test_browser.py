"""The report of a search in a real browser."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from tests.report.pages import PageSuite
from tests.report.pages import show
from tests.report.samples import explained_trials
from tests.report.samples import search_result
from xautolm_core.report.folder import write_result_folder
from xautolm_core.search.contract import Objective

pytestmark = pytest.mark.browser

_WARNINGS = (
    "12 of 240 test rows also stand in train: scores on test will flatter",
    "class 'rare' has few different texts (1 in train, 1 in validation, 1 in test): one test text"
    " moves its recall by 100 points",
    "the classes 'caf\\xe9' (60 rows) and 'cafe\\u0301' (60 rows) differ in Unicode form alone",
)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    name = "a_very_long_name_of_a_task_without_any_place_to_break_it_" * 2
    labels = tuple(f"class-{n}-with-a-long-name" for n in range(12))
    objectives = (Objective.F1, Objective.TIME, Objective.LATENCY)
    write_result_folder(search_result(folder, task_name=name, labels=labels, objectives=objectives))
    return folder / "report.html"


class TestTheReportOfASearch(PageSuite):
    """It holds to the rules of a page."""


class TestAReportOfLongClassNames(PageSuite):
    """Names of 300 characters, with and without a place to break, wrap."""

    @pytest.fixture(scope="class", params=[12, 40])
    @classmethod
    def page(cls, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
        folder = tmp_path_factory.mktemp("long")
        count = request.param
        labels = tuple(
            (f"{n}" + "n" * 300 if n % 2 else f"{n} a long label that goes on" * 12)[:300]
            for n in range(count)
        )
        result = search_result(folder, labels=labels)
        warnings = [f"{n} rows of '{labels[n]}' also stand in test" for n in range(3)]
        task = {**result.task, "warnings": warnings}
        write_result_folder(dataclasses.replace(result, task=task))
        return folder / "report.html"

    @pytest.mark.parametrize("width", [390, 1280])
    def test_no_name_makes_a_table_wide_or_a_row_tall(
        self, browser: Any, page: Path, width: int
    ) -> None:
        show(browser, page, width)
        sizes = browser.execute_script(
            """
            return [...document.querySelectorAll('.long')]
              .map(e => e.getBoundingClientRect()).map(r => [r.width, r.height]);
            """
        )
        assert sizes
        assert all(100 <= wide <= width and high <= 700 for wide, high in sizes)


@pytest.mark.parametrize("width", [390, 1280])
def test_warnings_of_the_data_are_on_the_first_screen(
    browser: Any, tmp_path: Path, width: int
) -> None:
    write_result_folder(search_result(tmp_path, warnings=_WARNINGS))
    show(browser, tmp_path / "report.html", width)
    bottoms = browser.execute_script(
        "return [...document.querySelector('.warnings').querySelectorAll('li')]"
        ".map(e => e.getBoundingClientRect().bottom);"
    )
    assert len(bottoms) == len(_WARNINGS)
    assert max(bottoms) <= 844


class TestAReportOfExplainedTrials(PageSuite):
    """Many objectives, and tasks with names of any length."""

    @pytest.fixture(scope="class")
    @classmethod
    def page(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        folder = tmp_path_factory.mktemp("explained")
        tasks = ("n" * 100, "a long name of a task that goes on " * 3, "short")
        write_result_folder(search_result(folder, records=explained_trials(tasks)))
        return folder / "report.html"

    @pytest.mark.parametrize("width", [390, 1280])
    def test_no_row_is_tall(self, browser: Any, page: Path, width: int) -> None:
        show(browser, page, width)
        heights = browser.execute_script(
            "return [...document.querySelector('#why ~ .scroll').querySelectorAll('tbody tr')]"
            ".map(e => e.getBoundingClientRect().height);"
        )
        assert len(heights) == 7
        assert max(heights) <= 320
