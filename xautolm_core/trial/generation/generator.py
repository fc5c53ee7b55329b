"""A saved model that writes texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from xautolm_core.errors import ConfigError
from xautolm_core.trial.evaluation import evaluation_tokens
from xautolm_core.trial.failures import InvalidConfiguration
from xautolm_core.trial.generation.decoding import BEAMS
from xautolm_core.trial.generation.decoding import MAX_NEW_TOKENS
from xautolm_core.trial.generation.decoding import Decoder
from xautolm_core.trial.generation.decoding import Decoding
from xautolm_core.trial.generation.examples import read_examples
from xautolm_core.trial.generation.rendering import Message
from xautolm_core.trial.generation.rendering import Renderer
from xautolm_core.trial.generation.rows import GenerationTokens
from xautolm_core.trial.generation.rows import flat_tokens
from xautolm_core.trial.generation.training import prompt_tokens
from xautolm_core.trial.precision import choose_device
from xautolm_core.trial.precision import choose_precision
from xautolm_core.trial.saving import ModelCard

# So many prompts are encoded at once, so that memory does not grow with their number.
_PART_PROMPTS = 1_024


@dataclass(frozen=True)
class GeneratedText:
    """What a model wrote.

    Attributes:
        text: The text, without white space around it.
        tokens: How many tokens it has.
        is_cut: Whether it reached the largest number of tokens before its end.
    """

    text: str
    tokens: int
    is_cut: bool


class TextGenerator:
    """A language model that writes, ready to be used. Prompts are read as in training.

    Args:
        model: The transformers model.
        card: What was written beside it.
        folder: Where it is, with its tokenizer.
        device: ``auto``, ``cpu`` or ``cuda``.

    Raises:
        ConfigError: The folder does not say how to write.
    """

    def __init__(self, model: Any, card: ModelCard, folder: Path, device: str) -> None:
        reader = card.reader()
        self._device = choose_device(device)
        self._max_length = reader.max_length
        model = model.to(self._device).eval()
        try:
            self._renderer = Renderer(folder, is_seq2seq=bool(model.config.is_encoder_decoder))
            self._decoding = Decoding(
                int(card.decoding[MAX_NEW_TOKENS]),
                self._renderer.stop_ids,
                reader.tokenizer.pad_id,
                beams=int(card.decoding.get(BEAMS, 1)),
            )
            self._examples = read_examples(folder)
        except (KeyError, ValueError, InvalidConfiguration) as error:
            raise ConfigError(
                f"The model in {folder} does not say how it writes",
                hint="Give the folder of a model that a search left, such as RUN/model",
            ) from error
        # As in training, as far as this machine has it.
        precision = choose_precision(self._device, reader.precision != "float32")
        self._decoder = Decoder(model, self._decoding, self._device, precision)

    def generate(
        self, conversations: Sequence[Sequence[Message]], *, batch_size: int = 16
    ) -> list[GeneratedText]:
        """Return what the model writes after some conversations, in their order.

        Args:
            conversations: The messages of each, the last one of ``user``.
            batch_size: Prompts that are read at once, >= 1.

        Raises:
            ConfigError: The chat template of the model refuses a conversation.
        """
        found: list[GeneratedText] = []
        for start in range(0, len(conversations), _PART_PROMPTS):
            part = conversations[start : start + _PART_PROMPTS]
            found += self._generate_part(part, batch_size)
        return found

    def _generate_part(
        self, conversations: Sequence[Sequence[Message]], batch_size: int
    ) -> list[GeneratedText]:
        most = prompt_tokens(self._max_length, self._decoding.max_new_tokens)
        try:
            ids = self._renderer.prompts([self._examples.before(one) for one in conversations])
        except InvalidConfiguration as error:
            raise ConfigError(
                str(error), hint="Let user and assistant take turns, the last turn a user's"
            ) from error
        prompts = cut_prompts(ids, most, self._renderer.fixed_tokens)
        written = self._decoder.write(
            prompts, max_tokens=evaluation_tokens(self._device), max_rows=batch_size
        )
        return [
            GeneratedText(
                self._renderer.text(one),
                len(one),
                is_cut=not one or one[-1] not in self._decoding.stop_ids,
            )
            for one in written
        ]


def cut_prompts(ids: Sequence[Sequence[int]], most: int, fixed: int) -> list[np.ndarray]:
    """Return the tokens of prompts, of which the first are cut away beyond a length.

    Args:
        ids: Tokens of each prompt.
        most: Tokens that may be kept, >= 1.
        fixed: Tokens at the beginning of a prompt that stay.
    """
    tokens = flat_tokens(ids)
    rows = GenerationTokens(tokens, tokens, fixed)
    return [rows.prompt(row, most) for row in range(len(ids))]
