"""From row numbers to logits: through the whole model, or through the head on kept features."""

from __future__ import annotations

from typing import Any
from typing import Protocol

import numpy as np
import torch

from xautolm_core.trial.architectures import takes_types
from xautolm_core.trial.batches import assemble
from xautolm_core.trial.encoding import TokenizerTraits
from xautolm_core.trial.head_input import Head
from xautolm_core.trial.precision import Precision
from xautolm_core.trial.precision import autocast
from xautolm_core.trial.tokens import Tokens


class ClassifierInput(Protocol):
    """The rows of a split as a model takes them.

    Attributes:
        lengths: What a row costs, in tokens; int64.
    """

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each row."""
        ...

    def logits(self, rows: np.ndarray) -> torch.Tensor:
        """Return logits (rows, classes), float32, on the model's device."""
        ...


class TokenInput:
    """Rows of tokens, run through the whole model."""

    def __init__(
        self,
        model: Any,
        tokens: Tokens,
        traits: TokenizerTraits,
        device: torch.device,
        precision: Precision,
    ) -> None:
        self._model = model
        self._tokens = tokens
        self._traits = traits
        self._device = device
        self._precision = precision
        self._lengths = np.maximum(tokens.lengths, 1)
        # A tokenizer may distinguish segments where the model does not.
        self._uses_types = traits.uses_types and takes_types(model)

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each row."""
        return self._lengths

    def arguments(self, rows: np.ndarray) -> dict[str, torch.Tensor]:
        """Return the model's arguments for some rows, on its device."""
        batch = assemble(self._tokens, rows, self._traits)
        arrays = {"input_ids": batch.ids, "attention_mask": batch.mask}
        if batch.types is not None and self._uses_types:
            arrays["token_type_ids"] = batch.types
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
        if self._device.type == "cuda":
            return {
                n: t.pin_memory().to(self._device, non_blocking=True) for n, t in tensors.items()
            }
        return tensors

    def outputs(self, rows: np.ndarray) -> Any:
        """Return what the model puts out for some rows."""
        with autocast(self._device, self._precision):
            return self._model(**self.arguments(rows))

    def logits(self, rows: np.ndarray) -> torch.Tensor:
        """Return logits (rows, classes), float32, on the model's device."""
        logits: torch.Tensor = self.outputs(rows).logits
        return logits.float()


class FeatureInput:
    """Rows of features of a frozen backbone, run through the head alone."""

    def __init__(self, head: Head, features: np.ndarray, device: torch.device) -> None:
        self._head = head
        self._features = features
        self._device = device
        self._lengths = np.ones(len(features), dtype=np.int64)

    @property
    def lengths(self) -> np.ndarray:
        """One a row: all cost the same."""
        return self._lengths

    def logits(self, rows: np.ndarray) -> torch.Tensor:
        """Return logits (rows, classes), float32, on the model's device."""
        vectors = torch.from_numpy(self._features[rows]).to(self._device)
        return self._head.logits(vectors).float()
