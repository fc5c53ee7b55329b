"""Estimate the memory and time of a configuration before it runs.

The model of the memory is the usual sum (weights, gradients, optimiser state, activations, a
constant), of the time the usual count of operations: two a weight and token forward, as many again
for the gradients of the activations, as many again for those of the weights (J. Kaplan et al.,
"Scaling Laws for Neural Language Models", arXiv 2001.08361, section 2.1). Activations are counted
as in V. Korthikanti et al., "Reducing Activation Recomputation in Large Transformer Models",
arXiv 2205.05198, section 4.1. The constants were calibrated by real trials (docs/search-space.md).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from xautolm_core.records.configuration import Configuration
from xautolm_core.records.methods import LEXICAL_SPAN
from xautolm_core.records.methods import is_cheap
from xautolm_core.records.methods import is_untuned
from xautolm_core.space.architectures import has_gates
from xautolm_core.space.generation_cost import LOGIT_BYTES
from xautolm_core.space.generation_cost import WRITTEN_ROWS
from xautolm_core.space.generation_cost import AnswerLengths
from xautolm_core.space.generation_cost import cache_bytes
from xautolm_core.space.generation_cost import head_operations
from xautolm_core.space.generation_cost import lora_parameters
from xautolm_core.space.generation_cost import shown_texts
from xautolm_core.space.generation_cost import writing_seconds
from xautolm_core.space.generation_cost import written_rows
from xautolm_core.space.hyperparameters import row_share
from xautolm_core.space.model import ModelDescriptor
from xautolm_core.tasks.spec import TaskType

BYTES = 4
"""Weights, gradients and states are 32-bit; mixed precision keeps them so."""

OPTIMIZER_STATES: Mapping[str, int] = {"adamw": 2, "adam": 2, "sgd": 1, "adagrad": 1}
"""Optimiser states per trained weight (sgd: its momentum)."""

CPU_BASE_BYTES = 540 * 2**20
"""Memory of a trial's process with its libraries, before it loads anything."""

LORA_BASE_BYTES = 60 * 2**20
"""Memory that peft adds."""

GPU_HOST_BASE_BYTES = 2_000 * 2**20
"""Likewise with CUDA's libraries."""

GPU_BASE_BYTES = 700 * 2**20
"""Memory of CUDA's context and workspaces."""

ALLOCATOR_SLACK = 1.1
"""Factor for freed blocks that the allocator cannot reuse."""

ACTIVATION_BYTES = 3
"""An activation: 16 bits in the matrix products, 32 in norms and residuals."""

SCORE_BYTES = 11
"""An attention score where they are kept: scores, probabilities and dropout mask."""

INFERENCE_TOKENS = {False: 4_096, True: 65_536}
"""Padded tokens of one forward pass at evaluation (without and with a GPU)."""

CPU_GIGAFLOPS_PER_THREAD = 90.0
"""Speed of training on one core with wide vectors and 16-bit products. On a slower machine trials
take longer than estimated, which is better than refusing trials that would have run."""

GPU_GIGAFLOPS = 30_000.0
"""A data-centre GPU with 16-bit matrix units, at the utilisation of small batches."""

BATCH_SECONDS = {False: 0.004, True: 0.012}
"""Overhead of a batch beside its operations (without and with a GPU)."""

MEMORY_BYTES_PER_SECOND = {False: 10e9, True: 1.5e12}
"""Memory bandwidth of an optimiser step over weights, gradients and states."""

TFIDF_BYTES_PER_TOKEN = 500
"""Memory of words, characters and their frequencies, with the copies that a fit makes."""

TFIDF_SECONDS_PER_TOKEN = 25e-6
"""Time to make the features of one token of a text, on one core."""

TFIDF_FIT_SECONDS_PER_TOKEN = 10e-6
"""Time of the fit with all settings, per token and class."""

LEXICAL_QUESTIONS = 5_000
"""Training questions that the method ``lexical_span`` reads: more make no better weights."""

LEXICAL_BASE_BYTES = 250 * 2**20
"""A trial's process without torch."""

