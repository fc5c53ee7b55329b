"""The view of a result in a notebook: a few lines, the front and the plot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xautolm_core.report.document import chosen_trial
from xautolm_core.report.document import front_by_time
from xautolm_core.report.document import is_untrained
from xautolm_core.report.document import task_name
from xautolm_core.report.plots import search_plots
from xautolm_core.report.templating import template_environment
from xautolm_core.report.verdict import verdict
from xautolm_core.search.records import model_score

if TYPE_CHECKING:
    from xautolm_core.search.contract import SearchResult


def result_snippet(result: SearchResult) -> str:
    """Return HTML to embed in another page, without styles of its own.

    Args:
        result: The result of the search.
    """
    best = chosen_trial(result)
    template = template_environment(escape_html=True).get_template("snippet.html.j2")
    text: str = template.render(
        result=result,
        task=task_name(result),
        best=best,
        validation=None if best is None else model_score(best),
        best_untrained=best is not None and is_untrained(result, best.configuration),
        verdict=verdict(result),
        front=front_by_time(result),
        plot=search_plots(result).get("time"),
        notes=list(dict.fromkeys(result.notes)),
    )
    return text
