"""The report page: one HTML file that needs no network and no script."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from datetime import UTC
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

from xautolm_core import __version__
from xautolm_core.records.methods import is_cheap
from xautolm_core.report.accounting import account_time
from xautolm_core.report.accounting import failure_groups
from xautolm_core.report.document import best_cheap_trial
from xautolm_core.report.document import chosen_trial
from xautolm_core.report.document import front_by_time
from xautolm_core.report.document import is_untrained
from xautolm_core.report.document import scores_on_test
from xautolm_core.report.document import task_name
from xautolm_core.report.outcome_colours import OUTCOME_COLOURS
from xautolm_core.report.plots import cheap_score
from xautolm_core.report.plots import cost_plots
from xautolm_core.report.plots import curve_plots
from xautolm_core.report.predictions import amount_words
from xautolm_core.report.predictions import came_to
from xautolm_core.report.predictions import hits_words
from xautolm_core.report.predictions import interval_words
from xautolm_core.report.predictions import kinds_words
from xautolm_core.report.predictions import objective_words
from xautolm_core.report.predictions import objectives_of
from xautolm_core.report.predictions import structure_words
from xautolm_core.report.predictions import task_words
from xautolm_core.report.score_curve import score_curve
from xautolm_core.report.task_parts import report_parts
from xautolm_core.report.templating import template_environment
from xautolm_core.report.verdict import verdict
from xautolm_core.report.wording import UNMETERED
from xautolm_core.search.contract import Objective
from xautolm_core.tasks.task_type import primary_score

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xautolm_core.search.contract import SearchResult
    from xautolm_core.search.contract import TrialRecord
    from xautolm_core.search.explanation import TrialExplanation


SHOWN_TRIALS = 300
SHOWN_TASKS = 3
_ANY_RUN = "RUN"
# The folders of an absolute path; what follows is a name.
_FOLDERS = re.compile(r"(?<![\w.:/])/(?:[^\s/'\"]+/)+")


def page_context(result: SearchResult, *, written_at: datetime | None = None) -> dict[str, Any]:
    """Return the values of the report's template.

    Args:
        result: The result of the search.
        written_at: Time of the report (UTC); now if None.
    """
    best, cheap = chosen_trial(result), best_cheap_trial(result)
    parts, title = report_parts(result), result.primary.title
    curve = score_curve(result)
    data_warnings = list(dict.fromkeys(result.task.get("warnings") or ()))
    run = shlex.quote(str(result.out_folder))
    return {
        "result": result,
        "task": task_name(result),
        "parts": parts,
        "tile": parts.tile(result),
        "primary_title": title[:1].upper() + title[1:],
        "rows": dict(result.task.get("rows") or {}),
        "data_warnings": data_warnings,
        "warnings": [n for n in dict.fromkeys(result.notes) if n not in data_warnings],
        "best": best,
        "best_untrained": best is not None and is_untrained(result, best.configuration),
        "best_is_cheap": best is not None and is_cheap(best.configuration.method),
        "cheap": cheap,
        "cheap_validation": cheap_score(result),
        "cheap_test": None if cheap is None else scores_on_test(result).get(cheap.number),
        "curve": curve,
        "curve_plots": curve_plots(result, curve),
        "front": front_by_time(result),
        "unmetered": _unmetered(result),
        "verdict": verdict(result),
        "plots": cost_plots(result),
        "reasons": _reasons(result),
        "trials": _shown_trials(result),
        "hidden_trials": max(len(result.trials) - SHOWN_TRIALS, 0),
        "any_reused": any(r.result.reused_seconds > 0 for r in result.trials),
        "any_untrained": any(is_untrained(result, r.configuration) for r in result.trials),
        "failures": failure_groups(result.trials),
        "account": account_time(result),
        "colours": OUTCOME_COLOURS,
        "untrained": lambda record: is_untrained(result, record.configuration),
        "wall_seconds": lambda record: record.result.wall_seconds,
        "predict_command": f"xautolm predict {run} {parts.predict_options}",
        "resume_command": f"xautolm search --resume {run}",
        "version": __version__,
        "versions": _versions(result, best),
        "written_at": (written_at or datetime.now(UTC)).strftime("%Y-%m-%d %H:%M UTC"),
    }


def _shown_trials(result: SearchResult) -> list[TrialRecord]:
    """Return the trials of the table by number; of very many only those with the best scores."""
    if len(result.trials) <= SHOWN_TRIALS:
        return list(result.trials)
    ranked = sorted(result.trials, key=lambda r: (not r.on_front, -_score(r), r.number))
    return sorted(ranked[:SHOWN_TRIALS], key=lambda r: r.number)


def _reasons(result: SearchResult) -> dict[str, Any] | None:
    """Return the sampler's predictions for each trial; None if it made none."""
    explained = [
        (record, record.explanation)
        for record in _shown_trials(result)
        if record.explanation is not None
    ]
    if not explained:
        return None
    objectives = objectives_of(explanation for _, explanation in explained)
    failures = [one.failure_probability for _, one in explained]
    return {
        "objectives": [objective_words(name, result) for name in objectives],
        "has_failures": any(probability is not None for probability in failures),
        "hits": hits_words(result.trials, result.primary.title),
        "rows": [_reason(result, record, one, objectives) for record, one in explained],
    }


