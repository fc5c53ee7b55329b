"""A Green AI report for programs: one JSON document."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from xautolm_core import __version__
from xautolm_core.energy.carbon import JOULES_PER_KWH
from xautolm_core.energy.intensity import Intensity
from xautolm_core.report.green.attempts import Attempt
from xautolm_core.report.green.green_report import GreenReport
from xautolm_core.report.green.searches import GreenSearch
from xautolm_core.report.green.statement import BOUNDARY
from xautolm_core.report.green.statement import LEFT_OUT
from xautolm_core.report.green.sums import AttemptGroup
from xautolm_core.report.green.sums import EnergySum

SCHEMA_VERSION = 1


def green_document(report: GreenReport) -> dict[str, Any]:
    """Return the document of a report. Unknown values are null, never 0.

    Args:
        report: The report.
    """
    scope = report.scope
    return {
        "schema_version": SCHEMA_VERSION,
        "title": scope.title,
        "written_at": scope.written_at.isoformat(),
        "xautolm": __version__,
        "scope": {
            "runs": list(scope.runs),
            "since": scope.since.isoformat() if scope.since else None,
            "tenant": scope.tenant,
            "task": scope.task,
        },
        "statement": list(report.statement),
        "boundary": {"included": list(BOUNDARY), "left_out": list(LEFT_OUT)},
        "attempts": len(report.attempts),
        "searches": [_search(search) for search in report.searches],
        "energy": _energy(report.energy),
        "energy_wasted": _energy(report.wasted),
        "energy_by_component": {k: _energy(v) for k, v in report.by_component.items()},
        "energy_by_quality": {k: _energy(v) for k, v in report.by_quality.items()},
        "energy_by_source": [
            {"component": component, "source": source, **(_energy(found) or {})}
            for (component, source), found in report.by_source.items()
        ],
        "by_outcome": {outcome.value: _group(g) for outcome, g in report.by_outcome.items()},
        "failures": [
            {"outcome": outcome.value, "kind": kind or None, **_group(group)}
            for (outcome, kind), group in report.failures.items()
        ],
        "by_hardware": {name: _group(group) for name, group in report.by_hardware.items()},
        "by_method": [
            {"model": model, "method": method, **_group(group)}
            for (model, method), group in report.by_method.items()
        ],
        "flags": dict(report.flags),
        "carbon": _carbon(report),
        "water_litres": report.footprint.water_litres,
        "cost": _cost(report),
        "machine_seconds": report.footprint.machine_seconds,
        "gpu_seconds": report.footprint.gpu_seconds,
        "functional_units": [asdict(unit) for unit in report.footprint.units],
        "comparisons": [asdict(one) for one in report.comparisons],
        "versions": dict(report.versions),
        "data_sha256": report.data_sha256,
    }


def _energy(found: EnergySum | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "joules": found.joules,
        "kwh": found.joules / JOULES_PER_KWH,
        "uncertainty": found.uncertainty,
        "low_joules": found.low_joules,
        "high_joules": found.high_joules,
        "worst_quality": found.worst_quality,
    }


def _group(group: AttemptGroup) -> dict[str, Any]:
    return {
        "attempts": group.attempts,
        "unmetered": group.unmetered,
        "wall_seconds": group.wall_seconds,
        "energy": _energy(group.energy),
        "share": group.share,
    }


def _search(search: GreenSearch) -> dict[str, Any]:
    return {
        "search_id": search.search_id,
        "run": search.run.folder.name if search.run else None,
        "task": search.task_name,
        "task_fingerprint": search.task_fingerprint,
        "tenant": search.tenant,
        "ended_at": search.ended_at.isoformat(),
        "hardware": list(search.hardware),
        "trials": search.trials,
        "attempts": len(search.attempts),
        "unmetered": search.unmetered,
        "energy": _energy(search.energy),
        "energy_wasted": _energy(search.wasted),
        "winner": _trial(search.winner),
        "smaller_model": _trial(search.smaller),
        "cheap_candidate": _trial(search.cheap),
        "language_model": _trial(search.language_model),
        "test_score": search.run.test_score if search.run else None,
        "test_scores": {str(trial): score for trial, score in search.run.test_scores.items()}
        if search.run
        else {},
        "front": [_trial(attempt) for attempt in search.front],
    }


def _trial(attempt: Attempt | None) -> dict[str, Any] | None:
    if attempt is None:
        return None
    return {
        "trial": attempt.trial_number,
        "model": attempt.model,
        "parameters": attempt.parameters,
        "method": attempt.method,
        "score": attempt.score,
        "score_title": attempt.score_title,
        "joules": attempt.joules,
    }


def _intensity(found: Intensity | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {**asdict(found), "at": found.at.isoformat() if found.at else None}


def _carbon(report: GreenReport) -> dict[str, Any]:
    carbon, basis = report.footprint.carbon, report.basis
    return {
        "location_grams": carbon.location_grams if carbon else None,
        "market_grams": carbon.market_grams if carbon else None,
        "embodied_grams": carbon.embodied_grams if carbon else None,
        "uncertainty": carbon.uncertainty if carbon else None,
        "location": _intensity(basis.location),
        "market": _intensity(basis.market),
        "pue": basis.pue,
        "pue_applied": basis.pue is not None,
        "pue_source": basis.pue_source if basis.pue is not None else None,
        "embodied": asdict(basis.embodied) if basis.embodied else None,
        "embodied_source": basis.embodied_source or None,
        "wue_litres_per_kwh": basis.wue_litres_per_kwh,
    }


def _cost(report: GreenReport) -> dict[str, Any] | None:
    prices = report.basis.prices
    if prices is None:
        return None
    return {"amount": report.footprint.cost, **asdict(prices)}
