"""From windows to the scores of their tokens, and to the best span of each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from xautolm_core.trial.batches import evaluation_batches
from xautolm_core.trial.encoding import TokenizerTraits
from xautolm_core.trial.failures import Diverged
from xautolm_core.trial.inputs import TokenInput
from xautolm_core.trial.precision import Precision
from xautolm_core.trial.spans.decoding import WindowSpans
from xautolm_core.trial.spans.decoding import best_spans
from xautolm_core.trial.spans.windows import Windows


class SpanInput:
    """The windows of a split as a model with a span head takes them.

    Args:
        model: The model.
        windows: Of the split.
        traits: Of the tokenizer.
        device: Where the model is.
        precision: Of the matrix products.
    """

    def __init__(
        self,
        model: Any,
        windows: Windows,
        traits: TokenizerTraits,
        device: torch.device,
        precision: Precision,
    ) -> None:
        self._inputs = TokenInput(model, windows.tokens, traits, device, precision)
        self._windows = windows
        self._pads_left = traits.padding_side == "left"

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each window."""
        return self._inputs.lengths

    def scores(self, rows: np.ndarray) -> torch.Tensor:
        """Return how much each token looks like the first and the last one of the answer.

        Args:
            rows: Which windows.

        Returns:
            float32, (windows, tokens, 2), on the model's device.
        """
        found = self._inputs.outputs(rows)
        return torch.stack((found.start_logits, found.end_logits), dim=-1).float()

    def shifts(self, rows: np.ndarray) -> np.ndarray:
        """Return how many tokens of padding stand before each window of a batch, int64."""
        lengths = self.lengths[rows]
        return lengths.max() - lengths if self._pads_left else np.zeros_like(lengths)

    def places(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return where in a batch the pieces of the passage and the null tokens stand, int64."""
        shifts = self.shifts(rows)
        pieces = self._windows.pieces[rows].astype(np.int64) + shifts[:, None]
        return pieces, self._windows.nulls[rows].astype(np.int64) + shifts


def predict_spans(
    model: Any,
    inputs: SpanInput,
    rows: np.ndarray,
    *,
    max_tokens: int,
    max_rows: int = 256,
    between: Callable[[], None] = lambda: None,
) -> WindowSpans:
    """Return the best span of each of some windows.

    Args:
        model: Put into evaluation mode.
        inputs: The windows.
        rows: Which of them.
        max_tokens: Padded tokens of one forward pass.
        max_rows: Windows of one forward pass.
        between: Called after each pass; what it raises ends the prediction.

    Raises:
        Diverged: An output is not finite.
    """
    model.eval()
    found = WindowSpans.empty(len(rows))
    with torch.inference_mode():
        lengths = inputs.lengths[rows]
        for batch in evaluation_batches(lengths, max_tokens=max_tokens, max_rows=max_rows):
            found.put(batch, batch_spans(inputs, rows[batch]))
            between()
    return found


def batch_spans(inputs: SpanInput, rows: np.ndarray) -> WindowSpans:
    """Return the best span of each window of a batch.

    Raises:
        Diverged: An output is not finite.
    """
    scores = inputs.scores(rows).cpu().numpy()
    pieces, nulls = inputs.places(rows)
    found = best_spans(scores, pieces, nulls)
    # A passage without a token has no span; of all others every number is one.
    sums = (
        found.null_starts + found.null_ends,
        np.where(pieces[:, 1] > pieces[:, 0], found.scores, 0),
    )
    if not all(np.isfinite(part).all() for part in sums):
        raise Diverged("The model's output is not finite")
    shifts = inputs.shifts(rows)
    found.starts[:] -= shifts
    found.ends[:] -= shifts
    return found
