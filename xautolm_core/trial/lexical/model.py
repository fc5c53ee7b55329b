"""Ranks the spans of a passage; fitted by logistic regression, kept as JSON and arrays."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any
from typing import Literal

import numpy as np
from pydantic import BaseModel
from pydantic import ConfigDict

from xautolm_core.errors import ConfigError
from xautolm_core.storage_faults import as_os_errors
from xautolm_core.trial.answerer import Answerer
from xautolm_core.trial.answerer import TextAnswer
from xautolm_core.trial.lexical.features import FeatureMaker
from xautolm_core.trial.lexical.passages import Passage
from xautolm_core.trial.lexical.passages import Rarity
from xautolm_core.trial.linear.saving import SavedArrays
from xautolm_core.trial.linear.saving import save_arrays
from xautolm_core.whole_files import write_json

if TYPE_CHECKING:
    from xautolm_core.trial.saving import ModelCard

WORDS_FILE = "lexical.json"
_PASSAGES_KEPT = 64
_HINT = "Take the folder from the run that made it, or from the registry, again"


class LexicalWords(BaseModel):
    """The content of ``lexical.json``.

    Attributes:
        terms: Keys of words, in the order of their frequencies.
        question_kinds: How questions begin.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: Literal[1] = 1
    terms: tuple[str, ...]
    question_kinds: tuple[str, ...]


@dataclass(frozen=True)
class RankedSpan:
    """The best span of a passage.

    Attributes:
        text: Its words; empty where the passage has none.
        margin: Its value by the regression, finite.
        share: Of its odds among those of all spans, in [0, 1].
    """

    text: str
    margin: float
    share: float


class SpanRanker:
    """Finds the best span of a passage.

    Args:
        features: Makes the numbers of spans.
        weights: Of these numbers, float32.
        intercept: Of the regression.
    """

    def __init__(self, features: FeatureMaker, weights: np.ndarray, intercept: float) -> None:
        self.features = features
        self.weights = weights
        self.intercept = intercept

    def rank(
        self,
        questions: Sequence[str],
        contexts: Sequence[str],
        between: Callable[[], None] = lambda: None,
    ) -> list[RankedSpan]:
        """Return the best span for each question; of equal ones the first.

        Args:
            questions: The questions.
            contexts: The passage of each.
            between: Called after each question; what it raises ends the work.
        """
        passages = PassageReader()
        found = []
        for question, context in zip(questions, contexts, strict=True):
            found.append(self._best(question, context, passages.read(context)))
            between()
        return found

    def _best(self, question: str, context: str, passage: Passage) -> RankedSpan:
        spans = self.features.spans(question, passage)
        if not len(spans.values):
            return RankedSpan("", 0.0, 0.0)
        margins = spans.values @ self.weights + self.intercept
        place = int(margins.argmax())
        odds = np.exp(margins - margins[place])
        return RankedSpan(
            context[spans.begins[place] : spans.ends[place]],
            float(margins[place]),
            float(1.0 / odds.sum()),
        )


class PassageReader:
    """Reads passages; of rows that share one it is read once."""

    def __init__(self) -> None:
        self._read: dict[str, Passage] = {}

    def read(self, context: str) -> Passage:
        """Return the passage of a text."""
        if context not in self._read:
            if len(self._read) >= _PASSAGES_KEPT:
                self._read.clear()
            self._read[context] = Passage.read(context)
        return self._read[context]


class LexicalAnswerer(Answerer):
    """A saved model of method ``lexical_span``.

    Args:
        card: What stands beside it.
        ranker: Finds the best span.
    """

    def __init__(self, card: ModelCard, ranker: SpanRanker) -> None:
        super().__init__(card)
        self._ranker = ranker

    def _answer(
        self, questions: Sequence[str], contexts: Sequence[str], batch_size: int
    ) -> list[TextAnswer]:
        threshold = self.null_threshold
        return [
            TextAnswer(span.text, span.share)
            if span.text and (threshold is None or span.margin > threshold)
            else TextAnswer("", 1.0 - span.share)
            for span in self._ranker.rank(questions, contexts)
        ]


@as_os_errors()
def write_ranker(folder: Path, ranker: SpanRanker) -> None:
    """Write a ranker to a model's folder.

    Raises:
        OSError: It cannot be written.
    """
    rarity = ranker.features.rarity
    words = LexicalWords(terms=rarity.terms, question_kinds=ranker.features.kinds)
    write_json(folder / WORDS_FILE, words)
    numbers = [rarity.unknown, rarity.common, ranker.intercept]
    save_arrays(
        folder,
        {
            "lexical.idf": rarity.idf,
            "lexical.numbers": np.array(numbers, dtype=np.float32),
            "lexical.weights": ranker.weights,
        },
    )


def load_lexical_answerer(folder: Path, card: ModelCard) -> LexicalAnswerer:
    """Return the answerer in a folder.

    Raises:
        ConfigError: A file is missing, or its content does not fit the others.
    """
    from pydantic import ValidationError

    arrays = SavedArrays(folder)
    try:
        words = LexicalWords.model_validate_json((folder / WORDS_FILE).read_bytes())
    except (OSError, ValidationError) as error:
        raise ConfigError(
            f"The model in {folder} has no readable {WORDS_FILE}", hint=_HINT
        ) from error
    unknown, common, intercept = arrays.array("lexical.numbers", (3,)).tolist()
    idf = arrays.array("lexical.idf", (len(words.terms),))
    features = FeatureMaker(Rarity(words.terms, idf, unknown, common), words.question_kinds)
    weights = arrays.array("lexical.weights", (features.columns,))
    return LexicalAnswerer(card, SpanRanker(features, weights, intercept))


def fit_weights(values: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, float]:
    """Return weights and intercept of a logistic regression on standardised numbers.

    Args:
        values: float32, (spans, columns).
        right: Whether each span is the answer; both kinds are there.
    """
    from sklearn.linear_model import LogisticRegression

    mean, scale = values.mean(axis=0), values.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    model: Any = LogisticRegression(C=1.0, max_iter=300, class_weight="balanced")
    model.fit((values - mean) / scale, right)
    weights = model.coef_[0] / scale
    return weights.astype(np.float32), float(model.intercept_[0] - weights @ mean)
