"""The training loop of a trial."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from datetime import UTC
from datetime import datetime
from typing import Any

import numpy as np
import torch

from xautolm_core.trial.batches import epoch_batches
from xautolm_core.trial.batches import evaluation_batches
from xautolm_core.trial.batches import padded_tokens
from xautolm_core.trial.best_weights import BestWeights
from xautolm_core.trial.checkpoint import Checkpoints
from xautolm_core.trial.checkpoint import TrainedParts
from xautolm_core.trial.checkpoint_manifest import TrainingPosition
from xautolm_core.trial.evaluation import evaluation_tokens
from xautolm_core.trial.failures import Cancelled
from xautolm_core.trial.failures import CheckpointFault
from xautolm_core.trial.failures import DeadlineExceeded
from xautolm_core.trial.failures import Diverged
from xautolm_core.trial.objective import Objective
from xautolm_core.trial.objective import TrialAtWork
from xautolm_core.trial.optimisation import EarlyStopping
from xautolm_core.trial.optimisation import LearningRate
from xautolm_core.trial.optimisation import build_optimizer
from xautolm_core.trial.plan import PROBE_STEPS
from xautolm_core.trial.plan import StepPace
from xautolm_core.trial.plan import TrainingPlan
from xautolm_core.trial.saving import StateSaver

# A check for finite values waits for the GPU; this many steps go without one.
_GPU_STEPS_BETWEEN_CHECKS = 16
# A trial that ends itself at its wall limit does so this much before it.
_HANDOVER_SECONDS = 0.5
# After SIGTERM the process is ended within 1.5 s (see ``heartbeat``): a save may take this long.
_LAST_SAVE_SECONDS = 0.8


class FineTuning:
    """Trains a model, evaluates it after each epoch and leaves it with its best weights.

    Args:
        model: The model, the method applied, on its device.
        objective: What it learns, and how it is judged.
        work: The trial.
        saver: Writes the best state to disk.
        checkpoints: Where a continuation starts, and where the training's end is kept.

    Raises:
        CheckpointFault: The checkpoint to continue from does not fit.
    """

    def __init__(
        self,
        *,
        model: Any,
        objective: Objective,
        work: TrialAtWork,
        saver: StateSaver,
        checkpoints: Checkpoints,
    ) -> None:
        self._model = model
        self._objective = objective
        self._parameters = parameters = work.parameters
        self._device = device = work.machine.device
        self._deadline = work.deadline
        self._state = work.state
        self._interruption = work.interruption
        self._seed = work.spec.seed
        self._saver = saver
        self._checkpoints = checkpoints
        self._optimizer = build_optimizer(model, parameters)
        self._scaler = torch.GradScaler(device.type, enabled=work.machine.precision == "float16")
        self._trainable = [p for p in model.parameters() if p.requires_grad]
        self._best = BestWeights(model)
        self._pace = StepPace()
        self._first_epoch = self._epoch(0)
        self._plan = self._make_plan(work.spec.budget.max_steps)
        self._rate = LearningRate(self._optimizer, parameters, self._plan.scheduled_steps)
        self._unchecked: list[torch.Tensor] = []
        self._non_finite = 0
        self._evaluations = 0
        self._early_stopping = EarlyStopping(parameters)
        self._parts = TrainedParts(model, self._optimizer, self._scaler, self._best, device)
        self._resume()

    def run(self) -> None:
        """Train. The model ends with the weights of its best evaluation, which are on disk.

        A trial that reaches its deadline or its wall limit ends with what it has evaluated by then.

        Raises:
            Diverged: Two losses, or an output, are not finite.
            DeadlineExceeded: The deadline or the wall limit does not allow for any evaluation.
            Cancelled: SIGTERM has arrived.
            OSError: The best state cannot be written.
        """
        try:
            self._train_to_the_end()
        except DeadlineExceeded as exceeded:
            if self._state.best_score is None:
                raise
            self._state.cut_by = exceeded.cut_by
            self._state.scheduled_steps = self._state.steps
        except Cancelled:
            self._save_before_the_end()
            raise
        with self._best.in_place():
            self._saver.save(self._deadline.spent_seconds())
        self._checkpoints.write(self._parts, self._position())
        self._best.restore()

    def _resume(self) -> None:
        """Go on where the checkpoint ends, if there is one."""
        position = self._checkpoints.restore(self._parts)
        if position is None:
            return
        state, plan = self._state, self._plan
        if position.steps_per_epoch != plan.steps_per_epoch or position.step >= plan.limit:
            raise CheckpointFault("The checkpoint leaves no step to take in this schedule")
        plan.first_step = position.step
        self._evaluations = position.evaluations
        self._early_stopping.score_to_beat = position.score_to_beat
        self._early_stopping.without_gain = position.evaluations_without_gain
        state.steps, state.epochs = position.step, position.step / plan.steps_per_epoch
        state.tokens, state.padded_tokens = position.tokens, position.padded_tokens
        state.best_epoch, state.best_score = position.best_epoch, position.best_score
        state.scores = dict(position.scores)
        state.decoding = dict(position.decoding)

    def _position(self) -> TrainingPosition:
        state = self._state
        return TrainingPosition(
            step=state.steps,
            steps_per_epoch=self._plan.steps_per_epoch,
            tokens=state.tokens,
            padded_tokens=state.padded_tokens,
            evaluations=self._evaluations,
            best_epoch=state.best_epoch,
            best_score=state.best_score,
            scores=state.scores,
            decoding=state.decoding,
            score_to_beat=self._early_stopping.score_to_beat,
            evaluations_without_gain=self._early_stopping.without_gain,
        )

    def _train_to_the_end(self) -> None:
        state, plan = self._state, self._plan
        state.rows = self._objective.rows
        state.planned_steps = plan.planned_steps
        state.scheduled_steps = plan.scheduled_steps
        state.first_step_at = state.first_step_at or datetime.now(UTC)
        for step, batches in enumerate(self._steps(), start=plan.first_step + 1):
            self._interruption.check()
            since = time.perf_counter()
            self._rate.set(step - 1)
            self._take_step(batches)
            tokens = sum(padded_tokens(self._objective.lengths, b) for b in batches)
            self._note_step(step, batches, tokens)
            self._pace.observe(tokens, time.perf_counter() - since)
            self._mind_deadline(step)
            if plan.evaluates_after(step) and self._evaluate(step):
                break
            if step >= plan.scheduled_steps:
                break
            self._save_where_cheap()

    def _make_plan(self, max_steps: int | None) -> TrainingPlan:
        groups = self._groups(self._first_epoch)
        lengths = self._objective.lengths
        tokens = sum(padded_tokens(lengths, b) for b in self._first_epoch)
        return TrainingPlan.of(
            steps_per_epoch=len(groups),
            epochs=self._parameters.epochs,
            tokens_per_epoch=tokens,
            max_steps=max_steps,
        )

    def _epoch(self, epoch: int) -> list[np.ndarray]:
        generator = np.random.default_rng([self._seed, epoch])
        return epoch_batches(
            self._objective.lengths,
            self._objective.strata,
            self._parameters.batch_size,
            generator,
            longest_first=epoch == 0,
        )

    def _groups(self, batches: list[np.ndarray]) -> list[list[np.ndarray]]:
        size = self._parameters.gradient_accumulation_steps
        return [batches[i : i + size] for i in range(0, len(batches), size)]

    def _steps(self) -> Iterator[list[np.ndarray]]:
        """Yield the batches of each step that is left, epoch after epoch."""
        first, skipped = divmod(self._plan.first_step, self._plan.steps_per_epoch)
        for epoch in range(first, self._parameters.epochs):
            groups = self._groups(self._first_epoch if epoch == 0 else self._epoch(epoch))
            yield from groups[skipped:]
            skipped = 0

    def _take_step(self, batches: list[np.ndarray]) -> None:
        self._model.train()
        rows = sum(len(batch) for batch in batches)
        losses = []
        for batch in batches:
            loss = self._objective.loss(batch) * (len(batch) / rows)
            self._scaler.scale(loss).backward()
            losses.append(loss.detach())
        if self._is_finite(torch.stack(losses).sum()):
            self._scaler.unscale_(self._optimizer)
            if (norm := self._parameters.clipping_norm) is not None:
                torch.nn.utils.clip_grad_norm_(self._trainable, norm)
            self._scaler.step(self._optimizer)
            self._scaler.update()
            self._best.trained_on()
        self._optimizer.zero_grad(set_to_none=True)

    def _is_finite(self, loss: torch.Tensor) -> bool:
        """Whether a step's loss may be learnt from; on a GPU looked at once in some steps.

        Raises:
            Diverged: Two losses in a row are not finite.
        """
        self._unchecked.append(loss)
        if self._device.type == "cuda" and len(self._unchecked) < _GPU_STEPS_BETWEEN_CHECKS:
            return True
        finite = torch.isfinite(torch.stack(self._unchecked)).tolist()
        self._unchecked.clear()
        for good in finite:
            self._non_finite = 0 if good else self._non_finite + 1
            if self._non_finite > 1:
                raise Diverged("The loss is not finite in two steps in a row")
        return bool(finite[-1])

    def _note_step(self, step: int, batches: list[np.ndarray], tokens: int) -> None:
        state = self._state
        state.steps = step
        state.epochs = step / self._plan.steps_per_epoch
        state.padded_tokens += tokens
        state.tokens += sum(int(self._objective.lengths[batch].sum()) for batch in batches)

    def _mind_deadline(self, step: int) -> None:
        """Fit what is left of the plan to the time that is left."""
        plan, deadline, pace = self._plan, self._deadline, self._pace
        if not deadline.exists:
            return
        review_due = deadline.review_due(plan, step)
        if pace.evaluation_seconds is None and (review_due or pace.steps == PROBE_STEPS):
            pace.evaluation_seconds = self._probe_evaluation()
        if review_due and deadline.review(plan, pace, step, self._reserve_seconds()):
            self._rate.lay_out(plan.scheduled_steps)
        cut_by = deadline.must_end(plan, pace, step, self._reserve_seconds())
        if cut_by is not None:
            plan.scheduled_steps = step
            self._state.cut_by = cut_by
        self._state.scheduled_steps = plan.scheduled_steps

    def _reserve_seconds(self) -> float:
        """Return what has to be left at the wall limit to hand over a state."""
        saving = self._saver.expected_seconds + self._checkpoints.expected_seconds
        return _HANDOVER_SECONDS + 2 * saving

    def _save_where_cheap(self) -> None:
        """Write the best state to disk if that costs little now, or is urgent."""
        saver, deadline = self._saver, self._deadline
        if not saver.is_behind:
            return
        spent = deadline.spent_seconds()
        # Before the wall limit, so that a trial that hangs there has left something.
        urgent = deadline.meets_wall(self._reserve_seconds() + (self._pace.evaluation_seconds or 0))
        if not (saver.is_cheap(spent) or urgent):
            return
        try:
            with self._best.in_place():
                saver.save(spent)
        except OSError as error:
            # The disk may have room again by the end; there it counts.
            print(f"xautolm: a state was not saved: {error.strerror}", file=sys.stderr)

    def _save_before_the_end(self) -> None:
        """Write the best state of a trial that SIGTERM ends, if there is time for it."""
        if self._saver.expected_seconds > _LAST_SAVE_SECONDS:
            return
        with contextlib.suppress(OSError), self._best.in_place():
            self._saver.save(self._deadline.spent_seconds())

    def _probe_evaluation(self) -> float:
        """Predict the seconds of an evaluation from its middle batch."""
        lengths = self._objective.evaluation_lengths
        batches = evaluation_batches(lengths, max_tokens=evaluation_tokens(self._device))
        middle = batches[len(batches) // 2]
        found = []
        self._model.eval()
        with torch.inference_mode():
            for _ in range(2):
                since = time.perf_counter()
                self._objective.run_evaluation_items(middle)
                found.append(time.perf_counter() - since)
        total = sum(padded_tokens(lengths, batch) for batch in batches)
        return min(found) * total / max(padded_tokens(lengths, middle), 1)

    def _evaluate(self, step: int) -> bool:
        """Evaluate; return whether to stop early."""
        self._deadline.check_wall((self._pace.evaluation_seconds or 0.0) + _HANDOVER_SECONDS)
        state = self._state
        since = time.perf_counter()
        with state.clock.phase("evaluate"):
            found = self._objective.evaluate(self._mind_wall)
        self._pace.evaluation_seconds = time.perf_counter() - since
        self._evaluations += 1
        state.note_evaluation(found.score)
        if state.best_score is None or found.score > state.best_score:
            state.best_score = found.score
            state.best_epoch = self._evaluations
            state.scores = dict(found.scores)
            state.decoding = dict(found.decoding)
            self._best.keep(last=step >= self._plan.scheduled_steps)
        return self._early_stopping.stops(found.score)

    def _mind_wall(self) -> None:
        """Give up an evaluation that takes longer than expected, for the state evaluated before.

        Raises:
            Cancelled: SIGTERM has arrived.
            DeadlineExceeded: The wall limit is near, and there is a state to hand over.
        """
        self._interruption.check()
        if self._state.best_score is not None:
            self._deadline.check_wall(self._reserve_seconds())
