"""Fine-tuning of classifiers: their data, their loss, their evaluation."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from datetime import datetime
from typing import Any

import numpy as np
import torch

from xautolm_core.records.scores import Score
from xautolm_core.tasks.prepared import open_prepared
from xautolm_core.tasks.task import AnyTask
from xautolm_core.tasks.task import SplitName
from xautolm_core.tasks.task import Task
from xautolm_core.trial.contract import TrialSpec
from xautolm_core.trial.evaluation import evaluation_tokens
from xautolm_core.trial.evaluation import measure_latency
from xautolm_core.trial.evaluation import predict_logits
from xautolm_core.trial.evaluation import spread_rows
from xautolm_core.trial.head_only import FrozenRows
from xautolm_core.trial.head_only import HeadOnlyRows
from xautolm_core.trial.head_only import replace_backbone
from xautolm_core.trial.inputs import ClassifierInput
from xautolm_core.trial.models import CLASSIFIER_CLASS
from xautolm_core.trial.objective import Evaluation
from xautolm_core.trial.objective import Machine
from xautolm_core.trial.objective import TrialAtWork
from xautolm_core.trial.optimisation import Loss
from xautolm_core.trial.rows import TrialRows
from xautolm_core.trial.rows import choose_rows
from xautolm_core.trial.scoring import score_logits
from xautolm_core.trial.tokenizer import TokenizerFolder
from xautolm_core.trial.tokens import Tokens
from xautolm_core.trial.tokens import open_tokens


@dataclass(frozen=True)
class LabelledRows:
    """Rows of a split with their classes.

    Attributes:
        inputs: The split as the model takes it.
        rows: Which rows of it, int64.
        labels: Class of each of these rows, int64.
    """

    inputs: ClassifierInput
    rows: np.ndarray
    labels: np.ndarray

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each of these rows."""
        return self.inputs.lengths[self.rows]


class ClassificationObjective:
    """Cross entropy of classes, judged by macro-F1. An item is a row.

    Args:
        model: The model, the method applied, on its device.
        train: Training rows.
        validation: Rows to evaluate on.
        names: Class names.
        loss: Of logits and classes.
        device: Where the model is.
    """

    def __init__(
        self,
        model: Any,
        train: LabelledRows,
        validation: LabelledRows,
        *,
        names: Sequence[str],
        loss: Loss,
        device: torch.device,
    ) -> None:
        self._model = model
        self._train = train
        self._validation = validation
        self._names = names
        self._loss = loss
        self._device = device
        self.rows = len(train.rows)
        self.lengths = train.lengths
        self.strata = train.labels
        self.evaluation_lengths = validation.lengths

    def loss(self, items: np.ndarray) -> torch.Tensor:
        """Return the mean loss of some training rows."""
        logits = self._train.inputs.logits(self._train.rows[items])
        labels = torch.from_numpy(self._train.labels[items]).to(self._device)
        return self._loss(logits, labels)

    def run_evaluation_items(self, items: np.ndarray) -> None:
        """Run some validation rows through the model."""
        self._validation.inputs.logits(self._validation.rows[items]).cpu()

    def evaluate(self, between: Callable[[], None]) -> Evaluation:
        """Return macro-F1 and accuracy on the validation rows.

        Raises:
            Diverged: An output is not finite.
        """
        logits = predict_logits(
            self._model,
            self._validation.inputs,
            self._validation.rows,
            len(self._names),
            max_tokens=evaluation_tokens(self._device),
            between=between,
        )
        found = score_logits(logits, self._validation.labels, self._names)
        return Evaluation(
            found.macro_f1,
            {
                "macro_f1": Score(value=found.macro_f1),
                "accuracy": Score(value=found.accuracy),
            },
        )


