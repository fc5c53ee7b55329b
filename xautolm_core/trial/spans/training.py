"""Fine-tuning of models that find answers in passages: data, loss, evaluation."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from xautolm_core.tasks.prepared import open_prepared_questions
from xautolm_core.tasks.questions import QuestionSplit
from xautolm_core.tasks.questions import QuestionTask
from xautolm_core.tasks.task import AnyTask
from xautolm_core.tasks.task import SplitName
from xautolm_core.trial.contract import TrialSpec
from xautolm_core.trial.evaluation import evaluation_tokens
from xautolm_core.trial.evaluation import measure_latency
from xautolm_core.trial.evaluation import spread_rows
from xautolm_core.trial.failures import InvalidConfiguration
from xautolm_core.trial.judged_answers import judge_answers
from xautolm_core.trial.models import SPAN_CLASS
from xautolm_core.trial.objective import Evaluation
from xautolm_core.trial.objective import Machine
from xautolm_core.trial.objective import TrialAtWork
from xautolm_core.trial.rows import TrialRows
from xautolm_core.trial.rows import choose_questions
from xautolm_core.trial.rows import has_answers
from xautolm_core.trial.spans.decoding import QuestionSpans
from xautolm_core.trial.spans.decoding import spans_of_questions
from xautolm_core.trial.spans.inputs import SpanInput
from xautolm_core.trial.spans.inputs import batch_spans
from xautolm_core.trial.spans.inputs import predict_spans
from xautolm_core.trial.spans.windows import UNTRAINED
from xautolm_core.trial.spans.windows import Windows
from xautolm_core.trial.spans.windows import open_windows
from xautolm_core.trial.tokenizer import TokenizerFolder


def span_loss(
    scores: torch.Tensor, allowed: torch.Tensor, gold: torch.Tensor, smoothing: float = 0.0
) -> torch.Tensor:
    """Return the mean of the cross entropies of first and last tokens.

    Args:
        scores: Of each token as first and as last one, (windows, tokens, 2).
        allowed: Which tokens may be either: those of the passage, and the null token.
        gold: Place of the first and of the last token of the answer, (windows, 2).
        smoothing: Share of the target that all allowed tokens have in common, in [0, 1).
    """
    hidden = ~allowed.unsqueeze(-1)
    logs = torch.log_softmax(scores.masked_fill(hidden, -torch.inf), dim=1)
    loss = -logs.gather(1, gold.unsqueeze(1)).mean()
    if smoothing == 0.0:
        return loss
    counts = allowed.sum(1, keepdim=True)
    uniform = -(logs.masked_fill(hidden, 0.0).sum(1) / counts).mean()
    return (1 - smoothing) * loss + smoothing * uniform


@dataclass(frozen=True)
class Questions:
    """Questions of a split, to evaluate on.

    Attributes:
        windows: Of the split.
        inputs: The same as the model takes them.
        rows: Which questions, ascending, int64.
        contexts: The passage of each of them.
        accepted: The accepted answers of each.
    """

    windows: Windows
    inputs: SpanInput
    rows: np.ndarray
    contexts: Sequence[str]
    accepted: Sequence[Sequence[str]]

    def spans(self, model: Any, device: torch.device, between: Callable[[], None]) -> QuestionSpans:
        """Return the best span of each question.

        Raises:
            Diverged: An output is not finite.
        """
        found = predict_spans(
            model,
            self.inputs,
            self.windows.of_questions(self.rows),
            max_tokens=evaluation_tokens(device),
            between=between,
        )
        return spans_of_questions(self.windows, self.rows, found)


class SpanObjective:
    """Cross entropy of the answer's first and last token, judged by F1. An item is a window.

    Args:
        model: The model, the method applied, on its device.
        train: Windows of the training split, and how the model takes them.
        rows: Training questions.
        validation: Questions to evaluate on.
        has_unanswerable: Whether there are training questions without an answer: only then does the
            model give none, where the null token is better by more than a threshold.
        smoothing: Of the loss.
        device: Where the model is.
    """

    def __init__(
        self,
        model: Any,
        train: tuple[Windows, SpanInput],
        rows: np.ndarray,
        validation: Questions,
        *,
        has_unanswerable: bool,
        smoothing: float,
        device: torch.device,
    ) -> None:
        self._model = model
        self._windows, self._inputs = train
        self._validation = validation
        self._has_unanswerable = has_unanswerable
        self._smoothing = smoothing
        self._device = device
        items = self._windows.of_questions(rows)
        self._items = items[self._windows.gold[items, 0] != UNTRAINED]
        if not len(self._items):
            raise InvalidConfiguration("No training question has an answer in its passage")
        self._evaluated = validation.windows.of_questions(validation.rows)
        self.rows = len(rows)
        self.lengths = self._inputs.lengths[self._items]
        self.strata = self._windows.has_answer[self._items].astype(np.int64)
        self.evaluation_lengths = validation.inputs.lengths[self._evaluated]

    def loss(self, items: np.ndarray) -> torch.Tensor:
        """Return the mean loss of some windows."""
        rows = self._items[items]
        scores = self._inputs.scores(rows)
        pieces, nulls = self._inputs.places(rows)
        columns = np.arange(scores.shape[1])
        allowed = (columns >= pieces[:, :1]) & (columns < pieces[:, 1:])
        allowed[np.arange(len(rows)), nulls] = True
        gold = self._windows.gold[rows].astype(np.int64) + self._inputs.shifts(rows)[:, None]
        return span_loss(
            scores,
            torch.from_numpy(allowed).to(self._device),
            torch.from_numpy(gold).to(self._device),
            self._smoothing,
        )

    def run_evaluation_items(self, items: np.ndarray) -> None:
        """Run some windows of the validation questions through the model."""
        batch_spans(self._validation.inputs, self._evaluated[items])

    def evaluate(self, between: Callable[[], None]) -> Evaluation:
        """Return F1 and exact match on the validation questions.

        Raises:
            Diverged: An output is not finite.
        """
        questions = self._validation
        spans = questions.spans(self._model, self._device, between)
        found = judge_answers(
            spans.texts(questions.contexts),
            spans.margins,
            questions.accepted,
            has_unanswerable=self._has_unanswerable,
        )
        return Evaluation(found.f1, found.scores, found.decoding)


@dataclass(frozen=True)
class SpanData:
    """A trial's questions as windows.

    Attributes:
        task: The task.
        rows: The questions that the budget allows.
        tokenizer: The model's tokenizer.
        max_length: Tokens of a window.
        train: Windows of the training split.
        validation: Windows of the validation split.
    """

    task: QuestionTask
    rows: TrialRows
    tokenizer: TokenizerFolder
    max_length: int
    train: Windows
    validation: Windows

    def objective(self, model: Any, work: TrialAtWork) -> tuple[SpanObjective, np.ndarray]:
        """Return what is learnt and from which questions."""
        rows = self.rows.train
        split = self.task.validation
        objective = SpanObjective(
            model,
            (self.train, self._inputs(model, self.train, work.machine)),
            rows,
            Questions(
                self.validation,
                self._inputs(model, self.validation, work.machine),
                self.rows.validation,
                _some(split.contexts, self.rows.validation),
                _some(split.answers, self.rows.validation),
            ),
            has_unanswerable=not has_answers(self.task.train)[rows].all(),
            smoothing=work.parameters.label_smoothing,
            device=work.machine.device,
        )
        return objective, rows

    def latency_ms(self, model: Any, machine: Machine) -> float:
        """Return the median milliseconds of one forward pass of all windows of one question."""
        inputs = self._inputs(model, self.validation, machine)
        questions = spread_rows(self.rows.validation)
        rows = [self.validation.of_questions(np.array([question])) for question in questions]
        return measure_latency(model, inputs.scores, rows, machine.device)

    def _inputs(self, model: Any, windows: Windows, machine: Machine) -> SpanInput:
        return SpanInput(model, windows, self.tokenizer.traits, machine.device, machine.precision)


@dataclass(frozen=True)
class SpanSource:
    """A question answering task with the rows that a trial's budget allows."""

    spec: TrialSpec
    task: QuestionTask
    rows: TrialRows
    has_pairs: bool = False

    def tokenize(self, tokenizer: TokenizerFolder, max_length: int) -> SpanData:
        """Return the questions as windows."""

        def windows_of(name: SplitName) -> Windows:
            split: QuestionSplit = self.task.splits[name]
            return open_windows(
                split,
                name,
                key=self.spec.task_folder.name,
                tokenizer=tokenizer,
                max_length=max_length,
                cache_folder=self.spec.cache_folder,
            )

        train, validation = windows_of("train"), windows_of("validation")
        return SpanData(self.task, self.rows, tokenizer, max_length, train, validation)


class SpanKind:
    """How models that find answers in passages are fine-tuned."""

    problem_type: str | None = None

    def auto_class(self, architecture: str) -> str:
        """Return the name of the class in ``transformers`` that has the head."""
        return SPAN_CLASS

    def head_labels(self, task: AnyTask) -> Sequence[str]:
        """Return what the head says of a token: that the answer begins there, or ends."""
        return ("start", "end")

    def open(self, spec: TrialSpec) -> SpanSource:
        """Open a trial's task and choose its questions.

        Raises:
            InvalidConfiguration: Classes are to be weighed, and there are none.
        """
        if spec.configuration.parameters.get("class_weighted_loss"):
            raise InvalidConfiguration("Answers have no classes: class_weighted_loss does not fit")
        task = open_prepared_questions(spec.task_folder)
        return SpanSource(spec, task, choose_questions(task, spec))


def _some(column: Any, rows: np.ndarray) -> list[Any]:
    import pyarrow as pa

    found: list[Any] = column.take(pa.array(rows)).to_pylist()
    return found
