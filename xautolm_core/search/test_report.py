"""What the chosen model came to on the test split, by kind of task."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from functools import partial
from typing import Annotated
from typing import TypeAlias

from pydantic import Discriminator
from pydantic import Tag

from xautolm_core.records.scores import ClassificationScores
from xautolm_core.tasks.generation_scores import SCORE_NAMES

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


@dataclass(frozen=True)
class GeneratedExample:
    """A prompt of the test split with what the chosen model wrote after it.

    Attributes:
        row: Number of the row in the split, from 1.
        prompt: Its messages, by blank lines; shortened.
        accepted: Accepted answers; shortened.
        answer: What the model wrote; shortened.
        f1: What it adds to the score, in [0, 1].
        is_cut: Whether the answer was cut at the largest number of tokens.
    """

    row: int
    prompt: str
    accepted: Sequence[str]
    answer: str
    f1: float
    is_cut: bool = False


@dataclass(frozen=True)
class GenerationTestReport:
    """The one evaluation of the chosen model on the test split of a text generation task.

    Attributes:
        f1: Mean F1 over the words of answers and accepted ones, in [0, 1].
        f1_low: Lower end of its 95 % interval (bootstrap over rows).
        f1_high: Its upper end.
        exact_match: Share of the answers that are accepted ones, in [0, 1].
        rouge_l: Mean ROUGE-L F-measure, in [0, 1].
        chrf: chrF of all answers together, in [0, 1].
        drop_f1: Mean F1 by the rules of DROP, in [0, 1].
        drop_exact_match: Exact match by the rules of DROP, in [0, 1].
        rows: Rows that were answered.
        sampled_of: Rows of the split, of which these are all or a seeded sample.
        seconds: Of answering them.
        generated_tokens: Tokens that were written in these seconds.
        cut_answers: Answers that reached the largest number of tokens before their end.
        right: Some rows that were answered as accepted.
        wrong: Some that were not, the worst first.
        comparison: With the best model of the other kind; None if there is none.
    """

    __test__ = False

    f1: float
    f1_low: float
    f1_high: float
    exact_match: float
    rouge_l: float
    chrf: float
    drop_f1: float
    drop_exact_match: float
    rows: int
    sampled_of: int
    seconds: float
    generated_tokens: int
    cut_answers: int = 0
    right: Sequence[GeneratedExample] = ()
    wrong: Sequence[GeneratedExample] = ()
    comparison: ModelComparison | None = None

    @property
    def score(self) -> float:
        """The primary score."""
        return self.f1

    @property
    def named_scores(self) -> Mapping[str, float]:
        """Score name to score, the primary one first."""
        return {name: getattr(self, name) for name in SCORE_NAMES}

    @property
    def seconds_per_1000_tokens(self) -> float | None:
        """Seconds that writing 1,000 tokens took; None if none was written."""
        return 1000 * self.seconds / self.generated_tokens if self.generated_tokens else None

    def without_texts(self) -> GenerationTestReport:
        """Return it without texts of the task: without examples."""
        return replace(self, right=(), wrong=())


def _kind_of(report: object) -> str:
    """Return which report a document is, by the scores that it alone has."""
    has = report.__contains__ if isinstance(report, Mapping) else partial(hasattr, report)
    return next((name for name in ("macro_f1", "rouge_l") if has(name)), "f1")


AnyTestReport: TypeAlias = Annotated[
    Annotated[TestReport, Tag("macro_f1")]
    | Annotated[GenerationTestReport, Tag("rouge_l")]
    | Annotated[QuestionTestReport, Tag("f1")],
    Discriminator(_kind_of),
]
