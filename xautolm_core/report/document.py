"""The one machine-readable document of a search: ``summary.json`` and what ``--json`` prints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING
from typing import Any

from xautolm_core.report.energy_account import account_energy
from xautolm_core.search.contract import BEST_MODEL_FOLDER
from xautolm_core.search.contract import REPORT_FILE

if TYPE_CHECKING:
    from xautolm_core.search.contract import SearchResult
    from xautolm_core.search.contract import TrialRecord
    from xautolm_core.space.configuration import Configuration

SCHEMA_VERSION = 1


def summary_document(result: SearchResult) -> dict[str, Any]:
    """Return the document of a search.

    The keys ``run``, ``task``, ``best``, ``test``, ``baseline``, ``pareto``, ``trials``,
    ``outcomes`` and ``seconds`` are promised; the others may grow. ``test`` and ``baseline`` are on
    the test split; ``best`` and ``pareto`` carry validation scores.

    Args:
        result: What the search came to.
    """
    best = chosen_trial(result)
    return {
        "schema_version": SCHEMA_VERSION,
        "run": str(result.out_folder),
        "search_id": result.spec.search_id,
        "task": task_name(result),
        "best": _best(result, best) if best else None,
        "test": _test(result),
        "baseline": _baseline(result),
        "pareto": [front_entry(result, record) for record in front_by_time(result)],
        "trials": len(result.trials),
        "outcomes": {outcome.value: count for outcome, count in sorted(result.outcomes.items())},
        "seconds": result.seconds,
        "stopped_by": result.stopped_by,
        "objectives": [objective.value for objective in result.spec.objectives],
        "sampler": result.spec.sampler,
        "space": result.spec.space,
        "seed": result.spec.seed,
        "data": {
            key: result.task.get(key)
            for key in ("type", "fingerprint", "labels", "rows", "splits")
            if key in result.task
        },
        "warm_start": {
            "applied": result.warm_start.applied,
            "mapped": result.warm_start.mapped,
            "dropped": sum(result.warm_start.dropped.values()),
            "prior_shift": result.warm_start.prior_shift,
        },
        "phase_seconds": dict(result.phase_seconds),
        "energy": asdict(account_energy(result.trials)),
        "model": str(result.out_folder / BEST_MODEL_FOLDER) if best else None,
        "report": str(result.out_folder / REPORT_FILE),
        "notes": list(result.notes),
    }


def task_name(result: SearchResult) -> str:
    """Return the name of the task that was searched for."""
    return str(result.task.get("name") or result.spec.task.name or "task")


def chosen_trial(result: SearchResult) -> TrialRecord | None:
    """Return the trial whose model was chosen, or None if no trial gave one."""
    return next((record for record in result.trials if record.number == result.best), None)


def is_untrained(result: SearchResult, configuration: Configuration) -> bool:
    """Whether the configuration's model started from random weights."""
    model = result.models.get(configuration.model_label)
    return model is not None and not model.pretrained


def front_by_time(result: SearchResult) -> list[TrialRecord]:
    """Return the Pareto front, quickest trial first."""
    return sorted(
        result.front, key=lambda record: (record.result.time_seconds or 0.0, record.number)
    )


def validation_scores(record: TrialRecord) -> dict[str, float]:
    """Return a trial's scores on the validation split by name."""
    return {name: score.value for name, score in record.result.scores.items()}


def front_entry(result: SearchResult, record: TrialRecord) -> dict[str, Any]:
    """Return what ``pareto.json`` says of one trial."""
    return {
        "trial": record.number,
        "configuration": record.configuration.model_dump(mode="json"),
        "values": dict(record.values),
        "validation": validation_scores(record),
        "seconds": record.result.time_seconds,
        "latency_ms": record.result.latency_ms,
        "energy_joules": record.result.energy_joules,
        "pretrained": not is_untrained(result, record.configuration),
        "why": record.why,
    }


def _best(result: SearchResult, best: TrialRecord) -> dict[str, Any]:
    return {
        "trial": best.number,
        "configuration": best.configuration.model_dump(mode="json"),
        "validation": validation_scores(best),
        "seconds": best.result.time_seconds,
        "pretrained": not is_untrained(result, best.configuration),
        "why": best.why,
    }


def _test(result: SearchResult) -> Mapping[str, float | int] | None:
    if result.test is None:
        return None
    return {
        "macro_f1": result.test.macro_f1,
        "accuracy": result.test.accuracy,
        "rows": result.test.rows,
    }


def _baseline(result: SearchResult) -> Mapping[str, Any] | None:
    baseline = result.baseline
    if baseline is None:
        return None
    return {
        "macro_f1": baseline.test_macro_f1,
        "accuracy": baseline.test_accuracy,
        "validation": {
            "macro_f1": baseline.validation_macro_f1,
            "accuracy": baseline.validation_accuracy,
        },
        "seconds": baseline.seconds,
    }
