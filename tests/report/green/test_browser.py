"""The Green AI report in a real browser."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.report.green.samples import cheap_trial
from tests.report.green.samples import report_of
from tests.report.green.samples import searches
from tests.report.green.samples import trial
from tests.report.green.test_green_report import full_basis
from tests.report.pages import PageSuite
from xautolm_core.report.green.folder import write_green_report
from xautolm_core.report.green.searches import RunFigures

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    runs = {"one": RunFigures(Path("run-1"), 1, {1: 0.84, 6: 0.77})}
    many = [trial(n, search=f"long-name-of-a-search-{n}", f1=0.5 + n / 100) for n in range(10, 30)]
    report = report_of(
        [*searches(), cheap_trial(6, f1=0.78, joules=2.0), *many], full_basis(), runs
    )
    return write_green_report(report, tmp_path_factory.mktemp("report")).page


class TestTheGreenReport(PageSuite):
    """It holds to the rules of a page."""
