"""What a report says of text generation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from markupsafe import Markup

from xautolm_core.report.task_parts import exact_match_tile
from xautolm_core.report.task_parts import rendered_part
from xautolm_core.report.task_parts import shares_of_longer
from xautolm_core.search.test_report import GenerationTestReport

if TYPE_CHECKING:
    from xautolm_core.search.contract import SearchResult

SHOWN_LENGTHS = (128, 256, 512, 1024)
"""Tokens of prompt and answer together above which rows are counted."""


class _GenerationParts:
    """See ``ReportParts``."""

    model_noun = "a model that writes texts"
    tag = "text-generation"
    tag_words = "Text generation"
    metrics: Mapping[str, tuple[str, str]] = {
        "f1": ("f1", "F1"),
        "exact_match": ("exact_match", "Exact match"),
        "rouge_l": ("rouge", "ROUGE-L"),
        "chrf": ("chrf", "chrF"),
        "drop_f1": ("f1", "DROP F1"),
        "drop_exact_match": ("exact_match", "DROP exact match"),
    }
    predict_words = "Write texts"
    predict_options = "--prompt 'A prompt'"
    card_template = "card_generation.md.j2"

    def tile(self, result: SearchResult) -> tuple[str, float | None, str]:
        """Return the share of exact matches on test."""
        return exact_match_tile(result)

    def data_words(self, result: SearchResult) -> str:
        """Say how many rows are longer than what a model may read in training."""
        shares = shares_of_longer(result, SHOWN_LENGTHS)
        if not shares:
            return ""
        return (
            f"Of the training prompts with their answers, {shares} tokens are long: of"
            " what is longer than a model's input the beginning of the prompt is left out."
        )

    def test_section(self, result: SearchResult) -> Markup:
        """Return scores, what answering took, and examples."""
        assert isinstance(result.test, GenerationTestReport)
        return rendered_part("report_generation.html.j2", test=result.test, metrics=self.metrics)


GENERATION_PARTS = _GenerationParts()
