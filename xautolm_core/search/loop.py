"""The ask/tell loop: propose, launch and record trials, and stop in time."""

from __future__ import annotations

import time
from collections.abc import Mapping
from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Any

from xautolm_core.records.attempt import TrialResult
from xautolm_core.records.methods import is_cheap
from xautolm_core.records.outcome import Outcome
from xautolm_core.search.checkpoints import discard_checkpoints
from xautolm_core.search.checkpoints import without_checkpoints
from xautolm_core.search.continuation import worth_a_checkpoint
from xautolm_core.search.contract import TrialRecord
from xautolm_core.search.folders import PROPOSAL_FILE
from xautolm_core.search.folders import Proposal
from xautolm_core.search.misleading import misleading_history
from xautolm_core.search.models import delete_useless
from xautolm_core.search.models import point_to_best
from xautolm_core.search.outbox import ExperienceOutbox
from xautolm_core.search.pace import SearchPace
from xautolm_core.search.planned import PlannedTrial
from xautolm_core.search.records import choose_best
from xautolm_core.search.records import objective_values
from xautolm_core.search.records import record_of
from xautolm_core.search.records import values_to_tell
from xautolm_core.search.records import with_front
from xautolm_core.search.resume import ResumedTrial
from xautolm_core.search.resume import is_final
from xautolm_core.search.resume import planned_again
from xautolm_core.search.resume import resumed_records
from xautolm_core.search.resume import words_again
from xautolm_core.search.run_folder import require_room
from xautolm_core.search.rungs import EarlyStops
from xautolm_core.search.running import RunningTrial
from xautolm_core.search.running import heartbeats_of
from xautolm_core.search.running import tried
from xautolm_core.search.running import uses_of
from xautolm_core.search.samplers.base import SpaceExhaustedError
from xautolm_core.search.samplers.encoding import ask_configuration
from xautolm_core.search.spending import Spending
from xautolm_core.search.spending import unmetered_warnings
from xautolm_core.search.study import ask_for
from xautolm_core.search.study import attributes_of
from xautolm_core.search.study import sampler_attributes
from xautolm_core.search.study import settle_parameters
from xautolm_core.search.study import tell
from xautolm_core.search.study import tell_exhausted
from xautolm_core.search.trial_spec import trial_spec
from xautolm_core.trial.contract import TrialSpec
from xautolm_core.whole_files import write_json

if TYPE_CHECKING:
    import optuna

    from xautolm_core.launch.contract import TrialHandle
    from xautolm_core.search.explanation import TrialExplanation
    from xautolm_core.search.setup import SearchSetup

_WAIT_SECONDS = 0.5
_SAVE_STATE_SECONDS = 5.0


