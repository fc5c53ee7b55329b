"""The report page: one HTML file that needs no network and no script."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from xautolm_core.report.page_context import page_context
from xautolm_core.report.templating import template_environment

if TYPE_CHECKING:
    from xautolm_core.search.contract import SearchResult


def report_page(result: SearchResult, *, written_at: datetime | None = None) -> str:
    """Return the report of a search as a self-contained HTML page.

    Args:
        result: What the search came to.
        written_at: Time of the report (UTC); now if None.
    """
    template = template_environment(escape_html=True).get_template("report.html.j2")
    text: str = template.render(page_context(result, written_at=written_at))
    return text