LEXICAL_BYTES_PER_QUESTION = 60_000
"""The numbers of the spans of a question that are fitted on, with the copies that a fit makes."""

LEXICAL_SECONDS_PER_TOKEN = 25e-6
"""Reading a passage's word for a question, its spans included, on one core."""

NEW_SHARE_OF_WINDOW = 0.65
"""Share of a window that no window before it has: without overlap (a quarter) and question."""

_EAGER_ATTENTION = frozenset({"deberta", "deberta-v2"})
_KEPT_INNER: Mapping[str, int] = {"gpt2": 6}
_KEPT_WITH_GATES = 4
_DEFAULTS: Mapping[str, int] = {"batch_size": 16, "max_length": 128, "epochs": 3}


@dataclass(frozen=True)
class CostEstimate:
    """The probable cost of a configuration on all training rows.

    Attributes:
        host_bytes: Peak resident memory of the trial's process.
        gpu_bytes: Peak memory on the GPU; 0 without one.
        train_seconds: Training without evaluation.
        steps: Optimiser steps.
    """

    host_bytes: int
    gpu_bytes: int
    train_seconds: float
    steps: int


def estimate(
    configuration: Configuration,
    descriptor: ModelDescriptor | None,
    *,
    rows: int,
    mean_tokens: float,
    p99_tokens: float,
    classes: int,
    threads: int,
    gpu: bool,
    gigaflops: float | None = None,
    task_type: str = TaskType.TEXT_CLASSIFICATION,
    answers: AnswerLengths | None = None,
) -> CostEstimate:
    """Return the probable cost of a configuration.

    Args:
        configuration: The configuration.
        descriptor: Its model; None for a method without one.
        rows: Training rows, of which the configuration may ask for a share.
        mean_tokens: Mean length of a row in tokens, before truncation.
        p99_tokens: 99th percentile of it, which decides the peak memory.
        classes: Number of classes.
        threads: CPU threads of the trial.
        gpu: Whether it runs on a GPU.
        gigaflops: Speed of training, of all threads or of the GPU; a typical value if None.
        task_type: Type of the task. Of question answering a row is a question with its passage,
            which is read in windows where it is longer than one.
        answers: Of text generation: how long its answers are. A model that is not tuned has no
            training; what is estimated are the answers that it is scored on.
    """
    if configuration.method == LEXICAL_SPAN:
        return _lexical_estimate(rows, mean_tokens)
    if descriptor is None:
        return _tfidf_estimate(rows, mean_tokens, classes)
    rows = math.ceil(rows * row_share(configuration))
    plan = _Plan(configuration, descriptor, mean_tokens, p99_tokens, classes, answers=answers)
    if task_type == TaskType.QUESTION_ANSWERING:
        rows = plan.use_windows(rows, mean_tokens)
    if is_untuned(configuration.method):
        rows = written_rows(configuration.method, rows)
    weights = descriptor.parameters * BYTES
    # Gradient and optimiser state; the best epoch's weights are copied if another one follows.
    states = OPTIMIZER_STATES.get(plan.optimizer, 2)
    kept = plan.trained * BYTES * (1 + states)
    best = plan.trained * BYTES if plan.epochs > 1 else 0
    work = plan.activation_bytes(gpu=gpu)
    host: float
    device = 0.0
    if gpu:
        host = GPU_HOST_BASE_BYTES + weights + best
        device = GPU_BASE_BYTES + weights + kept + ALLOCATOR_SLACK * work
    else:
        base = CPU_BASE_BYTES + (LORA_BASE_BYTES if plan.method == "lora" else 0)
        host = base + weights + best + kept + ALLOCATOR_SLACK * work
    batches = math.ceil(rows / plan.batch_size) * plan.epochs
    steps = math.ceil(batches / plan.accumulation)
    speed = gigaflops or (GPU_GIGAFLOPS if gpu else CPU_GIGAFLOPS_PER_THREAD * max(threads, 1))
    # A step reads and writes the weights and each state, and reads the gradient.
    touched = plan.trained * BYTES * (3 + 2 * states)
    seconds = plan.operations(rows) / (speed * 1e9) + batches * BATCH_SECONDS[gpu]
    seconds += steps * touched / MEMORY_BYTES_PER_SECOND[gpu]
    if is_untuned(configuration.method):
        seconds += plan.writing_seconds(rows, speed * 1e9, gpu=gpu)
    return CostEstimate(
        host_bytes=math.ceil(host),
        gpu_bytes=math.ceil(device),
        train_seconds=seconds,
        steps=steps,
    )


