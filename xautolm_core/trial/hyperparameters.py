"""The hyper-parameters of a configuration, checked and filled up with sound defaults."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from xautolm_core.records.configuration import Configuration
from xautolm_core.records.configuration import Value
from xautolm_core.records.methods import FINE_TUNING_METHODS
from xautolm_core.records.methods import USUAL_LEARNING_RATES
from xautolm_core.space.hyperparameters import HYPERPARAMETERS
from xautolm_core.trial.failures import InvalidConfiguration


@dataclass(frozen=True)
class HyperParameters:
    """What a trial trains with. The names are the paper's (arXiv 2508.00924).

    Which values are allowed stands in ``xautolm_core.space.hyperparameters``.

    Attributes:
        method: ``full``, ``partial``, ``lora`` or ``head``.
        batch_size: Rows of one forward pass, >= 1.
        max_length: Longest input in tokens; cut to what the model can take.
        learning_rate: Peak learning rate, > 0.
        epochs: Passes over the training rows, >= 1.
        warmup_steps: Optimiser steps of linear warm-up, or None for ``warmup_ratio``.
        warmup_ratio: Share of all steps for warm-up, in [0, 1].
        weight_decay: Not applied to biases and normalisation layers.
        optimizer: ``adamw``, ``adam``, ``sgd`` or ``adagrad``.
        gradient_accumulation_steps: Forward passes of one optimiser step, >= 1.
        lr_scheduler: ``linear``, ``cosine``, ``cosine_with_restarts``, ``polynomial``,
            ``constant``; all of them with warm-up.
        use_early_stopping: Stop when the score on validation does not improve any more.
        early_stopping_patience: Evaluations without improvement that are allowed, >= 1.
        early_stopping_delta: Least gain of the score that counts as improvement, >= 0.
        use_mixed_precision: Where the hardware is faster so; None means True.
        use_gradient_clipping: Whether gradients are clipped.
        gradient_clipping_max_norm: To this norm, > 0.
        class_weighted_loss: Weigh classes by the inverse of their frequency.
        label_smoothing: In [0, 1).
        dropout_rate: Of the whole model, in [0, 1); None leaves the model's own.
        data_fraction: Share of the training rows to use, multiplied with that of the budget, in
            (0, 1].
        packing: Several short rows in one sequence, of text generation.
        gradient_checkpointing: Compute activations again for the gradient rather than keep them.
        num_trainable_layers: Blocks trained by ``partial``, from the last one on.
        lora_r: Rank, >= 1.
        lora_alpha: Scale of the update, > 0.
        lora_dropout: In [0, 1).
        lora_bias: ``none``, ``all`` or ``lora_only``.
        init_lora_weights: None (peft's default), ``gaussian``, ``pissa`` or ``loftq``; the last one
            needs a quantised model and makes a trial invalid.
        lora_targets: ``attention`` (queries and values) or ``all-linear``.
        lora_variant: ``plain``, ``rslora`` or ``dora``.
        fan_in_fan_out: Accepted; what a layer really is decides (only GPT-2's are transposed).
        model_save: Accepted and ignored: the head is always trained beside LoRA's matrices, and the
            whole merged model is saved.
        num_workers: Accepted and ignored: tokens are memory-mapped, nothing is left to load.
    """

    method: str
    batch_size: int = 16
    max_length: int = 128
    learning_rate: float = 0.0
    epochs: int = 3
    warmup_steps: int | None = None
    warmup_ratio: float = 0.06
    weight_decay: float = 0.01
    optimizer: str = "adamw"
    gradient_accumulation_steps: int = 1
    lr_scheduler: str = "linear"
    use_early_stopping: bool = False
    early_stopping_patience: int = 2
    early_stopping_delta: float = 0.0
    use_mixed_precision: bool | None = None
    use_gradient_clipping: bool = True
    gradient_clipping_max_norm: float = 1.0
    class_weighted_loss: bool = False
    label_smoothing: float = 0.0
    dropout_rate: float | None = None
    data_fraction: float = 1.0
    packing: bool = False
    gradient_checkpointing: bool = False
    num_trainable_layers: int = 2
    lora_r: int = 8
    lora_alpha: float = 16.0
    lora_dropout: float = 0.0
    lora_bias: str = "none"
    init_lora_weights: str | None = None
    lora_targets: str = "attention"
    lora_variant: str = "plain"
    fan_in_fan_out: bool = False
    model_save: str = "classifier"
    num_workers: str = "default"

    @property
    def clipping_norm(self) -> float | None:
        """The norm to clip gradients to, or None."""
        return self.gradient_clipping_max_norm if self.use_gradient_clipping else None

    def warmup(self, steps: int) -> int:
        """Return the warm-up steps of a schedule of some length; never all of them.

        The paper's grid goes up to 2,000 steps of warm-up, also where a trial has fewer in all:
        such a trial would never reach its learning rate. At most half of the schedule is warm-up.
        """
        asked = self.warmup_steps
        wanted = round(self.warmup_ratio * steps) if asked is None else asked
        return min(wanted, steps // 2)


def read_hyperparameters(configuration: Configuration) -> HyperParameters:
    """Return the hyper-parameters of a configuration.

    Raises:
        InvalidConfiguration: The method or a name is unknown, or a value has the wrong type or
            range.
    """
    method = configuration.method
    if method not in FINE_TUNING_METHODS:
        raise InvalidConfiguration(f"There is no fine-tuning method '{method}'")
    given = {name: v for name, v in configuration.parameters.items() if v is not None}
    values: dict[str, Any] = {
        "learning_rate": USUAL_LEARNING_RATES[method],
        "use_early_stopping": "early_stopping_patience" in given,
    }
    values |= {name: _checked(name, given[name]) for name in sorted(given)}
    return HyperParameters(method, **values)


def _checked(name: str, value: Value) -> Value:
    known = HYPERPARAMETERS.get(name)
    if known is None:
        raise InvalidConfiguration(f"Unknown hyper-parameter '{name}'")
    typed = known.typed(value)
    if fault := known.fault_of(typed):
        raise InvalidConfiguration(f"Hyper-parameter '{name}' {fault}, not {value!r}")
    return typed
