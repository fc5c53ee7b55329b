"""A small task of text generation, whatever format it might have come in."""

from __future__ import annotations

import pyarrow as pa

from xautolm_core.tasks.conversations import GenerationSplit
from xautolm_core.tasks.conversations import GenerationTask
from xautolm_core.tasks.spec import TaskType
from xautolm_core.tasks.task import Task

MESSAGE = pa.struct([("role", pa.large_string()), ("content", pa.large_string())])


def generation_split(rows: list[tuple[str, list[str]]]) -> GenerationSplit:
    """Return a split of prompts with their accepted answers."""
    messages = [[{"role": "user", "content": prompt}] for prompt, _ in rows]
    return GenerationSplit(
        messages=pa.chunked_array([pa.array(messages, pa.list_(MESSAGE))]),
        answers=pa.chunked_array(
            [pa.array([answers for _, answers in rows], pa.list_(pa.large_string()))]
        ),
    )


def generation_task(rows: int = 40, *, test_rows: int = 12) -> GenerationTask:
    """Return a task that asks for the word that a prompt names."""

    def split(count: int, begin: int) -> GenerationSplit:
        return generation_split(
            [(f"Write word{n}.", [f"word{n}", f"the word{n}"]) for n in range(begin, begin + count)]
        )

    return Task(
        name="words",
        type=TaskType.TEXT_GENERATION,
        fingerprint="f" * 64,
        labels=(),
        splits={
            "train": split(rows, 0),
            "validation": split(10, 1_000),
            "test": split(test_rows, 2_000),
        },
    )
