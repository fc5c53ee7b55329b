"""Writes answers: batches of prompts of like length, until each has ended its answer."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from xautolm_core.records.methods import MOST_NEW_TOKENS
from xautolm_core.trial.batches import evaluation_batches
from xautolm_core.trial.precision import Precision
from xautolm_core.trial.precision import autocast

MAX_NEW_TOKENS = "max_new_tokens"
"""In a card's ``decoding``: tokens of an answer at most, the closing one included."""
BEAMS = "beams"
"""In a card's ``decoding``: answers that are followed at once; 1 takes the likeliest token."""

_SPARE_TOKENS = 8
_QUANTILE = 0.99


@dataclass(frozen=True)
class Decoding:
    """How answers are written.

    Attributes:
        max_new_tokens: Tokens of an answer at most, the closing one included.
        stop_ids: Tokens at which an answer is over.
        pad_id: Token that fills up a batch.
        beams: Answers that are followed at once.
    """

    max_new_tokens: int
    stop_ids: tuple[int, ...]
    pad_id: int
    beams: int = 1

    @property
    def settings(self) -> Mapping[str, float]:
        """What a card keeps of it."""
        return {MAX_NEW_TOKENS: float(self.max_new_tokens), BEAMS: float(self.beams)}


def new_tokens_for(answer_lengths: np.ndarray) -> int:
    """Return how many tokens an answer may have: as many as nearly all training answers have.

    Args:
        answer_lengths: Tokens of the training answers, the closing one included.
    """
    usual = int(np.ceil(np.quantile(answer_lengths, _QUANTILE)))
    return min(usual + _SPARE_TOKENS, MOST_NEW_TOKENS)


class Decoder:
    """Writes answers with a model.

    Args:
        model: A causal or a sequence-to-sequence model of ``transformers``, or peft's of one.
        decoding: How to write.
        device: Where the model is.
        precision: Of the matrix products.
    """

    def __init__(
        self, model: Any, decoding: Decoding, device: torch.device, precision: Precision
    ) -> None:
        from transformers import GenerationConfig

        self._model = model
        self._decoding = decoding
        self._device = device
        self._precision = precision
        config = model.config
        self._is_seq2seq = bool(config.is_encoder_decoder)
        # Not the model's own settings, of which some models sample.
        self._settings = GenerationConfig(
            do_sample=False,
            num_beams=decoding.beams,
            max_new_tokens=decoding.max_new_tokens,
            pad_token_id=decoding.pad_id,
            eos_token_id=list(decoding.stop_ids),
            use_cache=True,
            decoder_start_token_id=_start_of(config) if self._is_seq2seq else None,
            bos_token_id=config.bos_token_id,
        )

    def write(
        self,
        prompts: Sequence[np.ndarray],
        *,
        max_tokens: int,
        max_rows: int = 64,
        between: Callable[[], None] = lambda: None,
    ) -> list[list[int]]:
        """Return the tokens of the answer to each prompt, the closing one included if it came.

        Args:
            prompts: Their tokens.
            max_tokens: Padded tokens of the prompts of one batch.
            max_rows: Prompts of one batch.
            between: Called after each token of a batch; what it raises ends the writing.
        """
        found: list[list[int]] = [[] for _ in prompts]
        if not prompts:
            return found
        lengths = np.array([len(prompt) for prompt in prompts], dtype=np.int64)
        self._model.eval()
        for batch in evaluation_batches(lengths, max_tokens=max_tokens, max_rows=max_rows):
            written = self._write_batch([prompts[i] for i in batch], between)
            for i, ids in zip(batch, written, strict=True):
                found[i] = ids
        return found

    def _write_batch(
        self, prompts: Sequence[np.ndarray], between: Callable[[], None]
    ) -> list[list[int]]:
        ids, mask = left_padded(prompts, self._decoding.pad_id)
        inputs = torch.from_numpy(ids).to(self._device)

        def look(_ids: torch.Tensor, _scores: torch.Tensor, **_rest: Any) -> torch.Tensor:
            between()
            return torch.zeros(len(_ids), dtype=torch.bool, device=_ids.device)

        with torch.inference_mode(), autocast(self._device, self._precision):
            output = self._model.generate(
                input_ids=inputs,
                attention_mask=torch.from_numpy(mask).to(self._device),
                generation_config=self._settings,
                stopping_criteria=[look],
            )
        skipped = 1 if self._is_seq2seq else inputs.shape[1]
        return [self._ended(row) for row in output[:, skipped:].tolist()]

    def _ended(self, ids: list[int]) -> list[int]:
        """Return an answer without what fills up its batch."""
        stop = next((i for i, token in enumerate(ids) if token in self._decoding.stop_ids), None)
        return ids if stop is None else ids[: stop + 1]


def left_padded(rows: Sequence[np.ndarray], pad_id: int) -> tuple[np.ndarray, np.ndarray]:
    """Return rows of tokens as a batch that ends where they do, and 1 where a token is, int64."""
    longest = max(1, *map(len, rows))
    ids = np.full((len(rows), longest), pad_id, dtype=np.int64)
    mask = np.zeros((len(rows), longest), dtype=np.int64)
    for i, row in enumerate(rows):
        ids[i, longest - len(row) :] = row
        mask[i, longest - len(row) :] = 1
    # A row without any token is attended to as well: the softmax of nothing is NaN.
    mask[:, -1] = 1
    return ids, mask


def _start_of(config: Any) -> int:
    start = config.decoder_start_token_id
    return int(config.pad_token_id if start is None else start)
