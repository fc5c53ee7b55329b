"""What makes the scores of a question answering task hard to believe."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping

import numpy as np

from xautolm_core.tasks.answer_scores import normalized_answer
from xautolm_core.tasks.quality import text_numbers
from xautolm_core.tasks.question_rows import QuestionRows
from xautolm_core.tasks.task import SPLIT_NAMES
from xautolm_core.tasks.task import Finding
from xautolm_core.tasks.task import FindingKind
from xautolm_core.tasks.task import SplitName


def find_question_faults(splits: Mapping[SplitName, QuestionRows]) -> tuple[Finding, ...]:
    """Find what makes the scores of a task hard to believe, the worst first.

    Args:
        splits: All three splits, as they are used.
    """
    questions = {
        name: text_numbers(part.rows.questions, part.rows.contexts) for name, part in splits.items()
    }
    passages = {name: text_numbers(part.rows.contexts, None) for name, part in splits.items()}
    return (
        *_in_two_splits(splits, questions, "questions_in_two_splits", "stand"),
        *_in_two_splits(splits, passages, "passages_in_two_splits", "are on a passage that stands"),
        *_with_two_answers(splits, questions),
    )


def _in_two_splits(
    splits: Mapping[SplitName, QuestionRows],
    numbers: Mapping[SplitName, np.ndarray],
    kind: FindingKind,
    words: str,
) -> Iterator[Finding]:
    """Count the rows of a split of which something stands in an earlier one as well."""
    for place, name in enumerate(SPLIT_NAMES):
        for earlier in SPLIT_NAMES[:place]:
            known = np.isin(numbers[name], numbers[earlier])
            count = int(known.sum())
            if count:
                both = [
                    (splits[earlier], np.isin(numbers[earlier], numbers[name])),
                    (splits[name], known),
                ]
                yield Finding(
                    kind,
                    count,
                    _rows(both),
                    f"{count:,} of {len(known):,} {name} questions {words} in {earlier}, too:"
                    f" scores on {name} will be too high",
                )


def _with_two_answers(
    splits: Mapping[SplitName, QuestionRows], questions: Mapping[SplitName, np.ndarray]
) -> Iterator[Finding]:
    """Count the rows whose question stands with another answer elsewhere, to the same passage."""
    answers: dict[int, set[str]] = {}
    for name, part in splits.items():
        for number, accepted in zip(
            questions[name].tolist(), part.rows.answers.to_pylist(), strict=True
        ):
            # The main answer stands for the row: annotators of one question differ in the others.
            main = normalized_answer(accepted[0]) if accepted else ""
            answers.setdefault(number, set()).add(main)
    torn = np.array([number for number, found in answers.items() if len(found) > 1], dtype="<u8")
    masks = [(part, np.isin(questions[name], torn)) for name, part in splits.items()]
    rows = sum(int(mask.sum()) for _, mask in masks)
    if rows:
        yield Finding(
            "questions_with_two_answers",
            rows,
            _rows(masks),
            f"{rows:,} rows ask {len(torn):,} questions of the same passage with different answers:"
            " give all accepted answers of a question in one row",
        )


def _rows(parts: list[tuple[QuestionRows, np.ndarray]]) -> dict[str, np.ndarray]:
    """Return the numbers of the rows that masks select, by source."""
    found: dict[str, list[np.ndarray]] = {}
    for part, mask in parts:
        if mask.any():
            found.setdefault(part.source, []).append(part.numbers[mask])
    return {source: np.sort(np.concatenate(numbers)) for source, numbers in found.items()}
