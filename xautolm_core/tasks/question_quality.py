"""What makes the scores of a question answering task hard to believe."""

from __future__ import annotations

from collections.abc import Mapping

from xautolm_core.tasks.across_splits import rows_in_two_splits
from xautolm_core.tasks.across_splits import rows_with_two_answers
from xautolm_core.tasks.answer_scores import normalized_answer
from xautolm_core.tasks.quality import text_numbers
from xautolm_core.tasks.question_rows import QuestionRows
from xautolm_core.tasks.task import Finding
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
        *rows_in_two_splits(splits, questions, "questions_in_two_splits", "questions stand"),
        *rows_in_two_splits(
            splits, passages, "passages_in_two_splits", "questions are on a passage that stands"
        ),
        *rows_with_two_answers(
            splits,
            questions,
            {name: _main_answers(part) for name, part in splits.items()},
            "questions_with_two_answers",
            one="question",
            where=" on the same passage",
        ),
    )


def _main_answers(part: QuestionRows) -> list[str]:
    """Return what stands for each row: annotators of one question differ in the other answers."""
    return [
        normalized_answer(accepted[0]) if accepted else ""
        for accepted in part.rows.answers.to_pylist()
    ]
