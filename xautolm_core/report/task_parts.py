"""What a report says that depends on the kind of task, found by name.

A package that offers a kind of task (``xautolm.task_types``) offers these words and the part of the
page about the test split under the same name, through the entry point group
``xautolm.task_reports``.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Any
from typing import Protocol

from markupsafe import Markup

from xautolm_core.plugins import Registry
from xautolm_core.report.confusion import confusion_view
from xautolm_core.report.templating import template_environment
from xautolm_core.search.test_report import QuestionTestReport
from xautolm_core.search.test_report import TestReport
from xautolm_core.tasks.spec import TaskType

if TYPE_CHECKING:
    from xautolm_core.search.contract import SearchResult

TASK_REPORTS = Registry(
    "xautolm.task_reports",
    "report of a task type",
    {
        TaskType.TEXT_CLASSIFICATION: "xautolm_core.report.task_parts:CLASS_PARTS",
        TaskType.QUESTION_ANSWERING: "xautolm_core.report.task_parts:QUESTION_PARTS",
        TaskType.TEXT_GENERATION: "xautolm_core.report.generation_parts:GENERATION_PARTS",
    },
)


_LABEL_CHARACTERS = 65


class ReportParts(Protocol):
    """What a report says of one kind of task.

    Attributes:
        model_noun: What the chosen model is, with its article.
        tag: Task of the Hugging Face hub.
        metrics: Score name to its type on the hub and its words, in the order of the model card.
        predict_words: What the predict command does.
        predict_options: Its options, for an example.
        card_template: Template of the model card's parts: the use and the limits.
    """

    model_noun: str
    tag: str
    tag_words: str
    metrics: Mapping[str, tuple[str, str]]
    predict_words: str
    predict_options: str
    card_template: str

    def tile(self, result: SearchResult) -> tuple[str, float | None, str]:
        """Return title, score and small print of the second number at the head of the report."""

    def data_words(self, result: SearchResult) -> str:
        """Return a sentence on the data beside the numbers of rows."""

    def test_section(self, result: SearchResult) -> Markup:
        """Return the HTML of what the test split said, below its heading; there is a report."""


class _ClassParts:
    """See ``ReportParts``."""

    model_noun = "a text classifier"
    tag = "text-classification"
    tag_words = "Text classification"
    metrics: Mapping[str, tuple[str, str]] = {
        "macro_f1": ("f1", "Macro F1"),
        "accuracy": ("accuracy", "Accuracy"),
    }
    predict_words = "Classify texts"
    predict_options = "--text 'A text to classify'"
    card_template = "card_classes.md.j2"

    def tile(self, result: SearchResult) -> tuple[str, float | None, str]:
        """Return the accuracy on test."""
        accuracy = None if result.test is None else result.test.named_scores["accuracy"]
        return "Accuracy on test", accuracy, f"{len(result.task.get('labels') or ())} classes"

    def data_words(self, result: SearchResult) -> str:
        """Name the classes."""
        labels = list(result.task.get("labels") or ())
        shown = [one if len(one) <= _LABEL_CHARACTERS else f"{one[:59]}…" for one in labels[:40]]
        return f"Classes: {', '.join(shown)}{', …' if len(labels) > 40 else ''}."

    def test_section(self, result: SearchResult) -> Markup:
        """Return scores per class and what was taken for what."""
        assert isinstance(result.test, TestReport)
        return rendered_part(
            "report_classes.html.j2", test=result.test, confusion=confusion_view(result.test)
        )


class _QuestionParts:
    """See ``ReportParts``."""

    model_noun = "a model that answers questions on a passage"
    tag = "question-answering"
    tag_words = "Question answering"
    metrics: Mapping[str, tuple[str, str]] = {
        "f1": ("f1", "F1"),
        "exact_match": ("exact_match", "Exact match"),
    }
    predict_words = "Answer questions"
    predict_options = "--question 'Who wrote it?' --context 'Ada wrote it.'"
    card_template = "card_questions.md.j2"

    def tile(self, result: SearchResult) -> tuple[str, float | None, str]:
        """Return the share of exact matches on test."""
        return exact_match_tile(result)

    def data_words(self, result: SearchResult) -> str:
        """Say how much of the passages is longer than what a model reads at once."""
        shares = shares_of_longer(result, (128, 256, 512))
        if not shares:
            return ""
        return (
            f"Of the training questions with their passages, {shares} tokens are long:"
            " a language model reads what is longer than its input in overlapping windows."
        )

    def test_section(self, result: SearchResult) -> Markup:
        """Return scores by kind of question, and examples."""
        assert isinstance(result.test, QuestionTestReport)
        return rendered_part("report_questions.html.j2", test=result.test)


CLASS_PARTS = _ClassParts()
QUESTION_PARTS = _QuestionParts()


def report_parts(result: SearchResult) -> ReportParts:
    """Return what a report says of the kind of task of a search.

    Raises:
        ConfigError: There is no such kind, or its package is broken.
    """
    parts: ReportParts = TASK_REPORTS.load(result.task_type)
    return parts


def exact_match_tile(result: SearchResult) -> tuple[str, float | None, str]:
    """Return the share of exact matches on test, as ``ReportParts.tile`` does."""
    exact = None if result.test is None else result.test.named_scores["exact_match"]
    return "Exact match on test", exact, "share of answers that are accepted word for word"


def shares_of_longer(result: SearchResult, lengths: Sequence[int]) -> str:
    """Say which shares of the training rows are longer than some numbers of tokens.

    Args:
        result: The search.
        lengths: The numbers.

    Returns:
        The shares in words; nothing if none was measured.
    """
    shares = (result.task_features.get(f"truncation_rate_{length}") for length in lengths)
    return ", ".join(
        f"{share:.0%} more than {length}"
        for length, share in zip(lengths, shares, strict=True)
        if share is not None
    )


def rendered_part(template: str, **context: Any) -> Markup:
    """Return a template of the report filled in, as HTML that is not escaped again."""
    return Markup(template_environment(escape_html=True).get_template(template).render(context))  # noqa: S704 - rendered with escapes
