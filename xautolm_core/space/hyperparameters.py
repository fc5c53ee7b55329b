"""The hyper-parameters of trials, and their valid values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from xautolm_core.records.configuration import Configuration
from xautolm_core.records.configuration import Value
from xautolm_core.records.methods import FINE_TUNING_METHODS
from xautolm_core.validation import did_you_mean

# Upper bound of all hyper-parameters, so that everything is finite.
_GREATEST = 1e9
DATA_FRACTION = "data_fraction"
"""Name of the hyper-parameter that makes a trial cheaper by fewer rows: a fidelity."""
LR_SCHEDULERS = ("linear", "cosine", "cosine_with_restarts", "polynomial", "constant")
OPTIMIZERS = ("adamw", "adam", "sgd", "adagrad")
LORA_TARGETS = ("attention", "all-linear")
"""Layers that LoRA adapts: queries and values of attention, or all linear ones of a block."""
LORA_VARIANTS = ("plain", "rslora", "dora")
"""LoRA as it is; scaled by the root of the rank (arXiv 2312.03732); with the magnitude of a weight
learnt beside its direction (arXiv 2402.09353)."""


@dataclass(frozen=True)
class Hyperparameter:
    """The valid values of one hyper-parameter.

    Attributes:
        kind: Type of its values.
        low: Smallest number.
        high: Greatest number.
        choices: The allowed names (or null), for the kind ``name``.
        methods: The methods that have it.
        is_open_below: Whether the smallest number itself is excluded.
        is_open_above: Whether the greatest number itself is excluded.
    """

    kind: Literal["integer", "number", "boolean", "name"]
    low: float = 0
    high: float = _GREATEST
    choices: tuple[str | None, ...] = ()
    methods: tuple[str, ...] = FINE_TUNING_METHODS
    is_open_below: bool = False
    is_open_above: bool = False

    def fault_of(self, value: object) -> str:
        """Return what is wrong with a value, in words; empty if nothing is."""
        if self.kind == "boolean":
            return "" if isinstance(value, bool) else "must be true or false"
        if self.kind == "name":
            names = ", ".join("null" if c is None else c for c in self.choices)
            is_known = (value is None or isinstance(value, str)) and value in self.choices
            return "" if is_known else f"must be one of {names}"
        return self._number_fault(value)

    def typed(self, value: Value) -> Value:
        """Return a number in the type of the hyper-parameter; other values are not changed.

        Values read from JSON or columns may have lost it: ``3.0`` epochs are 3.
        """
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return value
        if self.kind == "number" and abs(value) <= self.high:
            return float(value)
        is_whole = self.kind == "integer" and isinstance(value, float) and value.is_integer()
        return int(value) if is_whole else value

    def _number_fault(self, value: object) -> str:
        whole = self.kind == "integer"
        kinds = int if whole else (int, float)
        if isinstance(value, bool) or not isinstance(value, kinds):
            return "must be a whole number" if whole else "must be a number"
        # Written so that NaN is outside.
        is_above = value > self.low if self.is_open_below else value >= self.low
        is_below = value < self.high if self.is_open_above else value <= self.high
        return "" if is_above and is_below else f"must be {self._range()}"

    def _range(self) -> str:
        low = f"{'above' if self.is_open_below else 'at least'} {self.low:g}"
        return f"{low} and {'below' if self.is_open_above else 'at most'} {self.high:g}"


def _share(methods: tuple[str, ...] = FINE_TUNING_METHODS) -> Hyperparameter:
    return Hyperparameter("number", high=1, is_open_above=True, methods=methods)


_LORA = ("lora",)

HYPERPARAMETERS: dict[str, Hyperparameter] = {
    "batch_size": Hyperparameter("integer", low=1, high=65_536),
    # Fewer than the special tokens of a pair (four in RoBERTa) make tokenizers cut nothing at all.
    "max_length": Hyperparameter("integer", low=8, high=1_000_000),
    # Plain SGD on frozen features takes rates of 30.
    "learning_rate": Hyperparameter("number", high=100, is_open_below=True),
    "epochs": Hyperparameter("integer", low=1, high=100_000),
    "warmup_steps": Hyperparameter("integer"),
    "warmup_ratio": Hyperparameter("number", high=1),
    "weight_decay": Hyperparameter("number", high=1_000),
    "optimizer": Hyperparameter("name", choices=OPTIMIZERS),
    "gradient_accumulation_steps": Hyperparameter("integer", low=1, high=65_536),
    "lr_scheduler": Hyperparameter("name", choices=LR_SCHEDULERS),
    "early_stopping_delta": Hyperparameter("number", high=1),
    "use_early_stopping": Hyperparameter("boolean"),
    "early_stopping_patience": Hyperparameter("integer", low=1, high=100_000),
    "use_mixed_precision": Hyperparameter("boolean"),
    "use_gradient_clipping": Hyperparameter("boolean"),
    "gradient_clipping_max_norm": Hyperparameter("number", is_open_below=True),
    "class_weighted_loss": Hyperparameter("boolean"),
    "label_smoothing": _share(),
    "num_workers": Hyperparameter("name", choices=("all", "3/4", "half", "1/4", "default")),
    "dropout_rate": _share(),
    DATA_FRACTION: Hyperparameter("number", high=1, is_open_below=True),
    "packing": Hyperparameter("boolean"),
    "gradient_checkpointing": Hyperparameter("boolean"),
    "num_trainable_layers": Hyperparameter("integer", low=1, high=10_000, methods=("partial",)),
    "lora_r": Hyperparameter("integer", low=1, high=65_536, methods=_LORA),
    "lora_alpha": Hyperparameter("number", is_open_below=True, methods=_LORA),
    "lora_dropout": _share(_LORA),
    "lora_bias": Hyperparameter("name", choices=("none", "all", "lora_only"), methods=_LORA),
    "init_lora_weights": Hyperparameter(
        "name", choices=("gaussian", "pissa", "loftq", None), methods=_LORA
    ),
    "lora_targets": Hyperparameter("name", choices=LORA_TARGETS, methods=_LORA),
    "lora_variant": Hyperparameter("name", choices=LORA_VARIANTS, methods=_LORA),
    "fan_in_fan_out": Hyperparameter("boolean", methods=_LORA),
    "model_save": Hyperparameter("name", choices=("classifier", "all"), methods=_LORA),
}


def row_share(configuration: Configuration) -> float:
    """Return the share of the training rows that a configuration is trained on, in (0, 1].

    It is its hyper-parameter ``data_fraction``; all rows without a valid one.
    """
    value = configuration.parameters.get(DATA_FRACTION, 1.0)
    fault = HYPERPARAMETERS[DATA_FRACTION].fault_of(value)
    return float(value) if isinstance(value, int | float) and not fault else 1.0


def name_fault(name: str, method: str) -> tuple[str, str]:
    """Return the problem of a hyper-parameter's name in a method, and how to fix it."""
    known = HYPERPARAMETERS.get(name)
    if known is None:
        return f"there is no hyper-parameter {name!r}", suggestion(name, _names_of(method))
    if method not in known.methods:
        methods = ", ".join(known.methods)
        return (
            f"method {method!r} has no hyper-parameter {name!r}",
            f"Remove it, or use it with method {methods}",
        )
    return "", ""


def suggestion(word: str, known: list[str]) -> str:
    """Return a hint: the word that was probably meant, else all known words."""
    return did_you_mean(word, known) or f"Use one of: {', '.join(known)}"


def _names_of(method: str) -> list[str]:
    return [name for name, known in HYPERPARAMETERS.items() if method in known.methods]
