"""Fine-tuning of models that write texts: data, loss, evaluation."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from xautolm_core.records.scores import Score
from xautolm_core.space.classifiers import GENERATOR_CLASSES
from xautolm_core.space.classifiers import generator_class
from xautolm_core.space.model import ModelKind
from xautolm_core.tasks.conversations import GenerationSplit
from xautolm_core.tasks.conversations import GenerationTask
from xautolm_core.tasks.generation_scores import SCORE_NAMES
from xautolm_core.tasks.generation_scores import generation_scores
from xautolm_core.tasks.prepared import open_prepared_conversations
from xautolm_core.tasks.task import AnyTask
from xautolm_core.tasks.task import SplitName
from xautolm_core.trial.contract import TrialSpec
from xautolm_core.trial.evaluation import evaluation_tokens
from xautolm_core.trial.evaluation import measure_latency
from xautolm_core.trial.evaluation import spread_rows
from xautolm_core.trial.failures import InvalidConfiguration
from xautolm_core.trial.generation.decoding import Decoder
from xautolm_core.trial.generation.decoding import Decoding
from xautolm_core.trial.generation.decoding import new_tokens_for
from xautolm_core.trial.generation.reading import IGNORED
from xautolm_core.trial.generation.reading import AnswerReader
from xautolm_core.trial.generation.rendering import Renderer
from xautolm_core.trial.generation.rows import GenerationTokens
from xautolm_core.trial.generation.rows import open_generation_tokens
from xautolm_core.trial.objective import Evaluation
from xautolm_core.trial.objective import Machine
from xautolm_core.trial.objective import TrialAtWork
from xautolm_core.trial.rows import TrialRows
from xautolm_core.trial.rows import choose_conversations
from xautolm_core.trial.rows import generated_rows
from xautolm_core.trial.tokenizer import TokenizerFolder


@dataclass(frozen=True)
class Prompts:
    """Prompts of a split, to evaluate on.

    Attributes:
        ids: Tokens of each, cut to what leaves room for an answer.
        accepted: The accepted answers of each.
    """

    ids: Sequence[np.ndarray]
    accepted: Sequence[Sequence[str]]


def judge(texts: Sequence[str], accepted: Sequence[Sequence[str]]) -> Evaluation:
    """Return the scores of generated texts.

    Args:
        texts: What was generated.
        accepted: Accepted answers of each row.
    """
    found = generation_scores(texts, accepted)
    return Evaluation(found.f1, {name: Score(value=getattr(found, name)) for name in SCORE_NAMES})


class GenerationObjective:
    """Cross entropy of the answers' tokens, judged by what the model writes. An item is a row.

    Args:
        model: The model, the method applied, on its device.
        train: Tokens of the training split.
        rows: Training rows, whose answers fit.
        max_length: Tokens of prompt and answer together; of each, where an encoder reads prompts.
        validation: What to evaluate on.
        renderer: Makes texts of tokens.
        decoding: How answers are written.
        smoothing: Of the loss.
        machine: Device and precision.
        packing: Whether rows share sequences, as many as fit into the length.

    Raises:
        InvalidConfiguration: Rows are to be packed, and the architecture mixes them.
    """

    def __init__(
        self,
        model: Any,
        train: GenerationTokens,
        rows: np.ndarray,
        max_length: int,
        *,
        validation: Prompts,
        renderer: Renderer,
        decoding: Decoding,
        smoothing: float,
        machine: Machine,
        packing: bool = False,
    ) -> None:
        self._rows = rows
        self._validation = validation
        self._renderer = renderer
        self._decoding = decoding
        self._smoothing = smoothing
        self._machine = machine
        self._reader = AnswerReader(
            model, train, max_length, decoding.pad_id, machine, packing=packing
        )
        if packing:
            self._reader.check_packing(rows[[0, -1]])
        self._decoder = Decoder(model, decoding, machine.device, machine.precision)
        self.rows = len(rows)
        together = train.prompts.lengths[rows] + train.answers.lengths[rows]
        most = 2 * max_length if self._reader.is_seq2seq else max_length
        self.lengths = np.minimum(together, most)
        self.strata = np.zeros(len(rows), dtype=np.int64)
        self.evaluation_lengths = np.array(
            [len(ids) + decoding.max_new_tokens for ids in validation.ids], dtype=np.int64
        )

    def loss(self, items: np.ndarray) -> torch.Tensor:
        """Return the mean loss of the answers' tokens of some rows."""
        rows = self._rows[items]
        logits, labels = self._reader.read(rows)
        return functional.cross_entropy(
            logits.float().flatten(0, 1),
            labels.flatten(),
            ignore_index=IGNORED,
            label_smoothing=self._smoothing,
        )

    def run_evaluation_items(self, items: np.ndarray) -> None:
        """Write the answers to some prompts."""
        self._write([self._validation.ids[i] for i in items], lambda: None)

    def evaluate(self, between: Callable[[], None]) -> Evaluation:
        """Return the scores of the answers that the model writes to the validation prompts."""
        written = self._write(self._validation.ids, between)
        found = judge([self._renderer.text(ids) for ids in written], self._validation.accepted)
        return Evaluation(found.score, found.scores, self._decoding.settings)

    def _write(self, prompts: Sequence[np.ndarray], between: Callable[[], None]) -> list[list[int]]:
        most = evaluation_tokens(self._machine.device)
        return self._decoder.write(prompts, max_tokens=most, between=between)


