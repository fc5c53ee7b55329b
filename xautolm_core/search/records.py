"""From results to objectives, records, the front and the best trial."""

from __future__ import annotations

import math
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from xautolm_core.records.attempt import TrialResult
from xautolm_core.records.methods import is_cheap
from xautolm_core.records.outcome import Outcome
from xautolm_core.search.contract import Objective
from xautolm_core.search.contract import TrialRecord
from xautolm_core.search.pareto import non_dominated_fronts
from xautolm_core.tasks.task_type import primary_score

if TYPE_CHECKING:
    from xautolm_core.search.folders import Proposal


def objective_values(result: TrialResult, objectives: Sequence[Objective]) -> Mapping[str, float]:
    """Return objective name to value; empty if the trial failed or one of them is not finite.

    Energy that could not be read is left out.
    """
    if result.outcome is not Outcome.OK:
        return {}
    score = primary_score(result.scores)
    found = {
        Objective.F1: None if score is None else score.value,
        Objective.TIME: result.comparable_seconds,
        Objective.LATENCY: result.latency_ms,
        Objective.ENERGY: result.comparable_joules,
    }
    values: dict[str, float] = {}
    for objective in objectives:
        value = found[objective]
        if value is None and objective is Objective.ENERGY:
            continue
        if value is None or not math.isfinite(value):
            return {}
        values[objective.value] = float(value)
    return values


def values_to_tell(
    values: Mapping[str, float], objectives: Sequence[Objective]
) -> list[float] | None:
    """Return what a study is told of a trial; None if that has not all objectives."""
    names = [objective.value for objective in objectives]
    return [values[name] for name in names] if values.keys() >= set(names) else None


def as_continuation(result: TrialResult, continues: int | None) -> TrialResult:
    """Return a result that says which trial it continues, also where its trial could not tell."""
    return result.model_copy(update={"continues": continues})


def record_of(
    proposal: Proposal, result: TrialResult, objectives: Sequence[Objective]
) -> TrialRecord:
    """Return the record of a trial that has ended; whether it is on the front is not known yet."""
    return TrialRecord(
        number=proposal.number,
        configuration=proposal.configuration,
        result=as_continuation(result, proposal.continues),
        why=proposal.why,
        values=objective_values(result, objectives),
        explanation=proposal.explanation,
    )


def costs(record: TrialRecord, objectives: Sequence[Objective]) -> list[float]:
    """Return a record's objectives, all minimised."""
    return [-record.values[o.value] if o.maximize else record.values[o.value] for o in objectives]


def with_front(
    records: Iterable[TrialRecord], objectives: Sequence[Objective]
) -> list[TrialRecord]:
    """Return the records by number, with ``on_front`` set for those of the Pareto front.

    A trial whose energy could not be read has no place beside others with a reading. Where no trial
    has any, the front is that of the other objectives.
    """
    ordered = sorted(records, key=lambda record: record.number)
    scored = [record for record in ordered if values_to_tell(record.values, objectives)]
    if not scored:
        objectives = [one for one in objectives if one is not Objective.ENERGY]
        scored = [record for record in ordered if record.values]
    front: set[int] = set()
    if scored:
        points = np.asarray([costs(record, objectives) for record in scored])
        front = {scored[i].number for i in non_dominated_fronts(points)[0]}
    return [replace(record, on_front=record.number in front) for record in ordered]


def choose_best(records: Iterable[TrialRecord]) -> TrialRecord | None:
    """Return the record with the best model; of equals the faster, then the earlier one.

    A trial that failed counts with the state that it had saved before.
    """
    return min(
        (record for record in records if _has_scored_model(record)),
        key=lambda r: (
            -(model_score(r) or 0.0),
            r.result.comparable_seconds or math.inf,
            r.number,
        ),
        default=None,
    )


def _has_scored_model(record: TrialRecord) -> bool:
    return record.result.model_folder is not None and model_score(record) is not None


def model_score(record: TrialRecord) -> float | None:
    """Return the primary score on validation of a trial's model; None without one."""
    score = primary_score(record.result.model_scores)
    return None if score is None or not math.isfinite(score.value) else score.value


def choose_of_kind(records: Iterable[TrialRecord], *, cheap: bool) -> TrialRecord | None:
    """Return the best record of the cheap candidates, or of the language models."""
    return choose_best(r for r in records if is_cheap(r.configuration.method) is cheap)


def choose_alternative(
    records: Iterable[TrialRecord], best: TrialRecord | None
) -> TrialRecord | None:
    """Return the best record of the other kind: cheap beside a language model, or vice versa."""
    if best is None:
        return None
    return choose_of_kind(records, cheap=not is_cheap(best.configuration.method))
