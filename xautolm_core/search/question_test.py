"""The final test of question answering: answers to the test rows, compared by F1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from xautolm_core.search.final_test_kinds import TestedModel
from xautolm_core.search.row_scores import compare_means
from xautolm_core.search.row_scores import right_and_wrong_rows
from xautolm_core.search.test_report import AnsweredQuestion
from xautolm_core.search.test_report import QuestionTestReport
from xautolm_core.tasks.answer_scores import AnswerScores
from xautolm_core.tasks.answer_scores import answer_scores
from xautolm_core.trial.answers import TextAnswers

if TYPE_CHECKING:
    from xautolm_core.search.contract import TrialRecord
    from xautolm_core.search.test_report import ModelComparison
    from xautolm_core.tasks.questions import QuestionSplit
    from xautolm_core.tasks.questions import QuestionTask

_PASSAGE_CHARACTERS = 400
# Where no blank is as near as this, as in languages without them, a passage is cut anywhere.
_WORD_CHARACTERS = 40


class QuestionTest:
    """See ``FinalTestKind``."""

    def tested_rows(self, task: QuestionTask, *, budget_seconds: float | None = None) -> int:
        """Return the number of rows: all of them."""
        return len(task.test)

    def read(self, document: bytes, task: QuestionTask) -> TestedModel:
        """Score the answers that a model gave to the test split."""
        answers = TextAnswers.model_validate_json(document)
        if len(answers.texts) != len(task.test):
            raise ValueError("its answers do not belong to the rows")
        accepted = task.test.answers.to_pylist()
        scores = answer_scores(answers.texts, accepted)
        report = question_report(task.test, answers.texts, scores, seconds=answers.seconds)
        return TestedModel(report, scores.f1_of_row)

    def compare(
        self,
        trials: tuple[TrialRecord, TrialRecord],
        models: tuple[TestedModel, TestedModel],
        task: QuestionTask,
        *,
        seed: int,
    ) -> ModelComparison:
        """Compare two models by F1, with an interval by a paired bootstrap over rows."""
        return compare_means(trials, models, seed=seed)


def question_report(
    split: QuestionSplit, answers: Sequence[str], scores: AnswerScores, *, seconds: float
) -> QuestionTestReport:
    """Return the report on a model's answers to a split.

    Args:
        split: The questions.
        answers: The answer to each; empty for none.
        scores: Of these answers.
        seconds: What answering took.
    """
    accepted = split.answers.to_pylist()
    is_answerable = np.array([bool(one) for one in accepted])
    f1 = scores.f1_of_row
    right, wrong = right_and_wrong_rows(f1, scores.exact_match_of_row)
    return QuestionTestReport(
        f1=scores.f1,
        exact_match=scores.exact_match,
        rows=len(answers),
        seconds=seconds,
        unanswerable_rows=int((~is_answerable).sum()),
        f1_answerable=_mean(f1[is_answerable]),
        f1_unanswerable=_mean(f1[~is_answerable]),
        unanswered_rows=sum(not answer for answer in answers),
        right=_examples(split, answers, f1, right),
        wrong=_examples(split, answers, f1, wrong),
    )


def _mean(values: np.ndarray) -> float | None:
    return float(values.mean()) if len(values) else None


def _examples(
    split: QuestionSplit, answers: Sequence[str], f1: np.ndarray, rows: np.ndarray
) -> tuple[AnsweredQuestion, ...]:
    """Return some rows with their answers."""
    return tuple(
        AnsweredQuestion(
            row=row + 1,
            question=split.questions[row].as_py(),
            passage=passage_around(
                split.contexts[row].as_py(), (answers[row], *split.answers[row].as_py())
            ),
            accepted=tuple(split.answers[row].as_py()),
            answer=answers[row],
            f1=float(f1[row]),
        )
        for row in rows.tolist()
    )


def passage_around(passage: str, answers: Sequence[str]) -> str:
    """Return what of a long passage stands around answers in it, cut between words."""
    if len(passage) <= _PASSAGE_CHARACTERS:
        return passage
    places = [passage.find(answer) for answer in answers if answer and answer in passage]
    begin = max(0, min(places, default=0) - _PASSAGE_CHARACTERS // 4)
    begin = min(begin, len(passage) - _PASSAGE_CHARACTERS)
    end = begin + _PASSAGE_CHARACTERS
    shown = passage[begin:end]
    if begin:
        shown = "… " + shown[shown.find(" ", 0, _WORD_CHARACTERS) + 1 :]
    if end >= len(passage):
        return shown
    blank = shown.rfind(" ", len(shown) - _WORD_CHARACTERS)
    return (shown if blank < 0 else shown[:blank]) + " …"


QUESTION_TEST = QuestionTest()
