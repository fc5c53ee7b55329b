"""Make experiences of trials' results."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC
from datetime import datetime
from typing import TYPE_CHECKING

from xautolm_core.records.experience import Experience
from xautolm_core.records.experience import ExperiencePlan
from xautolm_core.records.experience import ExperiencePrediction
from xautolm_core.records.experience import experience_id
from xautolm_core.records.features import FeatureVector
from xautolm_core.records.outcome import Failure
from xautolm_core.records.outcome import Outcome
from xautolm_core.records.scores import Score
from xautolm_core.search.contract import Objective
from xautolm_core.space.feasible import longest_schedule_seconds
from xautolm_core.space.hyperparameters import row_share
from xautolm_core.tasks.task_type import task_kind

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Sequence

    from xautolm_core.records.attempt import TrialResult
    from xautolm_core.records.features import FeatureVector
    from xautolm_core.records.outcome import Failure
    from xautolm_core.search.contract import SearchSpec
    from xautolm_core.search.explanation import TrialExplanation
    from xautolm_core.search.feasibility import Feasibility
    from xautolm_core.space.model import ModelDescriptor
    from xautolm_core.tasks.task import AnyTask
    from xautolm_core.trial.contract import TrialSpec

_QUOTED = re.compile(r"(?P<quote>['\"`])(?P<inner>.*?)(?P=quote)")


@dataclass(frozen=True)
class ExperienceWriter:
    """Makes experiences of one search.

    Attributes:
        search: The specification of the search.
        task: The task.
        task_features: Its meta-features.
        system_features: Those of the machine.
        warm_started: Whether history biased the sampler.
        feasibility: Estimates the resources of a configuration; None if unknown.
    """

    search: SearchSpec
    task: AnyTask
    task_features: FeatureVector
    system_features: FeatureVector
    warm_started: bool
    feasibility: Feasibility | None = None

    def experience(
        self,
        spec: TrialSpec,
        result: TrialResult,
        descriptor: ModelDescriptor | None,
        explanation: TrialExplanation | None = None,
    ) -> Experience:
        """Return the experience of one attempt.

        Args:
            spec: Specification of the trial.
            result: Its result.
            descriptor: Descriptor of the model, if there is one.
            explanation: Predictions of the sampler.
        """
        progress = result.progress
        planned = progress.planned_steps
        failure = result.failure
        return Experience(
            id=experience_id(spec.search_id, spec.trial_number, spec.attempt),
            tenant=self.search.tenant,
            search_id=spec.search_id,
            trial_number=spec.trial_number,
            attempt=spec.attempt,
            task_name=self.task.name,
            task_fingerprint=self.task.fingerprint,
            task_type=self.task.type,
            task_features=self.task_features,
            system_features=self.system_features,
            configuration=spec.configuration,
            model_descriptor=None if descriptor is None else descriptor.model_dump(mode="python"),
            plan=None if self.feasibility is None else plan_of(spec, self.feasibility),
            outcome=result.outcome,
            cut_by=result.cut_by,
            continues=result.continues,
            cumulative_seconds=result.cumulative_seconds,
            cumulative_joules=result.cumulative_joules,
            scores=scores_of(result, self.task.type),
            seconds=dict(result.seconds),
            reused_seconds=result.reused_seconds,
            reused_joules=result.reused_joules,
            latency_ms=result.latency_ms,
            data_fraction=spec.budget.data_fraction * row_share(spec.configuration),
            schedule_fraction=min(1.0, progress.scheduled_steps / planned) if planned else 1.0,
            peak_gpu_bytes=result.peak_gpu_bytes,
            peak_host_bytes=result.peak_host_bytes,
            energy=tuple(reading.without_device() for reading in result.energy),
            failure=None if failure is None else failure_of(failure, self.task.labels),
            threads=result.threads,
            concurrent_trials=result.concurrent_trials,
            device=result.device,
            sampler=self.search.sampler,
            warm_started=self.warm_started,
            predicted=prediction_of(explanation),
            versions=dict(result.versions),
            seed=spec.seed,
            started_at=result.started_at,
            ended_at=result.ended_at or datetime.now(UTC),
        )


def plan_of(spec: TrialSpec, feasibility: Feasibility) -> ExperiencePlan:
    """Return the estimates and limits of an attempt before it ran.

    A continuation trains for a part of its epochs only, which the estimate does not cover.
    """
    budget = spec.budget
    rows = math.ceil(budget.data_fraction * feasibility.statistics.rows)
    estimate = feasibility.estimate(spec.configuration, rows)
    on_gpu = feasibility.gpu_bytes is not None
    return ExperiencePlan(
        estimated_seconds=None if spec.continues is not None else estimate.train_seconds,
        estimated_host_bytes=estimate.host_bytes,
        estimated_gpu_bytes=estimate.gpu_bytes if on_gpu else None,
        allowed_seconds=longest_schedule_seconds(
            budget.soft_deadline_seconds or budget.wall_limit_seconds
        ),
        allowed_host_bytes=budget.host_memory_bytes,
        allowed_gpu_bytes=feasibility.gpu_bytes,
    )


def prediction_of(explanation: TrialExplanation | None) -> ExperiencePrediction | None:
    """Return the predictions in the form of an experience; None if there are none.

    Numbers that are not finite are left out.
    """
    if explanation is None:
        return None
    names = {Objective.F1: "score", Objective.TIME: "seconds", Objective.ENERGY: "joules"}
    found: dict[str, float] = {}
    for objective, name in names.items():
        one = explanation.predictions.get(objective.value)
        if one is not None:
            found |= {
                f"{name}_median": one.median,
                f"{name}_low": one.low,
                f"{name}_high": one.high,
            }
    if explanation.failure_probability is not None:
        found["failure_probability"] = min(max(explanation.failure_probability, 0.0), 1.0)
    finite = {name: value for name, value in found.items() if math.isfinite(value)}
    return ExperiencePrediction(**finite) if finite else None


def scores_of(result: TrialResult, task_type: str) -> Mapping[str, Score]:
    """Return the scores of a result that its experience keeps.

    A trial that was stopped early is a censored observation: its best score so far and its seconds
    are lower bounds.
    """
    if result.outcome is not Outcome.PRUNED or not result.evaluations:
        return result.scores
    best = max(one.score for one in result.evaluations)
    return {task_kind(task_type).primary.name: Score(value=best)}


def failure_of(failure: Failure, labels: Sequence[str]) -> Failure:
    """Return a failure in the form of an experience: quoted class names become their indices.

    Args:
        failure: As the trial reported it.
        labels: Names of the task's classes.
    """
    indices = {label: index for index, label in enumerate(labels)}

    def by_index(match: re.Match[str]) -> str:
        index = indices.get(match["inner"])
        return match.group() if index is None else f"<class {index}>"

    message = _QUOTED.sub(by_index, failure.message)
    return failure.model_copy(update={"message": message})
