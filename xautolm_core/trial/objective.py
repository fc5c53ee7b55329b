"""What differs between types of tasks in a fine-tuning: the data, the loss, the evaluation.

The phases of a trial (``fine_tune``) and its training loop (``training``) know these protocols
alone.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from typing import Any
from typing import Protocol

import numpy as np
import torch

from xautolm_core.records.scores import Score
from xautolm_core.tasks.task import AnyTask
from xautolm_core.trial.contract import TrialSpec
from xautolm_core.trial.hyperparameters import HyperParameters
from xautolm_core.trial.inputs import TokenInput
from xautolm_core.trial.plan import Deadline
from xautolm_core.trial.precision import Precision
from xautolm_core.trial.sigterm import Interruption
from xautolm_core.trial.state import TrialState
from xautolm_core.trial.tokenizer import TokenizerFolder
from xautolm_core.trial.tokens import Tokens


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation on validation has found.

    Attributes:
        score: The primary score of the type of task, in [0, 1]; more is better.
        scores: All scores, the primary one included.
        decoding: What was chosen on validation beside the weights, for answers of the saved model.
    """

    score: float
    scores: Mapping[str, Score]
    decoding: Mapping[str, float] = field(default_factory=dict)


class Objective(Protocol):
    """What a training learns, and how it is judged.

    A training learns from items, of which a batch has some: rows, or windows of them.
    """

    @property
    def rows(self) -> int:
        """Number of the task's rows that are learnt from."""
        ...

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each item, int64."""
        ...

    @property
    def strata(self) -> np.ndarray:
        """Of which kind each item is, int64; each part of an epoch has all kinds."""
        ...

    @property
    def evaluation_lengths(self) -> np.ndarray:
        """Tokens of each item of an evaluation, int64."""
        ...

    def loss(self, items: np.ndarray) -> torch.Tensor:
        """Return the mean loss of some items."""
        ...

    def run_evaluation_items(self, items: np.ndarray) -> None:
        """Run some items of an evaluation through the model, to learn what one costs."""
        ...

    def evaluate(self, between: Callable[[], None]) -> Evaluation:
        """Evaluate the model as it is.

        Args:
            between: Called after each forward pass; what it raises ends the evaluation.

        Raises:
            Diverged: An output is not finite.
        """
        ...


@dataclass(frozen=True)
class Machine:
    """Device and precision of a trial."""

    device: torch.device
    precision: Precision

    def inputs(self, model: Any, tokens: Tokens, tokenizer: TokenizerFolder) -> TokenInput:
        """Return a split's rows as the whole model takes them."""
        return TokenInput(model, tokens, tokenizer.traits, self.device, self.precision)


@dataclass(frozen=True)
class TrialAtWork:
    """A fine-tuning at work.

    Attributes:
        spec: What is asked.
        parameters: What to train with.
        machine: Device and precision.
        state: Is kept up to date.
        deadline: Of training and evaluation.
        interruption: Is looked at between two steps.
    """

    spec: TrialSpec
    parameters: HyperParameters
    machine: Machine
    state: TrialState
    deadline: Deadline
    interruption: Interruption


class TrialData(Protocol):
    """A trial's data as a model takes them.

    Attributes:
        tokenizer: The model's tokenizer.
        max_length: Longest input in tokens.
    """

    @property
    def tokenizer(self) -> TokenizerFolder:
        """The model's tokenizer."""
        ...

    @property
    def max_length(self) -> int:
        """Longest input in tokens."""
        ...

    def objective(self, model: Any, work: TrialAtWork) -> tuple[Objective, np.ndarray]:
        """Return what is learnt, and the numbers of the training rows that it is learnt from.

        Args:
            model: The model, the method applied, on its device.
            work: The trial.
        """
        ...

    def latency_ms(self, model: Any, machine: Machine) -> float:
        """Return the median milliseconds of the answer to one row."""
        ...


class TrialSource(Protocol):
    """The rows of a task that a trial's budget allows, before they are tokenised."""

    @property
    def task(self) -> AnyTask:
        """The task."""
        ...

    @property
    def has_pairs(self) -> bool:
        """Whether a row of a classification task consists of two texts."""
        ...

    def tokenize(self, tokenizer: TokenizerFolder, max_length: int) -> TrialData:
        """Return the data as tokens."""
        ...


class FineTuningKind(Protocol):
    """How the models of a type of task are fine-tuned.

    Attributes:
        problem_type: Of the head's config; None where it has none.
    """

    problem_type: str | None

    def auto_class(self, architecture: str) -> str:
        """Return the name of the class in ``transformers`` that has the head.

        Args:
            architecture: ``model_type`` of the model's config.

        Raises:
            InvalidConfiguration: The architecture has no such class.
        """
        ...

    def head_labels(self, task: AnyTask) -> Sequence[str]:
        """Return the names of a new head's outputs, in their order; none without a new head."""
        ...

    def open(self, spec: TrialSpec) -> TrialSource:
        """Open a trial's task and choose its rows.

        Raises:
            InvalidConfiguration: A hyper-parameter does not fit the type of task.
        """
        ...