@dataclass(frozen=True)
class ClassificationData:
    """A trial's texts as tokens.

    Attributes:
        task: The task.
        rows: The rows that the budget allows.
        tokenizer: The model's tokenizer.
        max_length: Longest input in tokens.
        train: Tokens of the training split.
        validation: Tokens of the validation split.
    """

    task: Task
    rows: TrialRows
    tokenizer: TokenizerFolder
    max_length: int
    train: Tokens
    validation: Tokens

    def labels(self, split: SplitName) -> np.ndarray:
        """Class of each row of a split, int64."""
        return self.task.splits[split].labels.astype(np.int64)

    def objective(
        self, model: Any, work: TrialAtWork
    ) -> tuple[ClassificationObjective, np.ndarray]:
        """Return what is learnt and from which rows; of a frozen backbone features are made."""
        machine, state = work.machine, work.state
        train_input: ClassifierInput = machine.inputs(model, self.train, self.tokenizer)
        validation_input: ClassifierInput = machine.inputs(model, self.validation, self.tokenizer)
        train_rows = self.rows.train
        if work.parameters.method == "head":
            # Its first training step is the first pass for features.
            state.first_step_at = datetime.now(UTC)
            features = self._replace_backbone(model, work)
            if features is not None:
                train_input, validation_input = features.train, features.validation
                train_rows = features.train_rows
                state.reused_seconds = features.reused.seconds
                state.reused_joules = features.reused.joules
        train = LabelledRows(train_input, train_rows, self.labels("train")[train_rows])
        validation = LabelledRows(
            validation_input, self.rows.validation, self.labels("validation")[self.rows.validation]
        )
        names, device = self.task.labels, machine.device
        loss = Loss(work.parameters, train.labels, len(names), device)
        objective = ClassificationObjective(
            model, train, validation, names=names, loss=loss, device=device
        )
        return objective, train_rows

    def latency_ms(self, model: Any, machine: Machine) -> float:
        """Return the median milliseconds of one forward pass of one text."""
        inputs = machine.inputs(model, self.validation, self.tokenizer)
        rows = [np.array([row]) for row in spread_rows(self.rows.validation)]
        return measure_latency(model, inputs.logits, rows, machine.device)

    def _replace_backbone(self, model: Any, work: TrialAtWork) -> HeadOnlyRows | None:
        machine, spec = work.machine, work.spec
        assert spec.model is not None  # a fine-tuning has one
        splits = [
            FrozenRows(tokens, machine.inputs(model, tokens, self.tokenizer), rows, labels)
            for tokens, rows, labels in (
                (self.train, self.rows.train, self.labels("train")),
                (self.validation, self.rows.validation, self.labels("validation")),
            )
        ]
        return replace_backbone(
            model,
            *splits,
            reference=spec.model,
            cache_folder=spec.cache_folder,
            device=machine.device,
            precision=machine.precision,
            seed=spec.seed,
            goes_on=work.interruption.check,
            has_time=work.deadline.allows_features,
            joules=work.state.joules,
        )


@dataclass(frozen=True)
class ClassificationSource:
    """A classification task with the rows that a trial's budget allows."""

    spec: TrialSpec
    task: Task
    rows: TrialRows

    @property
    def has_pairs(self) -> bool:
        """Whether a row consists of two texts."""
        return self.task.has_pairs

    def tokenize(self, tokenizer: TokenizerFolder, max_length: int) -> ClassificationData:
        """Return the texts as tokens."""

        def tokens_of(split: SplitName) -> Tokens:
            return open_tokens(
                self.task,
                split,
                key=self.spec.task_folder.name,
                tokenizer=tokenizer,
                max_length=max_length,
                cache_folder=self.spec.cache_folder,
            )

        train, validation = tokens_of("train"), tokens_of("validation")
        return ClassificationData(self.task, self.rows, tokenizer, max_length, train, validation)


class ClassificationKind:
    """How classifiers are fine-tuned."""

    problem_type: str | None = "single_label_classification"

    def auto_class(self, architecture: str) -> str:
        """Return the name of the class in ``transformers`` that has the head."""
        return CLASSIFIER_CLASS

    def head_labels(self, task: AnyTask) -> Sequence[str]:
        """Return the class names."""
        return task.labels

    def open(self, spec: TrialSpec) -> ClassificationSource:
        """Open a trial's task and choose its rows."""
        task = open_prepared(spec.task_folder)
        return ClassificationSource(spec, task, choose_rows(task, spec))
