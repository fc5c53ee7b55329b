"""Loads a saved linear model."""

from __future__ import annotations

from pathlib import Path

from xautolm_core.trial.linear.parts import LinearClassifier
from xautolm_core.trial.linear.parts import LinearPart
from xautolm_core.trial.linear.saving import SavedArrays
from xautolm_core.trial.linear.saving import read_tfidf
from xautolm_core.trial.saving import ModelCard


def load_linear_classifier(
    folder: Path, card: ModelCard, device: str, threads: int | None
) -> LinearClassifier:
    """Return the linear classifier in a folder.

    Args:
        folder: Where it is.
        card: What stands beside it.
        device: Of its language model, if it has one: ``auto``, ``cpu`` or ``cuda``.
        threads: CPU threads of its language model; torch's own choice if None.

    Raises:
        ConfigError: A file is missing, or its content does not fit the others.
        ImportError: It has a language model, and torch or transformers is not installed.
    """
    classes = len(card.labels)
    arrays = SavedArrays(folder)
    tfidf = read_tfidf(folder, arrays)
    model = arrays.model("tfidf", classes, tfidf.vocabulary.columns)
    return LinearClassifier(card, [LinearPart("tfidf", tfidf, model)])
