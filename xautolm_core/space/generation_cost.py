"""The parts of a cost estimate that text generation has: a vocabulary's logits, and written tokens.

The constants were set by SmolLM2-135M-Instruct in 32 bits on one thread of a Xeon at 2.8 GHz
without 16-bit products, other processes on the machine, 2026-12-01: 16 prompts of 300 tokens were
read in 15.1 CPU seconds (74 billion operations a second), each token after them took 0.27 s, and a
step of LoRA on 8 texts of 300 tokens 17.9 s (62 billion).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from xautolm_core.records.methods import FEW_SHOT_EXAMPLES
from xautolm_core.records.methods import FEW_SHOT_ROWS
from xautolm_core.records.methods import MAX_GENERATED_ROWS
from xautolm_core.records.methods import MOST_NEW_TOKENS
from xautolm_core.records.methods import UNTUNED_FEW_SHOT
from xautolm_core.space.model import ModelDescriptor

LOGIT_BYTES = 12
"""A logit in training: itself, its logarithm of a probability and its gradient, 32 bits each."""

WRITTEN_ROWS = 16
"""Answers that are written at once."""

MORE_TOKENS = 8
"""Tokens that an answer may have beyond the longest usual one."""

CACHE_READS = 2.0
"""Times that a step of writing reads or copies all keys and values, of each head its own."""

BLOCK_STEP_SECONDS = {False: 0.001, True: 0.0004}
"""Overhead of a block in a step of writing (without and with a GPU)."""


@dataclass(frozen=True)
class AnswerLengths:
    """How long the answers of the training split are.

    Attributes:
        mean_tokens: Mean length in tokens.
        p99_tokens: 99th percentile of it, which limits what is written.
    """

    mean_tokens: float
    p99_tokens: float

    @property
    def most_written(self) -> float:
        """Tokens that a batch of answers takes: one of it is usually as long as any."""
        return min(self.p99_tokens + MORE_TOKENS, MOST_NEW_TOKENS)


def written_rows(method: str, rows: int) -> int:
    """Return how many of some rows a method writes answers for in its evaluation."""
    return min(rows, FEW_SHOT_ROWS if method == UNTUNED_FEW_SHOT else MAX_GENERATED_ROWS)


def shown_texts(method: str) -> int:
    """Return how many texts a model reads before it answers one: examples and the prompt."""
    return FEW_SHOT_EXAMPLES + 1 if method == UNTUNED_FEW_SHOT else 1


def head_operations(model: ModelDescriptor, tokens: float) -> float:
    """Return the operations of the logits of some tokens, forward."""
    return 2.0 * model.vocabulary * model.width * tokens


def lora_parameters(model: ModelDescriptor, rank: int, *, gates: bool) -> int:
    """Return the trained parameters of LoRA on all linear layers of the blocks.

    Keys and values count as wide as queries, which is too much where heads share them.

    Args:
        model: The model.
        rank: Rank of the matrices.
        gates: Whether its feed-forward blocks have a third layer, the gate.
    """
    attention = 4 * 2 * model.width
    feed_forward = (3 if gates else 2) * (model.width + model.feed_forward_width)
    return model.layers * rank * (attention + feed_forward)


def cache_bytes(model: ModelDescriptor, tokens: float, bytes_each: int) -> float:
    """Return the size of the keys and values of some tokens, as if each head had its own."""
    return 2.0 * model.layers * model.width * tokens * bytes_each


def writing_seconds(
    model: ModelDescriptor,
    *,
    rows: int,
    length: float,
    answers: AnswerLengths,
    bytes_each: int,
    bandwidth: float,
    operations_per_second: float,
    gpu: bool,
) -> float:
    """Return the seconds of the answers to some prompts that have been read already.

    A step reads all weights and all keys and values, and adds a token to each answer.

    Args:
        model: The model.
        rows: Number of prompts.
        length: Tokens of a prompt.
        answers: How long answers are.
        bytes_each: Bytes of a number.
        bandwidth: Bytes a second of the memory.
        operations_per_second: Speed of the machine.
        gpu: Whether there is one.
    """
    batch = min(rows, WRITTEN_ROWS)
    weights = model.parameters - model.embedding_parameters + model.vocabulary * model.width
    read = weights * bytes_each + CACHE_READS * cache_bytes(model, batch * length, bytes_each)
    step = read / bandwidth + 2.0 * weights * batch / operations_per_second
    step += model.layers * BLOCK_STEP_SECONDS[gpu]
    return math.ceil(rows / WRITTEN_ROWS) * answers.most_written * step
