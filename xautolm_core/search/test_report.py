"""What the chosen model came to on the test split, by kind of task."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from typing import TypeAlias

from xautolm_core.records.scores import ClassificationScores

INTERVAL_LEVEL = 0.95
"""Of the interval of a gain."""


@dataclass(frozen=True)
class ModelComparison:
    """The best language model beside the best cheap candidate, on the same test rows.

    Both were chosen on validation. The gain is that of the language model.

    Attributes:
        language_model: Number of its trial.
        cheap: Number of the cheap candidate's trial.
        language_model_score: Primary score on the test split, in [0, 1].
        cheap_score: Likewise.
        low: Lower end of the gain's 95 % interval (paired bootstrap over the test rows).
        high: Its upper end.
        rare_classes: Class name to test rows, of classes with too few of them for an interval that
            can be trusted.
    """

    language_model: int
    cheap: int
    language_model_score: float
    cheap_score: float
    low: float
    high: float
    rare_classes: Mapping[str, int] = field(default_factory=dict)

    @property
    def gain(self) -> float:
        """Score of the language model minus that of the cheap candidate."""
        return self.language_model_score - self.cheap_score


@dataclass(frozen=True)
class TestReport(ClassificationScores):
    """The one evaluation of the chosen model on the test split of a classification task.

    Attributes:
        rows: Rows of the split.
        seconds: Of answering them.
        comparison: With the best model of the other kind; None if there is none.
    """

    __test__ = False

    rows: int
    seconds: float
    comparison: ModelComparison | None = None

    @property
    def score(self) -> float:
        """The primary score."""
        return self.macro_f1

    @property
    def named_scores(self) -> Mapping[str, float]:
        """Score name to score, the primary one first."""
        return {"macro_f1": self.macro_f1, "accuracy": self.accuracy}

    def without_texts(self) -> TestReport:
        """Return it without texts of the task: it has none."""
        return self


@dataclass(frozen=True)
class AnsweredQuestion:
    """A question of the test split with the chosen model's answer.

    Attributes:
        row: Number of the row in the split, from 1.
        question: The question.
        passage: What of its passage stands around the answers.
        accepted: Accepted answers; empty if the passage does not answer it.
        answer: The model's answer; empty for none.
        f1: What it adds to the score, in [0, 1].
    """

    row: int
    question: str
    passage: str
    accepted: Sequence[str]
    answer: str
    f1: float


@dataclass(frozen=True)
class QuestionTestReport:
    """The one evaluation of the chosen model on the test split of a question answering task.

    Attributes:
        f1: Mean F1 over the words of answers and accepted ones, in [0, 1].
        exact_match: Share of the answers that are accepted ones, in [0, 1].
        rows: Rows of the split.
        seconds: Of answering them.
        unanswerable_rows: Rows whose passage does not answer the question.
        f1_answerable: F1 over the other rows; None without any.
        f1_unanswerable: Share of these rows that were left unanswered; None without any.
        unanswered_rows: Rows that the model left unanswered.
        right: Some rows that were answered as accepted.
        wrong: Some that were not, the worst first.
        comparison: With the best model of the other kind; None if there is none.
    """

    __test__ = False

    f1: float
    exact_match: float
    rows: int
    seconds: float
    unanswerable_rows: int = 0
    f1_answerable: float | None = None
    f1_unanswerable: float | None = None
    unanswered_rows: int = 0
    right: Sequence[AnsweredQuestion] = ()
    wrong: Sequence[AnsweredQuestion] = ()
    comparison: ModelComparison | None = None

    @property
    def score(self) -> float:
        """The primary score."""
        return self.f1

    @property
    def named_scores(self) -> Mapping[str, float]:
        """Score name to score, the primary one first."""
        return {"f1": self.f1, "exact_match": self.exact_match}

    def without_texts(self) -> QuestionTestReport:
        """Return it without texts of the task: without examples."""
        return replace(self, right=(), wrong=())


AnyTestReport: TypeAlias = TestReport | QuestionTestReport
