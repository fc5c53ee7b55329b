"""The paper's meta-features of prompts and the texts that are to follow them.

They are the eleven of XAutoLM (arXiv 2508.00924) for generative tasks, in its order.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from types import MappingProxyType

import numpy as np

from xautolm_core.tasks.rouge import rouge_l
from xautolm_core.tasks.rouge import rouge_words

WORD = re.compile(r"[^\W\d_]+")
"""A word of letters alone, in whichever script."""

PAPER_FEATURES = (
    "n_samples",
    "mean_prompt_characters",
    "std_prompt_characters",
    "prompt_type_token_ratio",
    "mean_target_characters",
    "std_target_characters",
    "target_type_token_ratio",
    "mean_target_prompt_length_ratio",
    "mean_vocabulary_novelty",
    "mean_prompt_target_similarity",
    "mean_prompt_target_rouge_l",
)
PAPER_UNITS: Mapping[str, str] = MappingProxyType(
    {
        "n_samples": "rows",
        "mean_prompt_characters": "characters",
        "std_prompt_characters": "characters",
        "prompt_type_token_ratio": "1",
        "mean_target_characters": "characters",
        "std_target_characters": "characters",
        "target_type_token_ratio": "1",
        "mean_target_prompt_length_ratio": "1",
        "mean_vocabulary_novelty": "1",
        "mean_prompt_target_similarity": "1",
        "mean_prompt_target_rouge_l": "1",
    }
)


def prompt_features(
    prompts: Sequence[str], targets: Sequence[str], *, rows: int
) -> dict[str, float | None]:
    """Measure a sample of prompts and targets.

    ``mean_prompt_target_similarity`` needs sentence embeddings and is not measured.

    Args:
        prompts: The prompts of the sample, none empty.
        targets: What is to follow each; may be empty.
        rows: Rows of which they are a sample.

    Returns:
        The features of ``PAPER_UNITS``, in that order.
    """
    prompt_lengths = np.array([len(prompt) for prompt in prompts], dtype=float)
    target_lengths = np.array([len(target) for target in targets], dtype=float)
    pairs = list(zip(prompts, targets, strict=True))
    return {
        "n_samples": float(rows),
        "mean_prompt_characters": float(prompt_lengths.mean()),
        "std_prompt_characters": float(prompt_lengths.std()),
        "prompt_type_token_ratio": _type_token_ratio(iter(prompts)),
        "mean_target_characters": float(target_lengths.mean()),
        "std_target_characters": float(target_lengths.std()),
        "target_type_token_ratio": _type_token_ratio(iter(targets)),
        "mean_target_prompt_length_ratio": float((target_lengths / prompt_lengths).mean()),
        "mean_vocabulary_novelty": float(np.mean([_novelty(*pair) for pair in pairs])),
        "mean_prompt_target_similarity": None,
        "mean_prompt_target_rouge_l": float(np.mean([rouge_l(*pair) for pair in pairs])),
    }


def _type_token_ratio(texts: Iterator[str]) -> float:
    """Return different words over all words, stop words left out: the mean over the texts.

    That is what the published values can only be (0.70 for 77,400 prompts of DROP).
    """
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    ratios = []
    for text in texts:
        words = [w for w in WORD.findall(text.lower()) if w not in ENGLISH_STOP_WORDS]
        if words:
            ratios.append(len(set(words)) / len(words))
    return float(np.mean(ratios)) if ratios else 0.0


def _novelty(prompt: str, target: str) -> float:
    """Return the share of the target's words that its prompt does not have."""
    words = rouge_words(target)
    known = set(rouge_words(prompt))
    return sum(word not in known for word in words) / len(words) if words else 0.0