class TrialLoop:
    """Runs the trials of one search.

    Args:
        setup: What the trials share.
        resumed: Trials of an earlier process; those that are not final are run first.
        outbox: Writes the experiences; a new one if None.

    Attributes:
        pace: Allots each trial its part of the budget.
        records: All trials that have ended.
    """

    def __init__(
        self,
        setup: SearchSetup,
        resumed: Sequence[ResumedTrial],
        outbox: ExperienceOutbox | None = None,
    ) -> None:
        self._setup = setup
        self._waiting = {r.proposal.number: r for r in resumed if r.final is None}
        self._running: dict[int, RunningTrial] = {}
        self._outbox = outbox or ExperienceOutbox(setup)
        self._exhausted = False
        self._saved_at = 0.0
        self.pace = SearchPace(setup)
        self._early_stops = EarlyStops.of(setup)
        setup.sampler.adapt = lambda one, first: self.pace.fit(one, self.records, is_first=first)
        self._spending = Spending(
            setup.spec.spending, resumed, expected=setup.state.expected_shares
        )
        self.records: list[TrialRecord] = with_front(
            without_checkpoints(
                resumed_records(resumed, setup.spec.objectives), setup.state.without_checkpoints
            ),
            setup.spec.objectives,
        )

    @property
    def best(self) -> TrialRecord | None:
        """The best trial so far."""
        return choose_best(self.records)

    def run(self) -> str:
        """Run trials until the budget is used; return why it stopped.

        No trial keeps running, whatever happens.

        Returns:
            ``trials``, ``budget``, ``gpu_hours``, ``energy``, ``cost``, ``carbon``,
            ``unmetered``, ``exhausted`` or ``interrupted``.

        Raises:
            LaunchError: The launcher cannot start trials any more.
            OSError: The run folder cannot be written any more.
        """
        try:
            return self._run()
        finally:
            for number in list(self._running):
                self._setup.launcher.cancel(self._running.pop(number).handle, grace_seconds=1.0)
            self._outbox.flush()
            self._save_state()

    def propose(self, count: int) -> tuple[list[TrialSpec], str | None]:
        """Submit up to ``count`` trials, retries included, without waiting for them.

        Returns:
            The trials, and why there are no more of them; None if there are ``count``.
        """
        reason = None
        while len(self._running) < count:
            if not self._waiting:
                reason = self._stop_reason()
                if reason is not None:
                    break
            self._start_next()
        self._outbox.flush()
        return [running.spec for running in self._running.values()], reason

    def absorb(self) -> str:
        """Record the results of the trials that an earlier process has submitted.

        Returns:
            Why no further trial would be started; ``rounds`` if one would be.
        """
        while self._waiting:
            self._start_next()
        self._collect()
        reason = self._stop_reason()
        self._outbox.flush()
        self._save_state()
        return reason or "rounds"

    def _run(self) -> str:
        while True:
            self._collect()
            if self._setup.interrupts.count:
                self._cancel_running()
                return "interrupted"
            reason = self._fill()
            if not self._running:
                assert reason is not None
                return reason
            self._watch()

    # --- starting trials ---

    def _fill(self) -> str | None:
        """Start trials while there is room; return why no further one is started, else None."""
        while len(self._running) < self._setup.spec.workers:
            reason = self._stop_reason()
            if reason is not None:
                return reason
            self._start_next()
        return None

    def _stop_reason(self) -> str | None:
        """Return why no further trial is started; None if one may start."""
        if self._exhausted and not self._waiting and self._planned() is None:
            return "exhausted"
        policy = self._setup.policy
        is_bounded = not (policy.effective_budget_seconds is None and policy.max_trials is None)
        configurations = tried(self._running, self.records)
        cheap = self.pace.next_cheap(self.records, self._running)
        spent = self._spending.reached(uses_of(self._running), is_bounded=is_bounded)
        return spent or policy.may_start(
            started_trials=sum(not is_cheap(one.method) for one in configurations),
            left_seconds=self.pace.left_seconds(self.records),
            overhead_seconds=self.pace.overhead_seconds,
            evaluation_seconds=0.0 if cheap else self.pace.evaluation_seconds(self.records),
        )

    def continued(self) -> set[int]:
        """Return the numbers of the trials that are being continued now, or will be in a retry."""
        continued = [running.spec.continues for running in self._running.values()]
        continued += [waiting.proposal.continues for waiting in self._waiting.values()]
        return {number for number in continued if number is not None}

    def _start_next(self) -> None:
        """Start a trial: a waiting one, else a planned one, else one that the sampler draws."""
        if self._waiting:
            self._start_waiting()
            return
        planned = self._planned()
        if planned is not None:
            self._start_planned(planned)
        elif not self._setup.space.branches:
            self._exhausted = True  # the space has only cheap candidates
        else:
            self._start_drawn()

    def _planned(self) -> PlannedTrial | None:
        """Return the trial that the search itself plans now; None if the sampler should draw."""
        cheap = self.pace.next_cheap(self.records, self._running)
        return cheap or self.pace.continuation(
            self.records, self.continued(), may_draw=not self._exhausted
        )

    def _start_waiting(self) -> None:
        """Restart a trial of an earlier process, or adopt it if it still runs."""
        setup = self._setup
        trial = setup.study.ask()
        resumed = self._waiting.pop(trial.number)
        proposal = resumed.attempts[-1].proposal
        settle_parameters(trial, setup.space, proposal.configuration)
        if resumed.lost_spec is not None:
            handle = setup.launcher.adopt(resumed.lost_spec)
            if handle is not None:
                self._watch_over(trial, resumed.lost_spec, handle, proposal, resumed.infra_attempts)
                return
        self._launch(
            trial,
            planned_again(resumed.proposal),
            attempt=resumed.next_attempt,
            infra_attempts=resumed.infra_attempts,
            explanation=resumed.proposal.explanation,
        )

    def _start_planned(self, planned: PlannedTrial) -> None:
        setup = self._setup
        trial = ask_for(setup.study, setup.space, planned)
        self._launch(trial, planned, attempt=0, infra_attempts=0)

    def _start_drawn(self) -> None:
        setup = self._setup
        trial = setup.study.ask()
        try:
            configuration = ask_configuration(trial, setup.space)
        except SpaceExhaustedError:
            tell_exhausted(setup.study, trial)
            self._exhausted = True
            return
        planned = PlannedTrial(configuration, setup.sampler.why(trial.number))
        explanation = setup.sampler.explanation(trial.number)
        for name, value in attributes_of(planned, explanation).items():
            trial.set_user_attr(name, value)
        warning = misleading_history([*(one.explanation for one in self.records), explanation])
        if warning is not None:
            setup.note(warning, warning=True)
        self._launch(trial, planned, attempt=0, infra_attempts=0, explanation=explanation)

    def _launch(
        self,
        trial: optuna.Trial,
        planned: PlannedTrial,
        *,
        attempt: int,
        infra_attempts: int,
        explanation: TrialExplanation | None = None,
    ) -> None:
        if infra_attempts:
            require_room(self._setup.out_folder)
        setup = self._setup
        spec = trial_spec(setup, self.pace, self.records, planned, (trial.number, attempt))
        proposal = Proposal(
            number=trial.number,
            configuration=planned.configuration,
            why=planned.why,
            continues=spec.continues,
            explanation=explanation,
            study_attributes=sampler_attributes(setup.study),
        )
        write_json(spec.out_folder / PROPOSAL_FILE, proposal)
        self._watch_over(trial, spec, setup.launcher.submit(spec), proposal, infra_attempts)

    def _watch_over(
        self,
        trial: optuna.Trial,
        spec: TrialSpec,
        handle: TrialHandle,
        proposal: Proposal,
        infra_attempts: int,
    ) -> None:
        self._running[trial.number] = RunningTrial(trial, spec, handle, proposal, infra_attempts)
        self._setup.observer.trial_started(trial.number, spec.configuration, proposal.why)

    # --- recording results ---

    def _watch(self) -> None:
        """Wait for an event, and report the progress to the observer."""
        setup = self._setup
        handles = [running.handle for running in self._running.values()]
        setup.launcher.wait(handles, _WAIT_SECONDS)
        budget = setup.policy.effective_budget_seconds
        left = None if budget is None else max(0.0, budget - setup.clock.elapsed_seconds)
        heartbeats = heartbeats_of(self._running)
        setup.observer.tick(left, heartbeats)
        self._stop_early(heartbeats)
        if time.monotonic() - self._saved_at > _SAVE_STATE_SECONDS:
            self._saved_at = time.monotonic()
            self._save_state()

    def _stop_early(self, heartbeats: Mapping[int, Mapping[str, Any]]) -> None:
        """Stop trials that are in the worse half at a rung, if others can use their time."""
        if self._early_stops is None:
            return
        stops = self._early_stops.find(self._running, heartbeats, self.records)
        if not stops or self._exhausted or self._stop_reason() is not None:
            return
        for number, why in stops.items():
            self._setup.launcher.begin_cancel([self._running[number].handle], pruned=why)

    def _save_state(self) -> None:
        used = self._spending.shares(uses_of(self._running))
        most = self._setup.policy.max_trials
        if most is not None:
            used["trials"] = sum(not is_cheap(r.configuration.method) for r in self.records) / most
        self._setup.state.budget_used = used
        self._setup.save_state()

    def _collect(self) -> None:
        for number, running in list(self._running.items()):
            result = self._setup.launcher.poll(running.handle)
            if result is not None:
                del self._running[number]
                self._take(running, result)

    def _take(self, running: RunningTrial, result: TrialResult) -> None:
        """Record a result: in the store first, then in the study, then update the best model."""
        setup = self._setup
        self._outbox.post(running.spec, result, running.proposal.explanation)
        self._count_spending(running, result)
        infra_attempts = running.infra_attempts + (result.outcome is Outcome.INFRA)
        if not is_final(result.outcome, infra_attempts):
            if result.outcome is not Outcome.CANCELLED and not setup.interrupts.count:
                setup.note(words_again(result), warning=result.outcome is Outcome.INFRA)
                self._launch(
                    running.trial,
                    planned_again(running.proposal),
                    attempt=running.spec.attempt + 1,
                    infra_attempts=infra_attempts,
                    explanation=running.proposal.explanation,
                )
                return
        else:
            values = objective_values(result, setup.spec.objectives)
            told = values_to_tell(values, setup.spec.objectives)
            tell(setup.study, running.trial, result, told)
        self._record(running, result)

    def _count_spending(self, running: RunningTrial, result: TrialResult) -> None:
        self._spending.add(result, running.spec.configuration.method)
        if self._spending.unmetered_attempts:
            for warning in unmetered_warnings(self._setup.spec):
                self._setup.note(warning, warning=True)

    def _record(self, running: RunningTrial, result: TrialResult) -> None:
        setup = self._setup
        record = record_of(running.proposal, result, setup.spec.objectives)
        before = self.best
        others = [r for r in self.records if r.number != record.number]
        self.records = with_front([*others, record], setup.spec.objectives)
        best = self.best
        if best is not None and (before is None or best.number != before.number):
            point_to_best(setup.out_folder, best)
        delete_useless(setup.out_folder, self.records, best, setup.spec.keep_models)
        kept = worth_a_checkpoint(setup.space, self.records) | self.continued()
        if running.spec.continues is not None and not is_final(result.outcome, 0):
            kept.add(running.spec.continues)  # a resumed search continues it again
        self.records = discard_checkpoints(setup, self.records, kept)
        self.pace.learn(result, wall_seconds=time.monotonic() - running.launched_seconds)
        self._save_state()
        shown = next(r for r in self.records if r.number == record.number)
        setup.observer.trial_ended(shown, [r for r in self.records if r.on_front], best)

    def _cancel_running(self) -> None:
        grace = 5.0 if self._setup.interrupts.count == 1 else 0.5
        handles = [running.handle for running in self._running.values()]
        self._setup.launcher.begin_cancel(handles, grace_seconds=grace)
        for number, running in list(self._running.items()):
            result = self._setup.launcher.cancel(running.handle, grace_seconds=grace)
            del self._running[number]
            self._take(running, result)
