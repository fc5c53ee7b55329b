"""Loads a saved linear model."""

from __future__ import annotations

from pathlib import Path

from xautolm_core.records.methods import LINEAR_PROBE_TFIDF
from xautolm_core.records.methods import TFIDF
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
    classes, method = len(card.labels), card.configuration.method
    arrays = SavedArrays(folder)
    parts: list[LinearPart] = []
    is_joined = method == LINEAR_PROBE_TFIDF
    if is_joined or method == TFIDF:
        tfidf = read_tfidf(folder, arrays)
        parts.append(
            LinearPart(
                "tfidf",
                tfidf,
                arrays.model("tfidf", classes, tfidf.vocabulary.columns),
                arrays.weight("tfidf") if is_joined else 1.0,
            )
        )
    if method != TFIDF:
        from xautolm_core.trial.linear.probe_loading import load_probe

        source, columns = load_probe(folder, card, arrays, device, threads)
        model = arrays.model("probe", classes, columns)
        weight = arrays.weight("probe") if is_joined else 1.0
        parts.append(LinearPart("probe", source, model, weight))
    return LinearClassifier(card, parts)
