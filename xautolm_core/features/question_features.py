"""Meta-features of a question answering task: the paper's eleven, and what tells of its passages.

The eleven are those of XAutoLM (arXiv 2508.00924) for generative tasks, of the prompt that it gave
to its models (passage, question) and of the main answer as the target.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from xautolm_core.features.prompt_features import PAPER_UNITS
from xautolm_core.features.prompt_features import WORD
from xautolm_core.features.prompt_features import prompt_features
from xautolm_core.features.task_features import SAMPLE_ROWS
from xautolm_core.features.token_lengths import TOKEN_UNITS
from xautolm_core.features.token_lengths import token_features
from xautolm_core.records.features import FeatureVector
from xautolm_core.tasks.quality import text_numbers
from xautolm_core.tasks.questions import NOT_FOUND
from xautolm_core.tasks.questions import PASSAGE_PROMPT

if TYPE_CHECKING:
    from xautolm_core.tasks.questions import QuestionSplit
    from xautolm_core.tasks.questions import QuestionTask

EXTRACTOR = "question-answering"
VERSION = "1.0"
_SEED = 42

UNITS: Mapping[str, str] = MappingProxyType(
    {
        **PAPER_UNITS,
        "log10_samples": "1",
        "passages": "passages",
        "questions_per_passage": "rows/passage",
        "unanswerable_rate": "1",
        "answers_per_question": "1",
        "mean_question_words": "words",
        "mean_passage_words": "words",
        "mean_answer_words": "words",
        "mean_answer_position": "1",
        "question_overlap": "1",
        **TOKEN_UNITS,
    }
)


@dataclass(frozen=True)
class _Row:
    """One row of the sample."""

    question: str
    context: str
    answers: Sequence[str]
    starts: Sequence[int]

    @property
    def prompt(self) -> str:
        """What a generative model would be given."""
        return PASSAGE_PROMPT.format(context=self.context, question=self.question)

    @property
    def target(self) -> str:
        """What it should say; empty if the passage does not answer."""
        return self.answers[0] if self.answers else ""


def extract_question_features(
    task: QuestionTask, *, tokenizers: Mapping[str, Path] = MappingProxyType({})
) -> FeatureVector:
    """Measure the training split of a question answering task.

    Numbers of rows and passages are those of all rows, the others those of a sample of at most
    5,000 rows (seed 42). ``mean_prompt_target_similarity`` needs sentence embeddings and is not
    measured.

    Args:
        task: The task; only its training split is looked at.
        tokenizers: Model id to ``tokenizer.json``. Token lengths are those of the first one, or
            words if there is none; ``facts`` say which.

    Returns:
        The features of ``UNITS``, in that order.
    """
    started = time.perf_counter()
    train = task.train
    order = np.random.Generator(np.random.PCG64(_SEED)).permutation(len(train))
    rows = _rows(train, order[:SAMPLE_ROWS])
    values: dict[str, float | None] = {**_size_features(train), **_shape_features(rows)}
    prompts, targets = [row.prompt for row in rows], [row.target for row in rows]
    values |= prompt_features(prompts, targets, rows=len(train))
    facts = {"sample_rows": str(len(rows))}
    values |= token_features(
        [row.question for row in rows], [row.context for row in rows], tokenizers, facts
    )
    return FeatureVector(
        extractor=EXTRACTOR,
        version=VERSION,
        values={name: values[name] for name in UNITS},
        units=dict(UNITS),
        facts=facts,
        seconds=time.perf_counter() - started,
    )


def _rows(split: QuestionSplit, places: np.ndarray) -> list[_Row]:
    import pyarrow as pa

    taken = pa.array(places)
    columns = (split.questions, split.contexts, split.answers, split.starts)
    return [_Row(*row) for row in zip(*(c.take(taken).to_pylist() for c in columns), strict=True)]


def _size_features(split: QuestionSplit) -> dict[str, float]:
    """Return numbers of rows, passages and answers."""
    import pyarrow.compute as pc

    rows = len(split)
    passages = len(np.unique(text_numbers(split.contexts, None)))
    accepted = pc.list_value_length(split.answers).to_numpy()
    answerable = accepted[accepted > 0]
    return {
        "log10_samples": float(np.log10(rows)),
        "passages": float(passages),
        "questions_per_passage": rows / passages,
        "unanswerable_rate": float(np.mean(accepted == 0)),
        "answers_per_question": float(answerable.mean()) if len(answerable) else 0.0,
    }


def _shape_features(rows: Sequence[_Row]) -> dict[str, float]:
    """Return lengths in words, where answers stand, and what questions share with passages."""
    places = [
        start / max(len(row.context), 1)
        for row in rows
        for start in row.starts[:1]
        if start != NOT_FOUND
    ]
    answered = [len(row.target.split()) for row in rows if row.answers]
    return {
        "mean_question_words": float(np.mean([len(row.question.split()) for row in rows])),
        "mean_passage_words": float(np.mean([len(row.context.split()) for row in rows])),
        "mean_answer_words": float(np.mean(answered)) if answered else 0.0,
        "mean_answer_position": float(np.mean(places)) if places else 0.0,
        "question_overlap": float(np.mean([_overlap(row) for row in rows])),
    }


def _overlap(row: _Row) -> float:
    """Return the share of the question's words that stand in the passage."""
    words = WORD.findall(row.question.lower())
    known = set(WORD.findall(row.context.lower()))
    return sum(word in known for word in words) / len(words) if words else 0.0
