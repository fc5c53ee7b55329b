"""A saved language model that finds answers in passages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from xautolm_core.errors import ConfigError
from xautolm_core.trial.answerer import Answerer
from xautolm_core.trial.answerer import TextAnswer
from xautolm_core.trial.evaluation import evaluation_tokens
from xautolm_core.trial.failures import Diverged
from xautolm_core.trial.precision import choose_device
from xautolm_core.trial.precision import choose_precision
from xautolm_core.trial.saving import ModelCard
from xautolm_core.trial.spans.decoding import spans_of_questions
from xautolm_core.trial.spans.inputs import SpanInput
from xautolm_core.trial.spans.inputs import predict_spans
from xautolm_core.trial.spans.windows import Gold
from xautolm_core.trial.spans.windows import WindowEncoder

# So many questions are encoded at once, so that memory does not grow with their number.
_PART_QUESTIONS = 2_048


class SpanAnswerer(Answerer):
    """A fine-tuned language model with a span head.

    Args:
        model: The transformers model.
        card: What was written beside it.
        folder: Where it is, with its tokenizer.
        device: ``auto``, ``cpu`` or ``cuda``.
    """

    def __init__(self, model: Any, card: ModelCard, folder: Path, device: str) -> None:
        super().__init__(card)
        reader = card.reader()
        self._device = choose_device(device)
        self._model = model.to(self._device).eval()
        self._traits = reader.tokenizer
        # As in training, as far as this machine has it.
        self._precision = choose_precision(self._device, reader.precision != "float32")
        self._encoder = WindowEncoder(folder, reader.tokenizer, reader.max_length)

    def _answer(
        self, questions: Sequence[str], contexts: Sequence[str], batch_size: int
    ) -> list[TextAnswer]:
        found: list[TextAnswer] = []
        for start in range(0, len(questions), _PART_QUESTIONS):
            part = slice(start, start + _PART_QUESTIONS)
            found += self._answer_part(questions[part], contexts[part], batch_size)
        return found

    def _answer_part(
        self, questions: Sequence[str], contexts: Sequence[str], batch_size: int
    ) -> list[TextAnswer]:
        windows = self._encoder.encode(questions, contexts, [Gold()] * len(questions))
        inputs = SpanInput(self._model, windows, self._traits, self._device, self._precision)
        try:
            best = predict_spans(
                self._model,
                inputs,
                np.arange(len(windows)),
                max_tokens=evaluation_tokens(self._device),
                max_rows=batch_size,
            )
        except Diverged as error:
            raise ConfigError(str(error), hint="Use another model") from error
        spans = spans_of_questions(windows, np.arange(len(questions)), best)
        answered = spans.answered(self.null_threshold)
        return [
            TextAnswer(text, float(probability))
            if is_answered and text
            else TextAnswer("", float(null))
            for text, is_answered, probability, null in zip(
                spans.texts(contexts),
                answered,
                spans.probabilities,
                spans.null_probabilities,
                strict=True,
            )
        ]