def _reason(
    result: SearchResult,
    record: TrialRecord,
    explanation: TrialExplanation,
    objectives: Sequence[str],
) -> dict[str, Any]:
    actual = came_to(record.result)
    cells = []
    for name in objectives:
        one = explanation.predictions.get(name)
        cells.append(
            {
                "median": "" if one is None else amount_words(name, one.median),
                "interval": "" if one is None else interval_words(name, one),
                "came_to": "" if one is None else amount_words(name, actual.get(name)),
            }
        )
    return {
        "record": record,
        "cells": cells,
        "failure": explanation.failure_probability,
        "kinds": kinds_words(explanation),
        "structures": {
            objective_words(name, result): structure_words(weights)
            for name, weights in explanation.structures.items()
        },
        "tasks": ", ".join(map(task_words, explanation.nearest_tasks[:SHOWN_TASKS])),
    }


def _score(record: TrialRecord) -> float:
    score = primary_score(record.result.scores)
    return score.value if score else float("-inf")


def _versions(result: SearchResult, best: TrialRecord | None) -> dict[str, str]:
    """Return the software versions of the chosen trial, else of any, without xautolm's own."""
    of_trials = (dict(r.result.versions) for r in result.trials if r.result.versions)
    versions = dict(best.result.versions) if best else next(of_trials, {})
    return {name: version for name, version in versions.items() if name != "xautolm"}


def _unmetered(result: SearchResult) -> str:
    """Return the note for an energy objective without any reading, else an empty text."""
    is_asked = Objective.ENERGY in result.spec.objectives
    return UNMETERED if is_asked and not any(r.result.energy for r in result.trials) else ""


def report_page(result: SearchResult, *, written_at: datetime | None = None) -> str:
    """Return the report of a search as a self-contained HTML page.

    Args:
        result: The result of the search.
        written_at: Time of the report (UTC); now if None.
    """
    template = template_environment(escape_html=True).get_template("report.html.j2")
    text: str = template.render(page_context(result, written_at=written_at))
    return text


def shared_page(result: SearchResult, *, written_at: datetime | None = None) -> str:
    """Return the report for those who may not see the task's texts.

    It has no examples of the test split, and no places of the machine that searched.

    Args:
        result: The result of the search.
        written_at: Time of the report (UTC); now if None.
    """

    def placeless(text: str) -> str:
        return _FOLDERS.sub("", text.replace(str(result.out_folder), _ANY_RUN))

    warnings = [placeless(one) for one in result.task.get("warnings") or ()]
    space = result.spec.space
    is_own = "\n" in space or "/" in space
    shared = replace(
        result,
        spec=result.spec.model_copy(update={"space": "own"}) if is_own else result.spec,
        out_folder=Path(_ANY_RUN),
        task={**result.task, "warnings": warnings},
        test=None if result.test is None else result.test.without_texts(),
        notes=[placeless(one) for one in result.notes],
    )
    return report_page(shared, written_at=written_at)
