"""The plots of a search: score against what is traded for it, and over the time of the search."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING
from typing import Any

from xautolm_core.records.outcome import Outcome
from xautolm_core.report.document import best_cheap_trial
from xautolm_core.report.document import is_untrained
from xautolm_core.report.front_plot import FailedPoint
from xautolm_core.report.front_plot import PlotPoint
from xautolm_core.report.front_plot import front_plot
from xautolm_core.report.score_curve import curve_plot
from xautolm_core.report.score_curve import score_curve
from xautolm_core.report.wording import configuration_words
from xautolm_core.report.wording import joules_words
from xautolm_core.report.wording import outcome_words
from xautolm_core.report.wording import score_words
from xautolm_core.report.wording import seconds_words
from xautolm_core.search.contract import Objective
from xautolm_core.search.records import model_score
from xautolm_core.tasks.task_type import primary_score

if TYPE_CHECKING:
    from collections.abc import Callable

    from markupsafe import Markup

    from xautolm_core.report.score_curve import ScoreCurve
    from xautolm_core.search.contract import SearchResult
    from xautolm_core.search.contract import TrialRecord

_SIZES = {"wide": (960, 420), "narrow": (360, 340)}
_CURVE_SIZES = {"wide": (960, 340), "narrow": (360, 320)}


def search_plots(result: SearchResult) -> Mapping[str, Markup]:
    """Return name to plot, in the wide form: a plot a cost, and ``curve``; without empty ones."""
    found = {one["name"]: one["wide"] for one in cost_plots(result) if not one["empty"]}
    curve = curve_plots(result, score_curve(result))
    return {**found, "curve": curve["wide"]} if curve else found


def cost_plots(result: SearchResult) -> list[dict[str, Any]]:
    """Return a plot per cost objective, each in a wide and a narrow form."""
    label = "Training and evaluation (seconds, log scale)"
    costs: list[tuple[str, str, Callable[[TrialRecord], float | None]]] = [
        ("time", label, lambda r: r.result.comparable_seconds)
    ]
    if Objective.LATENCY in result.spec.objectives:
        costs.append(("latency", "Inference (ms a text, log scale)", lambda r: r.result.latency_ms))
    if Objective.ENERGY in result.spec.objectives:
        label = "Energy of training and evaluation (joules, log scale)"
        costs.append(("energy", label, lambda r: r.result.comparable_joules))
    return [_plot(result, name, label, cost) for name, label, cost in costs]


def _plot(
    result: SearchResult,
    name: str,
    cost_label: str,
    cost_of: Callable[[TrialRecord], float | None],
) -> dict[str, Any]:
    points: list[PlotPoint] = []
    failed: list[FailedPoint] = []
    for record in result.trials:
        cost = cost_of(record)
        if cost is None or cost <= 0:
            continue
        words = f"Trial {record.number}: {configuration_words(record.configuration)}"
        score = primary_score(record.result.scores)
        if record.result.outcome is not Outcome.OK or score is None:
            how = outcome_words(record.result.outcome)
            failed.append(FailedPoint(record.number, cost, f"{words}; {how}"))
            continue
        untrained = is_untrained(result, record.configuration)
        measured = f"{result.primary.title} {score_words(score.value)}, {_cost_words(name, cost)}"
        points.append(
            PlotPoint(
                record.number,
                cost,
                score.value,
                "chosen"
                if record.number == result.best
                else "front"
                if record.on_front
                else "dominated",
                not untrained,
                f"{words}; {measured}{' (not pretrained)' if untrained else ''}",
            )
        )
    return {
        "name": name,
        "failed": len(failed),
        "empty": not points,
        **{
            form: front_plot(
                points,
                failed,
                cheap_score=cheap_score(result),
                cost_label=cost_label
                if form == "wide"
                else cost_label.replace("Training and evaluation", "Train and evaluate"),
                name=f"{name}-{form}",
                score_title=result.primary.title,
                width=width,
                height=height,
            )
            for form, (width, height) in _SIZES.items()
        },
    }


def curve_plots(result: SearchResult, curve: ScoreCurve) -> dict[str, Markup]:
    """Return the curve in a wide and a narrow form; nothing if no trial has a score."""
    if not curve.improvements:
        return {}
    return {
        form: curve_plot(
            curve,
            cheap_score=cheap_score(result),
            chosen=result.best,
            name=f"curve-{form}",
            width=width,
            height=height,
        )
        for form, (width, height) in _CURVE_SIZES.items()
    }


def cheap_score(result: SearchResult) -> float | None:
    """Return the score on validation of the best cheap candidate; None if none gave a model."""
    cheap = best_cheap_trial(result)
    return None if cheap is None else model_score(cheap)


def _cost_words(name: str, cost: float) -> str:
    if name == "energy":
        return joules_words(cost)
    return f"{cost:.3g} ms a text" if name == "latency" else seconds_words(cost)
