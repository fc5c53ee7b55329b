"""A model's predictions on a split, their score, and their speed."""

from __future__ import annotations

import time
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from xautolm_core.trial.batches import evaluation_batches
from xautolm_core.trial.inputs import ClassifierInput

# Padded tokens of one forward pass. On a CPU more brings no speed and costs memory.
CPU_EVALUATION_TOKENS = 4_096
GPU_EVALUATION_TOKENS = 65_536
LATENCY_TEXTS = 25


def evaluation_tokens(device: torch.device) -> int:
    """Return the padded tokens of one forward pass at inference."""
    return GPU_EVALUATION_TOKENS if device.type == "cuda" else CPU_EVALUATION_TOKENS


def predict_logits(
    model: Any,
    inputs: ClassifierInput,
    rows: np.ndarray,
    classes: int,
    *,
    max_tokens: int,
    max_rows: int = 256,
    between: Callable[[], None] = lambda: None,
) -> np.ndarray:
    """Return the logits of some rows, float32, (rows, classes).

    Args:
        model: Put into evaluation mode.
        inputs: The rows' split.
        rows: Which rows.
        classes: Number of classes.
        max_tokens: Padded tokens of one forward pass.
        max_rows: Rows of one forward pass.
        between: Called after each pass; what it raises ends the prediction.
    """
    model.eval()
    found = np.empty((len(rows), classes), dtype=np.float32)
    with torch.inference_mode():
        lengths = inputs.lengths[rows]
        for batch in evaluation_batches(lengths, max_tokens=max_tokens, max_rows=max_rows):
            found[batch] = inputs.logits(rows[batch]).cpu().numpy()
            between()
    return found


def spread_rows(rows: np.ndarray) -> np.ndarray:
    """Return evenly spread ones of some rows to measure the latency with."""
    return rows[np.linspace(0, len(rows) - 1, LATENCY_TEXTS).astype(np.int64)]


def measure_latency(
    model: Any,
    answer: Callable[[np.ndarray], object],
    inputs: Sequence[np.ndarray],
    device: torch.device,
) -> float:
    """Return the median milliseconds of one answer.

    Args:
        model: Put into evaluation mode.
        answer: Runs the rows of one input through the model.
        inputs: The rows of each input.
        device: Where the model is.
    """
    model.eval()
    found: list[float] = []
    with torch.inference_mode():
        answer(inputs[0])
        for rows in inputs:
            since = time.perf_counter()
            answer(rows)
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            found.append(time.perf_counter() - since)
    return float(np.median(found)) * 1_000
