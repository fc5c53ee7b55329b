"""Allot time to trials, by the times of the trials so far."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import ValidationError

from xautolm_core.records.methods import UNTUNED_FEW_SHOT
from xautolm_core.records.methods import has_model
from xautolm_core.records.methods import is_cheap
from xautolm_core.records.outcome import Outcome
from xautolm_core.search.continuation import Room
from xautolm_core.search.continuation import plan_continuation
from xautolm_core.search.epochs import fit_epochs
from xautolm_core.search.final_test import tested_rows
from xautolm_core.search.folders import trial_folder
from xautolm_core.search.forecast import Forecaster
from xautolm_core.search.plan import SHARE_OF_COMPARISON
from xautolm_core.search.plan import SHARE_OF_FIRST
from xautolm_core.search.plan import SHARE_OF_WHOLE_EPOCHS
from xautolm_core.search.plan import data_fraction
from xautolm_core.search.plan import final_reserve_seconds
from xautolm_core.search.plan import most_validation_rows
from xautolm_core.search.planned import next_cheap
from xautolm_core.search.records import choose_alternative
from xautolm_core.search.records import choose_best
from xautolm_core.search.running import tried
from xautolm_core.search.screening import Screening
from xautolm_core.space.hyperparameters import row_share
from xautolm_core.space.screening import at_most_screened
from xautolm_core.space.screening import is_screening
from xautolm_core.tasks.spec import TaskType
from xautolm_core.trial.contract import SPEC_FILE
from xautolm_core.trial.contract import TrialBudget
from xautolm_core.trial.contract import TrialSpec

if TYPE_CHECKING:
    from xautolm_core.records.attempt import TrialResult
    from xautolm_core.records.configuration import Configuration
    from xautolm_core.search.contract import TrialRecord
    from xautolm_core.search.planned import PlannedTrial
    from xautolm_core.search.running import RunningTrial
    from xautolm_core.search.setup import SearchSetup

_OVERHEAD_SECONDS = 4.0
# Even in a budget of seconds something is tried.
_LARGEST_OVERHEAD_SHARE = 0.1
# A process that predicts with a language model imports torch and transformers.
_IMPORT_SECONDS = 7.0
_LEAST_IMPORT_SECONDS = 2.5
# Rows of the test split may be longer than those of validation.
_TEST_MARGIN = 1.2
_LATEST = 3


class SearchPace:
    """Allots each trial its part of the budget.

    Args:
        setup: The shared setup of the search.
    """

    def __init__(self, setup: SearchSetup) -> None:
        self._setup = setup
        self._overheads: list[float] = []
        self._made_at = time.monotonic()
        self._import_seconds: float | None = None
        self._begun_rows = _begun_rows(setup)
        rows = self._validation_rows
        self._forecaster = Forecaster(
            setup.feasibility, validation_rows=rows, task_type=setup.task.type
        )
        self._screening = Screening(setup, self._forecaster, validation_rows=rows)

    @property
    def overhead_seconds(self) -> float:
        """Recent time of a trial beside training and evaluation."""
        budget = self._setup.policy.effective_budget_seconds
        unknown = min(_OVERHEAD_SECONDS, _LARGEST_OVERHEAD_SHARE * (budget or math.inf))
        return max(self._overheads[-_LATEST:], default=unknown)

    def learn(self, result: TrialResult, *, wall_seconds: float) -> None:
        """Record a trial that has ended, with the time since its launch.

        For a trial of an earlier process its own times are used.
        """
        if result.launched_at is not None and result.ended_at is not None:
            wall_seconds = max(wall_seconds, result.wall_seconds)
        if self._import_seconds is None:
            # The first trial starts with everything imported; a slow machine shows here.
            began = time.monotonic() - self._made_at - wall_seconds
            self._import_seconds = began + result.seconds.get("startup", 0.0)
        if result.outcome is Outcome.OK and result.time_seconds is not None:
            own_seconds = result.time_seconds - result.reused_seconds
            self._overheads.append(max(0.0, wall_seconds - own_seconds))

    def left_seconds(self, records: Sequence[TrialRecord]) -> float:
        """Return the time left for trials; infinite without a budget."""
        return self._setup.policy.left_seconds(
            elapsed_seconds=self._setup.clock.elapsed_seconds,
            reserve_seconds=self.reserve_seconds(records),
        )

    def reserve_seconds(self, records: Sequence[TrialRecord]) -> float:
        """Return the time reserved for the end of the search: the test of the compared models.

        Before there is a language model among them, one is expected: the first start. The time of
        its test is a guess until one was evaluated on the validation rows.
        """
        budget_seconds = self._setup.policy.effective_budget_seconds
        best = choose_best(records)
        compared = [r for r in (best, choose_alternative(records, best)) if r is not None]
        tests = [self.test_seconds(r.configuration, r.result, records) for r in compared]
        starts = self._setup.space.starts
        if starts and all(is_cheap(record.configuration.method) for record in compared):
            expected = self.test_seconds(starts[0], None, records)
            guess = SHARE_OF_COMPARISON * (budget_seconds or math.inf)
            tests.append(expected if _knows_a_model(records) else min(expected, guess))
        return final_reserve_seconds(tests, budget_seconds=budget_seconds)

    def evaluation_seconds(self, records: Sequence[TrialRecord]) -> float:
        """Return the time of an evaluation of the first start; 0 before a model was measured."""
        starts = self._setup.space.starts
        if not starts or not _knows_a_model(records):
            return 0.0
        return self._forecaster.forecast(starts[0], records).evaluation_seconds

    def next_cheap(
        self, records: Sequence[TrialRecord], running: Mapping[int, RunningTrial]
    ) -> PlannedTrial | None:
        """Return the next cheap candidate, then the next screening trial; None if none is due.

        Args:
            records: All trials that have ended.
            running: Running trials, by number.
        """
        cheap = next_cheap(
            self._setup.space,
            tried(running, records),
            is_affordable=lambda one: self._is_affordable(one, records),
        )
        return cheap or self._screening.next(records, tried(running, ()))

    def trial_budget(self, planned: PlannedTrial, records: Sequence[TrialRecord]) -> TrialBudget:
        """Return the time budget of a trial.

        A cheap candidate gets a small part of the budget; a screening trial the rest of the part
        for screening, for all of its rows or none; a language model the cautious forecast of its
        whole schedule, as far as that is left, and at least the time that its epochs were chosen
        for.

        Args:
            planned: The trial, possibly with a time limit of its own.
            records: All trials so far.
        """
        configuration = planned.configuration
        cheap = is_cheap(configuration.method)
        left_seconds = self.left_seconds(records)
        wanted, epoch_seconds = planned.soft_deadline_seconds, 0.0
        if is_screening(configuration):
            wanted = self._screening.seconds_left(records)
        elif cheap:
            wanted = wanted or self._setup.policy.cheap_seconds
        else:
            forecast = self._forecaster.forecast(configuration, records)
            epoch_seconds = forecast.epoch_seconds
            if wanted is None and self._setup.policy.effective_budget_seconds is not None:
                # A forecast that proves too low cuts no epoch off while there is room.
                room_seconds = SHARE_OF_WHOLE_EPOCHS * left_seconds
                wanted = max(forecast.cautious_seconds, room_seconds)
        allowance = self._setup.policy.allowance(
            left_seconds=left_seconds,
            overhead_seconds=self.overhead_seconds,
            wanted_seconds=wanted,
        )
        rows = len(self._setup.task.train)
        # A cheap candidate chooses its rows itself, as it knows its pace.
        share = data_fraction(
            rows=round(rows * row_share(configuration)),
            epoch_seconds=epoch_seconds,
            soft_deadline_seconds=allowance.soft_deadline_seconds,
        )
        return TrialBudget(
            soft_deadline_seconds=allowance.soft_deadline_seconds,
            wall_limit_seconds=allowance.wall_limit_seconds,
            host_memory_bytes=self._setup.trial_memory_bytes,
            data_fraction=min(share, at_most_screened(configuration, rows) / rows),
            max_validation_rows=self._most_validation_rows(configuration),
            on_overrun="stop" if is_screening(configuration) else "shrink",
        )

    def fit(
        self, configuration: Configuration, records: Sequence[TrialRecord], *, is_first: bool
    ) -> Configuration:
        """Return a proposal with no more epochs than fit into a part of the time left.

        Args:
            configuration: A proposal.
            records: All trials so far.
            is_first: Whether it is a first configuration rather than a drawn one.
        """
        left = self.left_seconds(records) - self.overhead_seconds
        timeout = self._setup.policy.trial_timeout_seconds
        left = left if timeout is None else min(left, timeout)
        if math.isinf(left):
            return configuration
        return fit_epochs(
            self._setup.space,
            configuration,
            forecast=lambda one: self._forecaster.forecast(one, records),
            limit_seconds=(SHARE_OF_FIRST if is_first else SHARE_OF_WHOLE_EPOCHS) * left,
        )

    def may_continue(self, configuration: Configuration) -> bool:
        """Whether a trial may be continued later, and so must save a checkpoint."""
        policy = self._setup.policy
        is_bound = policy.effective_budget_seconds is not None
        return (
            is_bound and policy.trial_timeout_seconds is None and not is_cheap(configuration.method)
        )

    def continuation(
        self, records: Sequence[TrialRecord], running: Iterable[int], *, may_draw: bool = True
    ) -> PlannedTrial | None:
        """Return a trial to continue, if one is due (``plan_continuation``).

        Args:
            records: All trials so far.
            running: Numbers of the trials that are being continued now.
            may_draw: Whether a new trial may still follow, so that a continuation can wait for it.
        """
        policy = self._setup.policy
        if policy.effective_budget_seconds is None or policy.trial_timeout_seconds is not None:
            return None
        known = _times(records)
        left = self.left_seconds(records) - self.overhead_seconds
        usual = sum(known) / len(known) if known else left
        return plan_continuation(
            self._setup.space,
            records,
            running=running,
            room=Room(left, usual + self.overhead_seconds if may_draw else math.inf),
            forecast=lambda one: self._forecaster.forecast(one, records),
            validation_rows=self._validation_rows,
            training_rows=len(self._setup.task.train),
        )

    def test_seconds(
        self,
        configuration: Configuration,
        result: TrialResult | None,
        records: Sequence[TrialRecord],
    ) -> float:
        """Return the expected time of a model's test, the start of its process included.

        It is the measured evaluation time, but at least that of a forward pass of the language
        model, as an evaluation with cached features is quicker.

        Args:
            configuration: Configuration of the model.
            result: Result of its trial; None for a future one.
            records: All trials so far, for the pace of the machine.
        """
        evaluated_rows = at_most_screened(configuration, self._validation_rows)
        scored_rows = min(evaluated_rows, self._most_validation_rows(configuration))
        paces = [] if result is None else [_measured_pace(result, scored_rows)]
        imports = _LEAST_IMPORT_SECONDS
        if has_model(configuration.method):
            imports = _IMPORT_SECONDS
            forecast = self._forecaster.forecast(configuration, records)
            paces.append(forecast.evaluation_seconds / max(evaluated_rows, 1))
        slower = max(1.0, (self._import_seconds or 0.0) / _IMPORT_SECONDS)
        loading = 0.0
        if result is not None:
            loading = sum(result.seconds.get(phase, 0.0) for phase in ("load_data", "load_model"))
        answering = _TEST_MARGIN * self._tested_rows * max(paces, default=0.0)
        return slower * imports + loading + answering

    def _is_affordable(self, configuration: Configuration, records: Sequence[TrialRecord]) -> bool:
        """Whether a cheap candidate that cannot choose its rows fits into its share."""
        limit = self._setup.policy.cheap_seconds
        if limit is None or configuration.method != UNTUNED_FEW_SHOT:
            return True
        return self._forecaster.forecast(configuration, records).evaluation_seconds <= limit

    def _most_validation_rows(self, configuration: Configuration | None) -> int:
        most = most_validation_rows(
            self._setup.task.type,
            configuration,
            budget_seconds=self._setup.policy.effective_budget_seconds,
        )
        return most if self._begun_rows is None else self._begun_rows

    @property
    def _validation_rows(self) -> int:
        return min(self._most_validation_rows(None), len(self._setup.task.validation))

    @property
    def _tested_rows(self) -> int:
        return tested_rows(self._setup)


def _begun_rows(setup: SearchSetup) -> int | None:
    """Return the rows that the first trial of a search of text generation was scored on.

    A search that is resumed with a larger budget scores its trials on these, too.
    """
    file = trial_folder(setup.out_folder, 0, 0) / SPEC_FILE
    if setup.task.type != TaskType.TEXT_GENERATION or not file.is_file():
        return None
    try:
        return TrialSpec.model_validate_json(file.read_bytes()).budget.max_validation_rows
    except (OSError, ValidationError):
        return None


def _measured_pace(result: TrialResult, validation_rows: int) -> float:
    """Return the seconds of an evaluation by row; a trial makes one an epoch.

    For a continuation, and a trial that may have skipped evaluations, all count as one.
    """
    progress = result.progress
    tells_all = result.continues is None and progress.scheduled_steps == progress.planned_steps
    evaluations = max(1, math.ceil(progress.epochs)) if tells_all else 1
    return result.seconds.get("evaluate", 0.0) / evaluations / max(validation_rows, 1)


def _knows_a_model(records: Iterable[TrialRecord]) -> bool:
    """Whether a trial with a language model has been scored."""
    return any(r.values and has_model(r.configuration.method) for r in records)


def _times(records: Iterable[TrialRecord]) -> list[float]:
    """Return the seconds of the language models' trials with a score."""
    scored = [r for r in records if r.values and not is_cheap(r.configuration.method)]
    return [r.result.time_seconds for r in scored if r.result.time_seconds is not None]
