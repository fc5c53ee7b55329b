"""The one machine-readable document of a search: ``summary.json`` and what ``--json`` prints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING
from typing import Any

from xautolm_core.report.energy_account import account_energy
from xautolm_core.report.predictions import predicted_document
from xautolm_core.search.contract import BEST_MODEL_FOLDER
from xautolm_core.search.contract import REPORT_FILE
from xautolm_core.search.records import choose_of_kind

if TYPE_CHECKING:
    from xautolm_core.records.configuration import Configuration
    from xautolm_core.search.contract import SearchResult
    from xautolm_core.search.contract import TrialRecord

SCHEMA_VERSION = 1


def summary_document(result: SearchResult) -> dict[str, Any]:
    """Return the document of a search.

    The keys ``run``, ``task``, ``best``, ``test``, ``cheap``, ``comparison``, ``pareto``,
    ``trials``, ``outcomes`` and ``seconds`` are promised; the others may grow. ``test`` and
    ``comparison`` are on the test split; ``best`` and ``pareto`` carry validation scores, ``cheap``
    both.

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
        "cheap": _cheap(result),
        "comparison": _comparison(result),
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
        "unkept_experiences": result.unkept_experiences,
    }


def task_name(result: SearchResult) -> str:
    """Return the name of the task that was searched for."""
    return str(result.task.get("name") or result.spec.task.name or "task")


def chosen_trial(result: SearchResult) -> TrialRecord | None:
    """Return the trial whose model was chosen, or None if no trial gave one."""
    return next((record for record in result.trials if record.number == result.best), None)


def best_cheap_trial(result: SearchResult) -> TrialRecord | None:
    """Return the best of the cheap candidates on validation, or None if none gave a model."""
    return choose_of_kind(result.trials, cheap=True)


def best_language_model_trial(result: SearchResult) -> TrialRecord | None:
    """Return the best of the language models on validation, or None if none gave a model."""
    return choose_of_kind(result.trials, cheap=False)


def scores_on_test(result: SearchResult) -> Mapping[int, float]:
    """Return trial number to primary score on the test split, of the trials that have met it."""
    found: dict[int, float] = {}
    if result.test is not None and result.best is not None:
        found[result.best] = result.test.score
        compared = result.test.comparison
        if compared is not None:
            found[compared.language_model] = compared.language_model_score
            found[compared.cheap] = compared.cheap_score
    return found


def is_untrained(result: SearchResult, configuration: Configuration) -> bool:
    """Whether the configuration's model started from random weights."""
    model = result.models.get(configuration.model_label)
    return model is not None and not model.pretrained


def front_by_time(result: SearchResult) -> list[TrialRecord]:
    """Return the Pareto front, quickest trial first."""
    return sorted(
        result.front, key=lambda record: (record.result.comparable_seconds or 0.0, record.number)
    )


def validation_scores(record: TrialRecord) -> dict[str, float]:
    """Return a trial's scores on the validation split by name."""
    return {name: score.value for name, score in record.result.model_scores.items()}


def front_entry(result: SearchResult, record: TrialRecord) -> dict[str, Any]:
    """Return what ``pareto.json`` says of one trial."""
    return {
        "trial": record.number,
        "configuration": record.configuration.model_dump(mode="json"),
        "values": dict(record.values),
        "validation": validation_scores(record),
        "seconds": record.result.comparable_seconds,
        "latency_ms": record.result.latency_ms,
        "energy_joules": record.result.comparable_joules,
        "pretrained": not is_untrained(result, record.configuration),
        "predicted": predicted_document(record.explanation),
        "why": record.why,
    }


def _best(result: SearchResult, best: TrialRecord) -> dict[str, Any]:
    return {
        "trial": best.number,
        "configuration": best.configuration.model_dump(mode="json"),
        "validation": validation_scores(best),
        "seconds": best.result.comparable_seconds,
        "pretrained": not is_untrained(result, best.configuration),
        "predicted": predicted_document(best.explanation),
        "why": best.why,
    }


def _test(result: SearchResult) -> Mapping[str, float | int] | None:
    if result.test is None:
        return None
    return {**result.test.named_scores, "rows": result.test.rows}


def _cheap(result: SearchResult) -> Mapping[str, Any] | None:
    """Return what is said of the best cheap candidate, whether it was chosen or not."""
    cheap = best_cheap_trial(result)
    if cheap is None:
        return None
    test = scores_on_test(result).get(cheap.number)
    return {
        "trial": cheap.number,
        "method": cheap.configuration.method,
        "model": cheap.configuration.model,
        "validation": validation_scores(cheap),
        "test": None if test is None else {result.primary.name: test},
        "seconds": cheap.result.comparable_seconds,
        "energy_joules": cheap.result.comparable_joules,
    }


def _comparison(result: SearchResult) -> Mapping[str, Any] | None:
    if result.test is None or result.test.comparison is None:
        return None
    return {**asdict(result.test.comparison), "gain": result.test.comparison.gain}
