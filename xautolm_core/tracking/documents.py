"""What MLflow is told of a search and of its trials. Nothing here holds anything of a text."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from datetime import datetime
from typing import TYPE_CHECKING
from typing import Any
from typing import Literal

from xautolm_core import __version__
from xautolm_core.records.outcome import Outcome
from xautolm_core.report.wording import count_words
from xautolm_core.tasks.task_type import primary_name
from xautolm_core.tasks.task_type import primary_score
from xautolm_core.tasks.task_type import primary_title

if TYPE_CHECKING:
    from xautolm_core.records.attempt import TrialResult
    from xautolm_core.search.contract import SearchSpec
    from xautolm_core.search.contract import TrialRecord
    from xautolm_core.tracking.seen_search import SeenSearch

RunStatus = Literal["RUNNING", "FINISHED", "FAILED", "KILLED"]

SEARCH_TAG = "xautolm.search_id"
TRIAL_TAG = "xautolm.trial"
SENT_TAG = "xautolm.sent"
"""Digest of the document that a run holds whole."""
PARENT_TAG = "mlflow.parentRunId"
_NOTE_TAG = "mlflow.note.content"

# The server's limits of the length of values.
_MOST_PARAMETER = 500
_MOST_TAG = 4_000

_KILLED = frozenset({Outcome.CANCELLED, Outcome.PREEMPTED})


@dataclass(frozen=True)
class Metric:
    """One value of a metric.

    Attributes:
        name: Its name.
        value: A finite number.
        step: Place on the x axis.
        moment: When it was found; None for the run's own end.
    """

    name: str
    value: float
    step: int = 0
    moment: datetime | None = None


@dataclass(frozen=True)
class RunDocument:
    """One run as MLflow is to show it.

    Attributes:
        name: Of the run.
        identity: Tags by which the run is found again; they are there from its first moment.
        parameters: Name to value; they never change.
        tags: Name to value.
        metrics: Its metrics.
        status: As of now.
        started_at: None if it is not known.
        ended_at: None while it runs, and if it is not known.
    """

    name: str
    identity: Mapping[str, str]
    parameters: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    metrics: tuple[Metric, ...] = ()
    status: RunStatus = "FINISHED"
    started_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def digest(self) -> str:
        """Digest of all of it: a run that holds it needs nothing more."""
        content = [
            self.name,
            sorted(self.parameters.items()),
            sorted(self.tags.items()),
            [[m.name, m.value, m.step, milliseconds(m.moment)] for m in self.metrics],
            self.status,
            milliseconds(self.ended_at),
        ]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


def milliseconds(moment: datetime | None) -> int | None:
    """Return a moment as MLflow counts time: milliseconds since 1970."""
    return None if moment is None else int(moment.timestamp() * 1_000)


def trial_document(record: TrialRecord, *, is_best: bool) -> RunDocument:
    """Return the run of one trial that has ended, whatever it came to.

    Args:
        record: The trial.
        is_best: Whether its model was chosen.
    """
    tried, result = record.configuration, record.result
    parameters = {
        "method": tried.method,
        "model": tried.model_label,
        "revision": tried.revision,
        "branch": tried.branch,
        **tried.parameters,
    }
    tags = {
        "xautolm.outcome": result.outcome.value,
        "xautolm.why": record.why,
        "xautolm.attempt": result.attempt,
        "xautolm.on_front": record.on_front,
        "xautolm.best": is_best,
        "xautolm.continues": result.continues,
        "xautolm.device": result.device,
        "xautolm.cut_by": result.cut_by,
        "xautolm.failure": None if result.failure is None else result.failure.kind,
        "xautolm.failure.message": None if result.failure is None else result.failure.message,
        **_energy_tags(result),
    }
    return RunDocument(
        name=f"trial-{record.number:04d}",
        identity={SEARCH_TAG: result.search_id, TRIAL_TAG: str(record.number)},
        parameters=_texts(parameters, _MOST_PARAMETER),
        tags=_texts(tags, _MOST_TAG),
        metrics=tuple(_trial_metrics(record)),
        status=_status(result.outcome),
        started_at=result.launched_at or result.started_at or result.ended_at,
        ended_at=result.ended_at,
    )


def search_document(seen: SeenSearch) -> RunDocument:
    """Return the run of a search, as far as it has come."""
    spec, found = seen.spec, seen.result
    best = seen.best
    tags: dict[str, Any] = {
        "xautolm.version": __version__,
        "xautolm.task": seen.task_name,
        "xautolm.fingerprint": seen.fingerprint,
        "xautolm.tenant": spec.tenant,
        "xautolm.stopped_by": None if found is None else found.stopped_by,
        "xautolm.best_trial": None if best is None else best.number,
        "mlflow.source.name": "xautolm",
        "mlflow.source.type": "JOB",
        _NOTE_TAG: _note(seen),
        **{f"xautolm.outcomes.{name.value}": count for name, count in seen.outcomes.items()},
    }
    return RunDocument(
        name=f"{seen.task_name} {spec.search_id}",
        identity={SEARCH_TAG: spec.search_id},
        parameters=_texts(_search_parameters(spec, seen), _MOST_PARAMETER),
        tags=_texts(tags, _MOST_TAG),
        metrics=tuple(_search_metrics(seen)),
        status=_search_status(seen),
        started_at=spec.created_at,
        ended_at=None if found is None else seen.last_moment,
    )


def _search_parameters(spec: SearchSpec, seen: SeenSearch) -> dict[str, Any]:
    # What a resume may change is a tag or a metric: a parameter of MLflow's never changes.
    return {
        "task": seen.task_name,
        "space": "own" if "\n" in spec.space or "/" in spec.space else spec.space,
        "methods": ",".join(spec.methods) or "all",
        "sampler": spec.sampler,
        "objectives": ",".join(one.value for one in spec.objectives),
        "seed": spec.seed,
        "launcher": spec.launcher,
    }


def _search_metrics(seen: SeenSearch) -> Iterable[Metric]:
    """Yield the best score so far over the trials, and what the search came to."""
    best = -math.inf
    for record in seen.trials:
        scores = record.result.model_scores
        score = primary_score(scores)
        if score is None or not math.isfinite(score.value):
            continue
        best = max(best, score.value)
        yield Metric(f"best_{primary_name(scores)}", best, record.number, record.result.ended_at)
    joules = [r.result.energy_joules for r in seen.trials]
    found = seen.result
    values: dict[str, float | None] = {
        "trials": len(seen.trials),
        "joules": sum(j for j in joules if j is not None) if any(joules) else None,
        "seconds": None if found is None else found.seconds,
        "front": None if found is None else len(found.front),
    }
    if found is not None and found.test is not None:
        values |= {f"test_{name}": value for name, value in found.test.named_scores.items()}
        values["test_rows"] = found.test.rows
    for name, value in values.items():
        if value is not None and math.isfinite(value):
            yield Metric(name, float(value), len(seen.trials), seen.last_moment)


def _trial_metrics(record: TrialRecord) -> Iterable[Metric]:
    result = record.result
    values: dict[str, float | None] = {
        **{name: score.value for name, score in result.model_scores.items()},
        "seconds": result.time_seconds,
        "joules": result.energy_joules,
        "latency_ms": result.latency_ms,
        "peak_host_bytes": result.peak_host_bytes,
        "peak_gpu_bytes": result.peak_gpu_bytes,
        "training_rows": result.progress.rows or None,
        **{f"seconds.{phase}": seconds for phase, seconds in result.seconds.items()},
        **{f"joules.{part}": sum(j) for part, j in _by_component(result).items()},
    }
    for name, value in values.items():
        if value is not None and math.isfinite(value):
            yield Metric(name, float(value), 0, result.ended_at)
    # Steps are milliseconds of training: MLflow knows whole numbers alone, and epochs may be parts.
    name = primary_name(result.model_scores) or "score"
    for one in result.evaluations:
        step = int(one.seconds * 1_000)
        yield Metric(f"validation_{name}", one.score, step, result.ended_at)


def _by_component(result: TrialResult) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for one in result.energy:
        found.setdefault(one.component, []).append(one.joules)
    return found


def _energy_tags(result: TrialResult) -> dict[str, str]:
    """Return the class of a trial's joules: the worst of its readings, and each component's."""
    if not result.energy:
        return {}
    tags = {
        "xautolm.joules.quality": max(one.quality for one in result.energy),
        "xautolm.joules.source": ", ".join(sorted({one.source for one in result.energy})),
    }
    for part in _by_component(result):
        tags[f"xautolm.joules.{part}.quality"] = max(
            one.quality for one in result.energy if one.component == part
        )
    return tags


def _status(outcome: Outcome) -> RunStatus:
    if outcome in (Outcome.OK, Outcome.PRUNED):
        return "FINISHED"
    return "KILLED" if outcome in _KILLED else "FAILED"


def _search_status(seen: SeenSearch) -> RunStatus:
    if seen.result is None:
        return "RUNNING"
    if seen.result.stopped_by == "interrupted":
        return "KILLED"
    return "FAILED" if seen.best is None else "FINISHED"


def _note(seen: SeenSearch) -> str:
    best = seen.best
    if best is None:
        return f"{count_words(len(seen.trials), 'trial')}, no model" if seen.trials else "no trial"
    scores = best.result.model_scores
    score = primary_score(scores)
    scored = "" if score is None else f": {primary_title(scores)} {score.value:.4f} on validation"
    return (
        f"{count_words(len(seen.trials), 'trial')}; the best is trial {best.number} "
        f"({best.configuration.method}, {best.configuration.model_label}){scored}"
    )


def _texts(values: Mapping[str, Any], most: int) -> dict[str, str]:
    """Return values as MLflow keeps them; what there is nothing of is left out."""
    found: dict[str, str] = {}
    for name, value in values.items():
        if value is None or value == "":
            continue
        text = str(value).lower() if isinstance(value, bool) else str(value)
        found[name] = text if len(text) <= most else f"{text[: most - 1]}…"
    return found