def _tfidf_estimate(rows: int, mean_tokens: float, classes: int) -> CostEstimate:
    """Return the probable cost of TF-IDF with logistic regression."""
    tokens = rows * mean_tokens
    return CostEstimate(
        host_bytes=math.ceil(CPU_BASE_BYTES + tokens * TFIDF_BYTES_PER_TOKEN),
        gpu_bytes=0,
        train_seconds=tokens * (TFIDF_SECONDS_PER_TOKEN + classes * TFIDF_FIT_SECONDS_PER_TOKEN),
        steps=1,
    )


def _lexical_estimate(rows: int, mean_tokens: float) -> CostEstimate:
    """Return the probable cost of ranking spans by shared words."""
    tokens = min(rows, LEXICAL_QUESTIONS) * mean_tokens
    return CostEstimate(
        host_bytes=math.ceil(
            LEXICAL_BASE_BYTES + min(rows, LEXICAL_QUESTIONS) * LEXICAL_BYTES_PER_QUESTION
        ),
        gpu_bytes=0,
        train_seconds=tokens * LEXICAL_SECONDS_PER_TOKEN,
        steps=1,
    )


class _Plan:
    """A configuration's values, with defaults for missing ones."""

    def __init__(
        self,
        configuration: Configuration,
        descriptor: ModelDescriptor,
        mean_tokens: float,
        p99_tokens: float,
        classes: int,
        *,
        answers: AnswerLengths | None,
    ) -> None:
        # A probe is a frozen backbone whose features are read once.
        is_probe = is_cheap(configuration.method)
        self.method = "head" if is_probe else configuration.method
        self.model = descriptor
        self._values = configuration.parameters
        self._classes = classes
        self.batch_size = self._whole("batch_size")
        self.epochs = 1 if is_probe else self._whole("epochs")
        self.accumulation = max(1, self._whole("gradient_accumulation_steps", 1))
        longest = min(self._whole("max_length"), descriptor.max_length)
        shown = shown_texts(configuration.method)
        mean_tokens, p99_tokens = mean_tokens * shown, p99_tokens * shown
        self.peak_length = max(1.0, min(float(longest), p99_tokens))
        self.mean_length = max(1.0, min(float(longest), mean_tokens))
        self.optimizer = str(configuration.parameters.get("optimizer", "adamw"))
        self._longest = longest
        self._is_windowed = False
        self._answers = answers

    def use_windows(self, rows: int, mean_tokens: float) -> int:
        """Count windows in place of rows; return how many there are.

        A passage that is longer than a window is read in several, each of which repeats the overlap
        of the one before and the question.
        """
        self._is_windowed = True
        self._classes = 2
        if mean_tokens <= self._longest:
            return rows
        new = max(1.0, self._longest * NEW_SHARE_OF_WINDOW)
        windows = 1.0 + (mean_tokens - self._longest) / new
        self.mean_length = float(self._longest)
        return math.ceil(rows * windows)

    @property
    def trained(self) -> int:
        """Trained parameters."""
        width, layers = self.model.width, self.model.layers
        head = 0
        if self._answers is None:
            head = width * self._classes + self._classes
            if not self._is_windowed:
                head += width * width + width
        blocks = self.model.parameters - self.model.embedding_parameters
        match self.method:
            case "head":
                return head
            case "lora" if self._values.get("lora_targets") == "all-linear":
                gates = has_gates(self.model.architecture)
                return head + lora_parameters(self.model, self._whole("lora_r", 8), gates=gates)
            case "lora":
                # Two matrices for each of the query's and the value's projections.
                return head + layers * 4 * width * self._whole("lora_r", 8)
            case "partial" if self.trained_share < 1:
                return head + math.ceil(blocks * self.trained_share)
            case _:
                return head + self.model.parameters

    @property
    def trained_share(self) -> float:
        """Share of the blocks that the gradient goes through."""
        if self.method == "head":
            return 0.0
        if self.method != "partial" or self.model.layers == 0:
            return 1.0
        asked = self._whole("num_trainable_layers", 2)
        # An encoder with a decoder has as many trained blocks on either side.
        both = 2 if self.model.kind == "encoder-decoder" else 1
        return min(1.0, both * asked / self.model.layers)

    def activation_bytes(self, *, gpu: bool) -> float:
        """Bytes beside the weights in training or evaluation, whichever needs more."""
        width = self.model.width
        inner = self.model.feed_forward_width * _kept_inner(self.model.architecture)
        # A GPU's fused kernels keep no scores.
        keeps_scores = not gpu or self.model.architecture in _EAGER_ATTENTION
        scores = SCORE_BYTES * self.model.heads * self.peak_length if keeps_scores else 0.0
        # Inputs of projections and norms, queries, keys, values, the feed-forward block's inside.
        block = (9 * width + inner) * ACTIVATION_BYTES + scores
        tokens = self.batch_size * self.peak_length
        blocks = self.model.layers * self.trained_share
        training = tokens * block * (1 + blocks)
        if self._is_checkpointed:
            # Of each block its input alone; inside of one block at a time.
            training = tokens * (block + blocks * width * BYTES)
        forward = (4 * width + inner) * ACTIVATION_BYTES + scores
        if self._answers is None:
            return max(training, INFERENCE_TOKENS[gpu] * forward)
        answered = min(self._answers.p99_tokens, self.peak_length)
        training += self.batch_size * answered * self.model.vocabulary * LOGIT_BYTES
        read = WRITTEN_ROWS * self.peak_length
        written = cache_bytes(self.model, read + WRITTEN_ROWS * self._answers.most_written, BYTES)
        return max(training if self.trained_share else 0.0, read * forward + written)

    def operations(self, rows: int) -> float:
        """Floating-point operations of the training."""
        model = self.model
        weights = model.computed_parameters or max(0, model.parameters - model.embedding_parameters)
        length = self.mean_length
        attention = 4 * model.layers * model.width * length
        forward = (2 * weights + attention) * length * rows
        if self.method == "head" and self._is_windowed:
            return forward * self.epochs
        if self.method == "head":
            # The frozen backbone's features are computed once and cached.
            return forward
        # Gradients of activations and of weights; LoRA's own weights are few.
        backward = 1.0 if self.method == "lora" else 2.0
        again = 1.0 if self._is_checkpointed else 0.0
        total = forward * (1 + (backward + again) * self.trained_share)
        if self._answers is not None:
            # The head is as wide as the vocabulary; only full fine-tuning changes it.
            logits = head_operations(model, min(self._answers.mean_tokens, length) * rows)
            total += logits * (3.0 if self.method == "full" else 2.0)
        return total * self.epochs

    def writing_seconds(self, rows: int, operations_per_second: float, *, gpu: bool) -> float:
        """Return the seconds of writing the answers to some prompts, beside reading these."""
        assert self._answers is not None
        return writing_seconds(
            self.model,
            rows=rows,
            length=self.mean_length,
            answers=self._answers,
            bytes_each=BYTES,
            bandwidth=MEMORY_BYTES_PER_SECOND[gpu],
            operations_per_second=operations_per_second,
            gpu=gpu,
        )

    @property
    def _is_checkpointed(self) -> bool:
        return self._values.get("gradient_checkpointing") is True

    def _whole(self, name: str, default: int | None = None) -> int:
        value = self._values.get(name)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return int(value)
        return _DEFAULTS[name] if default is None else default


def _kept_inner(architecture: str) -> int:
    """Return how many values of the feed-forward block's inner width a token keeps.

    An activation written as several small functions keeps the results of all of them; a gate adds
    itself and its product.
    """
    return _KEPT_INNER.get(architecture, _KEPT_WITH_GATES if has_gates(architecture) else 2)
