"""Small question answering tasks."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from tests.trial.tiny import FILLERS
from tests.trial.tiny import TOPICS
from xautolm_core.tasks.questions import QuestionSplit
from xautolm_core.tasks.questions import QuestionTask
from xautolm_core.tasks.spec import TaskType
from xautolm_core.tasks.task import SPLIT_NAMES
from xautolm_core.tasks.task import Task

KINDS = ("sport", "money", "space")


def question_split(rows: list[tuple[str, str, list[str]]]) -> QuestionSplit:
    """Return a split of rows of question, passage and accepted answers."""

    def column(values: list, kind: pa.DataType) -> pa.ChunkedArray:
        return pa.chunked_array([pa.array(values, type=kind)])

    text = pa.large_string()
    starts = [[context.find(answer) for answer in answers] for _, context, answers in rows]
    return QuestionSplit(
        questions=column([row[0] for row in rows], text),
        contexts=column([row[1] for row in rows], text),
        answers=column([row[2] for row in rows], pa.list_(text)),
        starts=column(starts, pa.list_(pa.int64())),
    )


def make_rows(
    rows: int, seed: int, *, unanswerable: float = 0.0, length: int = 14
) -> list[tuple[str, str, list[str]]]:
    """Return questions for the word of a topic among the words of other topics."""
    generator = np.random.default_rng(seed)
    found = []
    for _ in range(rows):
        words = [str(word) for word in generator.choice(FILLERS, size=length)]
        places = generator.choice(length, size=2, replace=False)
        kind, other = generator.choice(3, size=2, replace=False)
        answer = str(generator.choice(TOPICS[kind]))
        words[places[0]], words[places[1]] = answer, str(generator.choice(TOPICS[other]))
        missing = generator.random() < unanswerable
        if missing:
            kind = 3 - kind - other
        found.append((f"which {KINDS[kind]}", " ".join(words), [] if missing else [answer]))
    return found


def make_questions(
    rows: int = 96, *, unanswerable: float = 0.0, length: int = 14, seed: int = 0
) -> QuestionTask:
    sizes = {"train": rows, "validation": 48, "test": 48}
    return Task(
        name="topics",
        type=TaskType.QUESTION_ANSWERING,
        fingerprint=f"{rows:04d}{seed:04d}{length:04d}{int(100 * unanswerable):04d}".ljust(64, "0"),
        labels=(),
        splits={
            name: question_split(
                make_rows(sizes[name], seed + i, unanswerable=unanswerable, length=length)
            )
            for i, name in enumerate(SPLIT_NAMES)
        },
    )
