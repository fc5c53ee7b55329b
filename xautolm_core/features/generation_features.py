"""Meta-features of a text generation task: the paper's eleven, and what tells of its turns."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from xautolm_core.features.prompt_features import PAPER_UNITS
from xautolm_core.features.prompt_features import prompt_features
from xautolm_core.features.task_features import SAMPLE_ROWS
from xautolm_core.features.token_lengths import TOKEN_UNITS
from xautolm_core.features.token_lengths import token_features
from xautolm_core.records.features import FeatureVector
from xautolm_core.tasks.conversations import GenerationSplit
from xautolm_core.tasks.conversations import first_answers
from xautolm_core.tasks.conversations import prompts
from xautolm_core.tasks.quality import text_numbers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xautolm_core.tasks.conversations import GenerationTask

EXTRACTOR = "text-generation"
VERSION = "1.0"
_SEED = 42

UNITS: Mapping[str, str] = MappingProxyType(
    {
        **PAPER_UNITS,
        "log10_samples": "1",
        "prompts": "prompts",
        "answers_per_prompt": "1",
        "system_rate": "1",
        "turns_per_row": "1",
        "mean_prompt_words": "words",
        "mean_target_words": "words",
        "different_target_rate": "1",
        "number_target_rate": "1",
        "copied_target_rate": "1",
        **TOKEN_UNITS,
    }
)


def extract_generation_features(
    task: GenerationTask, *, tokenizers: Mapping[str, Path] = MappingProxyType({})
) -> FeatureVector:
    """Measure the training split of a text generation task.

    A prompt is all that comes before the answer, with blank lines between messages; the target is
    the answer that is learnt. Numbers of rows, prompts, answers and turns are those of all rows,
    the others those of a sample of at most 5,000 rows (seed 42).
    ``mean_prompt_target_similarity`` and the paper's mean embedding of the prompts need a language
    model and are not measured.

    Args:
        task: The task; only its training split is looked at.
        tokenizers: Model id to ``tokenizer.json``. Token lengths, of prompt and target together,
            are those of the first one, or words if there is none; ``facts`` say which.

    Returns:
        The features of ``UNITS``, in that order.
    """
    started = time.perf_counter()
    train = task.train
    order = np.random.Generator(np.random.PCG64(_SEED)).permutation(len(train))
    asked, targets = _sample(train, order[:SAMPLE_ROWS])
    values: dict[str, float | None] = {
        **_row_features(train),
        **_target_features(asked, targets),
        **prompt_features(asked, targets, rows=len(train)),
    }
    facts = {"sample_rows": str(len(asked))}
    values |= token_features(asked, targets, tokenizers, facts)
    return FeatureVector(
        extractor=EXTRACTOR,
        version=VERSION,
        values={name: values[name] for name in UNITS},
        units=dict(UNITS),
        facts=facts,
        seconds=time.perf_counter() - started,
    )


def _sample(split: GenerationSplit, places: np.ndarray) -> tuple[list[str], list[str]]:
    """Return prompts and targets of some rows."""
    import pyarrow as pa

    taken = pa.array(places)
    rows = GenerationSplit(split.messages.take(taken), split.answers.take(taken))
    return prompts(rows).to_pylist(), first_answers(rows).to_pylist()


def _row_features(split: GenerationSplit) -> dict[str, float]:
    """Return numbers of rows, different prompts, accepted answers and turns."""
    import pyarrow.compute as pc

    first = pc.struct_field(pc.list_element(split.messages, 0), "role")
    has_system = pc.equal(first, "system").to_numpy()
    turns = pc.list_value_length(split.messages).to_numpy() - has_system
    return {
        "log10_samples": float(np.log10(len(split))),
        "prompts": float(len(np.unique(text_numbers(prompts(split), None)))),
        "answers_per_prompt": float(pc.list_value_length(split.answers).to_numpy().mean()),
        "system_rate": float(has_system.mean()),
        "turns_per_row": float((turns + 1).mean()) / 2,
    }


def _target_features(asked: Sequence[str], targets: Sequence[str]) -> dict[str, float]:
    """Return lengths in words, and what kinds of targets there are."""
    return {
        "mean_prompt_words": float(np.mean([len(text.split()) for text in asked])),
        "mean_target_words": float(np.mean([len(text.split()) for text in targets])),
        "different_target_rate": len(set(targets)) / len(targets),
        "number_target_rate": float(np.mean([_is_number(text) for text in targets])),
        "copied_target_rate": float(
            np.mean([one.strip() in text for text, one in zip(asked, targets, strict=True)])
        ),
    }


def _is_number(text: str) -> bool:
    """Whether a target is a number, with thousands separated by commas or not."""
    try:
        return bool(np.isfinite(float(text.replace(",", ""))))
    except ValueError:
        return False
