"""Small text generation tasks, which models learn within seconds."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from xautolm_core.tasks.conversations import GenerationSplit
from xautolm_core.tasks.conversations import GenerationTask
from xautolm_core.tasks.spec import TaskType
from xautolm_core.tasks.task import SPLIT_NAMES
from xautolm_core.tasks.task import Task

Row = tuple[Sequence[dict[str, str]], Sequence[str]]
"""The messages before an answer, and the accepted answers."""

WORDS = ("ant", "bee", "cat", "dog", "elk", "fox", "gnu", "hen")


def generation_split(rows: Sequence[Row]) -> GenerationSplit:
    """Return a split of rows."""
    text = pa.large_string()
    message = pa.struct([("role", text), ("content", text)])
    return GenerationSplit(
        messages=pa.chunked_array([pa.array([list(row[0]) for row in rows], pa.list_(message))]),
        answers=pa.chunked_array([pa.array([list(row[1]) for row in rows], pa.list_(text))]),
    )


def asked(prompt: str, *answers: str) -> Row:
    """Return a row of a plain prompt."""
    return [{"role": "user", "content": prompt}], answers


def copied(words: Sequence[str]) -> str:
    return " ".join(words)


def reversed_(words: Sequence[str]) -> str:
    return " ".join(reversed(words))


def make_conversations(
    rows: int = 96,
    answer: Callable[[Sequence[str]], str] = copied,
    *,
    length: int = 3,
    held_out: int = 48,
) -> GenerationTask:
    """Return a task of words whose answer is a function of them; no prompt occurs twice."""
    every = list(itertools.product(WORDS, repeat=length))
    order = iter(np.random.default_rng(0).permutation(len(every)))
    sizes = {"train": rows, "validation": held_out, "test": held_out}

    def split(size: int) -> GenerationSplit:
        drawn = [every[next(order)] for _ in range(size)]
        return generation_split([asked(" ".join(words), answer(words)) for words in drawn])

    name = f"{answer.__name__}-{rows}-{length}-{held_out}"
    return Task(
        name="words",
        type=TaskType.TEXT_GENERATION,
        fingerprint=hashlib.sha256(name.encode()).hexdigest(),
        labels=(),
        splits={split_name: split(sizes[split_name]) for split_name in SPLIT_NAMES},
    )
