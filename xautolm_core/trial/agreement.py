"""Whether a model in another form answers as the original does."""

from __future__ import annotations

import random
from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from xautolm_core.errors import ConfigError

TOLERANCE = 1e-3
"""How far probabilities may lie apart."""
_ROWS = 64
_SEED = 17
_TEXT = (
    "the a of and to in is that it was for on with as at by this not but from they his her be "
    "good bad great terrible lovely broken fast slow late early never always money market "
    "team game planet science war music price share star bank win loss happy sad angry afraid "
    "new old Friday London 2024 10% e-mail don't it's co-operate naïve café Straße 東京 привет "
    "🙂 !!! ?"
)
_WORDS = tuple(_TEXT.split())
_ODD = (
    "",
    " ",
    "?",
    "\n\t",
    "a",
    "🙂🙂🙂",
    "word " * 3_000,
    "unbroken" * 400,
    "<s> [SEP] </s> [CLS]",
)

Answering = Callable[[Sequence[str], Sequence[str] | None], np.ndarray]
"""From texts, and second texts or None, to probabilities (texts, classes)."""


@dataclass(frozen=True)
class SampleTexts:
    """Texts to ask two models with.

    Attributes:
        texts: Of one character to many thousand.
        text_pairs: Second texts; None for models of single texts.
    """

    texts: tuple[str, ...]
    text_pairs: tuple[str, ...] | None


@dataclass(frozen=True)
class Agreement:
    """How far two models agree.

    Attributes:
        rows: Texts that both were asked.
        largest_difference: Of two probabilities of one class.
    """

    rows: int
    largest_difference: float


def sample_texts(*, has_pairs: bool, rows: int = _ROWS) -> SampleTexts:
    """Return texts of varied length, the same ones always: none of them is from a task.

    Args:
        has_pairs: Whether the model answers to pairs.
        rows: How many, at least those of odd content.
    """
    generator = random.Random(_SEED)

    def text(place: int) -> str:
        if place < len(_ODD):
            return _ODD[place]
        # From one word to some more than most models read.
        length = round(1.1 ** (place % 68))
        return " ".join(generator.choices(_WORDS, k=length))

    count = max(rows, len(_ODD))
    texts = tuple(text(place) for place in range(count))
    if not has_pairs:
        return SampleTexts(texts, None)
    return SampleTexts(texts, tuple(generator.sample(texts, count)))


def require_agreement(
    original: Answering, other: Answering, samples: SampleTexts, *, form: str
) -> Agreement:
    """Make sure that two models give the same labels, and nearly the same probabilities.

    Args:
        original: Answers of the original.
        other: Answers of the other form.
        samples: What both are asked.
        form: What messages call the other form.

    Raises:
        ConfigError: They do not.
    """
    expected = original(samples.texts, samples.text_pairs)
    found = np.asarray(other(samples.texts, samples.text_pairs), dtype=np.float64)
    if found.shape != expected.shape or not np.isfinite(found).all():
        raise _differs(form, "its answers are not finite, or of another shape")
    largest = float(np.abs(found - expected).max(initial=0.0))
    labels = int((found.argmax(1) != expected.argmax(1)).sum())
    if labels or largest > TOLERANCE:
        raise _differs(
            form,
            f"of {len(expected)} texts {labels} get another class, and probabilities differ by up "
            f"to {largest:.2g}",
        )
    return Agreement(len(expected), largest)


def _differs(form: str, how: str) -> ConfigError:
    return ConfigError(
        f"The model as {form} does not answer as the original: {how}; nothing was written",
        hint="Use the model as it is (see docs/serving.md), or another trial's",
    )
