"""How a model reads rows in training: the logits of the answers' tokens, and no others."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from xautolm_core.trial.failures import InvalidConfiguration
from xautolm_core.trial.generation.decoding import left_padded
from xautolm_core.trial.generation.rows import GenerationTokens
from xautolm_core.trial.objective import Machine
from xautolm_core.trial.precision import autocast

IGNORED = -100
"""A label that no loss is made of."""

# Of the spread of logits: rows in one sequence may differ by so much from the same rows alone,
# which is more than rounding, and may change by so much with the other rows of their sequence.
_LIKE_ALONE = 1e-3
_LIKE_BEFORE = 1e-5


class AnswerReader:
    """Reads rows with a model that learns their answers.

    Args:
        model: The model, the method applied, on its device.
        tokens: Tokens of the split.
        max_length: Tokens of prompt and answer together; of each, where an encoder reads prompts.
        pad_id: Token that fills up a batch.
        machine: Device and precision.
        packing: Whether several rows share a sequence.

    Raises:
        InvalidConfiguration: The architecture cannot keep rows of one sequence apart.
    """

    def __init__(
        self,
        model: Any,
        tokens: GenerationTokens,
        max_length: int,
        pad_id: int,
        machine: Machine,
        *,
        packing: bool = False,
    ) -> None:
        self._model = model
        self._tokens = tokens
        self._max_length = max_length
        self._pad_id = pad_id
        self._machine = machine
        self._packing = packing
        self.is_seq2seq = bool(model.config.is_encoder_decoder)
        """Whether an encoder reads the prompt, and a decoder writes the answer."""
        plain = model.get_base_model() if hasattr(model, "get_base_model") else model
        self._parameters: Mapping[str, inspect.Parameter]
        self._parameters = inspect.signature(plain.forward).parameters
        if packing and (self.is_seq2seq or "position_ids" not in self._parameters):
            raise InvalidConfiguration(
                "packing does not fit the model: it cannot be told where a row begins"
            )

    def read(self, rows: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """Return logits and labels of some rows: all tokens of their answers among them.

        Args:
            rows: Their numbers.

        Returns:
            Logits of shape (sequences, places, vocabulary), and labels of (sequences, places), of
            which those that are ``IGNORED`` belong to no answer.
        """
        if self.is_seq2seq:
            return self._read_to_write(rows)
        return self._read_packed(rows) if self._packing else self._read_on(rows)

    def check_packing(self, rows: np.ndarray) -> None:
        """Ensure that rows of one sequence are read as if each were alone.

        Args:
            rows: Two rows, to try it with.

        Raises:
            InvalidConfiguration: They are not.
        """
        first, second = (self._row(row)[-self._max_length // 2 :] for row in rows)
        was_training, precise = self._model.training, Machine(self._machine.device, "float32")
        other = np.roll(first, 1)
        self._model.eval()
        with torch.no_grad(), autocast(precise.device, precise.precision):
            alone, together, beside_other = (
                self._model(**self._packed([texts]), use_cache=False)
                .logits[0, -len(second) :]
                .float()
                for texts in ([second], [first, second], [other, second])
            )
        self._model.train(was_training)
        spread = float(alone.std())
        if (
            float((together - alone).abs().max()) > _LIKE_ALONE * spread
            or float((together - beside_other).abs().max()) > _LIKE_BEFORE * spread
        ):
            raise InvalidConfiguration(
                "packing does not fit the model: it mixes the rows of a sequence"
            )

    def _row(self, row: int) -> np.ndarray:
        """Return the tokens of a row, of whose prompt the first are cut away."""
        answer = self._tokens.answer(row)
        prompt = self._tokens.prompt(row, self._max_length - len(answer))
        return np.concatenate([prompt, answer])

    def _read_on(self, rows: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """Return logits and labels at the ends of batches, where the answers stand.

        Rows end together, so that no logits of prompts are computed, which would be a matrix as
        wide as the vocabulary.
        """
        answers = [self._tokens.answer(row) for row in rows]
        ids, mask = left_padded([self._row(row) for row in rows], self._pad_id)
        kept = max(len(answer) for answer in answers)
        labels = np.full((len(rows), kept), IGNORED, dtype=np.int64)
        for i, answer in enumerate(answers):
            labels[i, kept - len(answer) :] = answer
        arguments = {
            "input_ids": self._tensor(ids),
            "attention_mask": self._tensor(mask),
            "position_ids": self._tensor(np.maximum(mask.cumsum(1) - 1, 0)),
        }
        arguments = {name: v for name, v in arguments.items() if name in self._parameters}
        limit = {"logits_to_keep": kept + 1} if "logits_to_keep" in self._parameters else {}
        with autocast(self._machine.device, self._machine.precision):
            logits = self._model(**arguments, **limit, use_cache=False).logits
        # The logits of a place are those of the token after it.
        return logits[:, -kept - 1 : -1], self._tensor(labels)

    def _read_packed(self, rows: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """Return logits and labels of rows that stand one after the other in their sequences."""
        texts = [self._row(row) for row in rows]
        answers = [self._tokens.answer(row) for row in rows]
        bins = packed_bins([len(text) for text in texts], self._max_length)
        arguments = self._packed([[texts[i] for i in one] for one in bins])
        labels = np.full(arguments["input_ids"].shape, IGNORED, dtype=np.int64)
        for number, one in enumerate(bins):
            end = 0
            for i in one:
                end += len(texts[i])
                # A place's label is the token after it.
                labels[number, end - len(answers[i]) - 1 : end - 1] = answers[i]
        places = np.flatnonzero((labels != IGNORED).any(axis=0))
        kept = self._tensor(places)
        limit = {"logits_to_keep": kept} if "logits_to_keep" in self._parameters else {}
        with autocast(self._machine.device, self._machine.precision):
            logits = self._model(**arguments, **limit, use_cache=False).logits
        return (logits if limit else logits[:, kept]), self._tensor(labels[:, places])

    def _packed(self, bins: Sequence[Sequence[np.ndarray]]) -> dict[str, torch.Tensor]:
        """Return sequences of rows as a model takes them; rows are known by their positions.

        Without a mask, ``transformers`` lets no row look at another one; each token that fills up
        a sequence is a row of its own.
        """
        longest = max(sum(map(len, texts)) for texts in bins)
        ids = np.full((len(bins), longest), self._pad_id, dtype=np.int64)
        positions = np.zeros((len(bins), longest), dtype=np.int64)
        for number, texts in enumerate(bins):
            joined = np.concatenate(texts)
            ids[number, : len(joined)] = joined
            positions[number, : len(joined)] = np.concatenate([np.arange(len(t)) for t in texts])
        return {"input_ids": self._tensor(ids), "position_ids": self._tensor(positions)}

    def _read_to_write(self, rows: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """Return logits and labels of all places of the answers, which a decoder writes."""
        prompts = [self._tokens.prompt(row, self._max_length) for row in rows]
        answers = [self._tokens.answer(row) for row in rows]
        ids, mask = left_padded(prompts, self._pad_id)
        labels = np.full((len(rows), max(map(len, answers))), IGNORED, dtype=np.int64)
        for i, answer in enumerate(answers):
            labels[i, : len(answer)] = answer
        targets = self._tensor(labels)
        with autocast(self._machine.device, self._machine.precision):
            output = self._model(
                input_ids=self._tensor(ids),
                attention_mask=self._tensor(mask),
                labels=targets,
                use_cache=False,
            )
        return output.logits, targets

    def _tensor(self, array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(array).to(self._machine.device)


def packed_bins(lengths: Sequence[int], room: int) -> list[list[int]]:
    """Return which rows share a sequence: the longest first, each where it fits first.

    Args:
        lengths: Tokens of each row.
        room: Tokens of a sequence at most; a longer row has one of its own.
    """
    bins: list[list[int]] = []
    left: list[int] = []
    for i in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        place = next((n for n, free in enumerate(left) if free >= lengths[i]), None)
        if place is None:
            bins.append([i])
            left.append(room - lengths[i])
        else:
            bins[place].append(i)
            left[place] -= lengths[i]
    return bins
