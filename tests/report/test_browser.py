"""The report of a search in a real browser."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.report.pages import PageSuite
from tests.report.samples import search_result
from xautolm_core.report.folder import write_result_folder
from xautolm_core.search.contract import Objective

pytestmark = pytest.mark.browser


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