@dataclass(frozen=True)
class GenerationData:
    """A trial's rows as tokens.

    Attributes:
        task: The task.
        rows: The rows that the budget allows; of validation those that are scored.
        tokenizer: The model's tokenizer.
        renderer: Of the tokenizer.
        max_length: Tokens of prompt and answer together.
        train: Tokens of the training split.
        validation: Tokens of the validation split.
    """

    task: GenerationTask
    rows: TrialRows
    tokenizer: TokenizerFolder
    renderer: Renderer
    max_length: int
    train: GenerationTokens
    validation: GenerationTokens

    @cached_property
    def decoding(self) -> Decoding:
        """How answers are written: as long as nearly all training answers are."""
        return Decoding(
            min(new_tokens_for(self.train.answers.lengths), max(self.max_length - 1, 1)),
            self.renderer.stop_ids,
            self.tokenizer.traits.pad_id,
        )

    def prompts(self) -> Prompts:
        """Return what to evaluate on."""
        rows = self.rows.validation
        most = prompt_tokens(self.max_length, self.decoding.max_new_tokens)
        ids = [self.validation.prompt(row, most) for row in rows]
        return Prompts(ids, _taken(self.task.validation, rows))

    def objective(self, model: Any, work: TrialAtWork) -> tuple[GenerationObjective, np.ndarray]:
        """Return what is learnt and from which rows.

        Raises:
            InvalidConfiguration: No answer fits into the length, or rows cannot be packed.
        """
        rows = self.rows.train
        fits = self.train.answers.lengths[rows] < self.max_length
        if not fits.any():
            raise InvalidConfiguration(
                f"No training answer fits into max_length, {self.max_length} tokens"
            )
        objective = GenerationObjective(
            model,
            self.train,
            rows[fits],
            self.max_length,
            validation=self.prompts(),
            renderer=self.renderer,
            decoding=self.decoding,
            smoothing=work.parameters.label_smoothing,
            machine=work.machine,
            packing=work.parameters.packing,
        )
        return objective, rows[fits]

    def latency_ms(self, model: Any, machine: Machine) -> float:
        """Return the median milliseconds of writing the answer to one prompt."""
        decoder = Decoder(model, self.decoding, machine.device, machine.precision)
        most = prompt_tokens(self.max_length, self.decoding.max_new_tokens)
        chosen = spread_rows(self.rows.validation)

        def answer(rows: np.ndarray) -> object:
            prompts = [self.validation.prompt(row, most) for row in rows]
            return decoder.write(prompts, max_tokens=1)

        return measure_latency(model, answer, [np.array([row]) for row in chosen], machine.device)


