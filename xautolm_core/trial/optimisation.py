"""Optimiser, learning-rate schedule and loss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from xautolm_core.trial.hyperparameters import HyperParameters

# "constant" of the paper's grid comes with warm-up steps like the others.
_SCHEDULES = {"constant": "constant_with_warmup"}


def build_optimizer(model: nn.Module, parameters: HyperParameters) -> torch.optim.Optimizer:
    """Return the optimiser of the trainable parameters; vectors and scalars are not decayed.

    Biases and the weights of normalisation layers are the parameters with one dimension.
    """
    decayed: list[nn.Parameter] = []
    plain: list[nn.Parameter] = []
    for parameter in model.parameters():
        if parameter.requires_grad:
            (decayed if parameter.ndim > 1 else plain).append(parameter)
    groups = [
        {"params": decayed, "weight_decay": parameters.weight_decay},
        {"params": plain, "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    rate = parameters.learning_rate
    # fused: one pass over the parameters; on a CPU five times faster than the default.
    match parameters.optimizer:
        case "adam":
            return torch.optim.Adam(groups, lr=rate, fused=True)
        case "sgd":
            return torch.optim.SGD(groups, lr=rate, momentum=0.9, fused=True)
        case "adagrad":
            return torch.optim.Adagrad(groups, lr=rate)
        case _:
            return torch.optim.AdamW(groups, lr=rate, fused=True)


class LearningRate:
    """The learning rate over the steps; it can be rescheduled while the training runs."""

    def __init__(
        self, optimizer: torch.optim.Optimizer, parameters: HyperParameters, steps: int
    ) -> None:
        self._optimizer = optimizer
        self._parameters = parameters
        self._base = [float(group["lr"]) for group in optimizer.param_groups]
        self._factor: Callable[[int], float] = self._lay_out(steps)

    def lay_out(self, steps: int) -> None:
        """Make the schedule end after a number of steps."""
        self._factor = self._lay_out(steps)

    def set(self, step: int) -> None:
        """Set the learning rate of a step, counted from 0."""
        factor = self._factor(step)
        for group, base in zip(self._optimizer.param_groups, self._base, strict=True):
            group["lr"] = base * factor

    def _lay_out(self, steps: int) -> Callable[[int], float]:
        from transformers import get_scheduler

        # Only the shape is wanted: the scheduler of a dummy, relative to a rate of one.
        dummy = torch.optim.SGD([torch.zeros(1)], lr=1.0)
        name = self._parameters.lr_scheduler
        schedule: Any = get_scheduler(
            _SCHEDULES.get(name, name),
            dummy,
            num_warmup_steps=self._parameters.warmup(steps),
            num_training_steps=steps,
        )
        factor: Callable[[int], float] = schedule.lr_lambdas[0]
        return factor


class Loss:
    """Cross entropy, by class weights and with smoothed labels where asked for.

    Args:
        parameters: ``class_weighted_loss``, ``label_smoothing``.
        labels: Class of each training row.
        classes: Number of classes.
        device: Where the logits are.
    """

    def __init__(
        self,
        parameters: HyperParameters,
        labels: np.ndarray,
        classes: int,
        device: torch.device,
    ) -> None:
        self._smoothing = parameters.label_smoothing
        self._weights: torch.Tensor | None = None
        if parameters.class_weighted_loss:
            counts = np.bincount(labels, minlength=classes)
            # As scikit-learn's "balanced": n / (classes * count); an absent class weighs nothing.
            weights = np.where(counts > 0, len(labels) / (classes * np.maximum(counts, 1)), 0.0)
            self._weights = torch.tensor(weights, dtype=torch.float32, device=device)

    def __call__(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return the mean loss of a batch."""
        return functional.cross_entropy(
            logits, labels, weight=self._weights, label_smoothing=self._smoothing
        )


@dataclass
class EarlyStopping:
    """Watches the primary score on validation, if it is asked to.

    Attributes:
        parameters: ``use_early_stopping``, ``early_stopping_patience``, ``early_stopping_delta``.
        score_to_beat: The last score that counted as a gain.
        without_gain: Evaluations since.
    """

    parameters: HyperParameters
    score_to_beat: float = -1.0
    without_gain: int = 0

    def stops(self, score: float) -> bool:
        """Take note of an evaluation; return whether it was one too many without a gain."""
        if not self.parameters.use_early_stopping:
            return False
        if score > self.score_to_beat + self.parameters.early_stopping_delta:
            self.score_to_beat = score
            self.without_gain = 0
            return False
        self.without_gain += 1
        return self.without_gain >= self.parameters.early_stopping_patience