def prompt_tokens(max_length: int, max_new_tokens: int) -> int:
    """Return how many tokens of a prompt are read where its answer is to be written.

    Args:
        max_length: Tokens of prompt and answer together.
        max_new_tokens: Tokens of an answer at most.
    """
    return max(max_length - max_new_tokens, (max_length + 1) // 2)


@dataclass(frozen=True)
class GenerationSource:
    """A text generation task with the rows that a trial's budget allows."""

    spec: TrialSpec
    task: GenerationTask
    rows: TrialRows
    has_pairs: bool = False

    def tokenize(self, tokenizer: TokenizerFolder, max_length: int) -> GenerationData:
        """Return the rows as tokens."""
        is_seq2seq = reads_by_encoder(self.spec)
        renderer = Renderer(tokenizer.path, is_seq2seq=is_seq2seq)

        def tokens_of(name: SplitName) -> GenerationTokens:
            split: GenerationSplit = self.task.splits[name]
            return open_generation_tokens(
                split,
                name,
                key=self.spec.task_folder.name,
                tokenizer=tokenizer,
                renderer=partial(Renderer, tokenizer.path, is_seq2seq=is_seq2seq),
                form="seq2seq" if is_seq2seq else "causal",
                cache_folder=self.spec.cache_folder,
            )

        return GenerationData(
            self.task,
            self.rows,
            tokenizer,
            renderer,
            max_length,
            tokens_of("train"),
            tokens_of("validation"),
        )


def reads_by_encoder(spec: TrialSpec) -> bool:
    """Whether the model of a trial is a sequence-to-sequence one.

    Raises:
        InvalidConfiguration: Its architecture cannot write texts.
        OSError: Its config cannot be had.
    """
    from xautolm_core.trial.models import architecture_of

    assert spec.model is not None
    try:
        found = generator_class(architecture_of(spec.model))
    except ValueError as error:
        raise InvalidConfiguration(f"The model does not fit: {error}") from error
    return found == GENERATOR_CLASSES[ModelKind.ENCODER_DECODER]


class GenerationKind:
    """How models that write texts are fine-tuned."""

    problem_type: str | None = None

    def auto_class(self, architecture: str) -> str:
        """Return the name of the class in ``transformers`` that writes.

        Raises:
            InvalidConfiguration: The architecture cannot write texts.
        """
        try:
            return generator_class(architecture)
        except ValueError as error:
            raise InvalidConfiguration(f"The model does not fit: {error}") from error

    def head_labels(self, task: AnyTask) -> Sequence[str]:
        """Return nothing: the model writes by the head that it was pretrained with."""
        return ()

    def open(self, spec: TrialSpec) -> GenerationSource:
        """Open a trial's task and choose its rows.

        Raises:
            InvalidConfiguration: A hyper-parameter does not fit text generation.
        """
        parameters = spec.configuration.parameters
        if parameters.get("class_weighted_loss"):
            raise InvalidConfiguration("Answers have no classes: class_weighted_loss does not fit")
        task = open_prepared_conversations(spec.task_folder)
        return GenerationSource(spec, task, scored_rows(choose_conversations(task, spec)))


def scored_rows(rows: TrialRows) -> TrialRows:
    """Return a trial's rows, of those of validation a seeded sample: writing takes long."""
    return TrialRows(rows.train, rows.validation[generated_rows(len(rows.validation))])


def _taken(split: GenerationSplit, rows: np.ndarray) -> list[list[str]]:
    import pyarrow as pa

    found: list[list[str]] = split.answers.take(pa.array(rows)).to_pylist()
    return found
