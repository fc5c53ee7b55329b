"""The final test of text generation: what is written after a sample of prompts, compared by F1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from xautolm_core.search.final_test_kinds import TestedModel
from xautolm_core.search.plan import most_generated_rows
from xautolm_core.search.row_scores import compare_means
from xautolm_core.search.row_scores import mean_interval
from xautolm_core.search.row_scores import right_and_wrong_rows
from xautolm_core.search.test_report import GeneratedExample
from xautolm_core.search.test_report import GenerationTestReport
from xautolm_core.tasks.conversations import prompts
from xautolm_core.tasks.generation_scores import generation_scores
from xautolm_core.trial.answers import GeneratedAnswers
from xautolm_core.trial.rows import generated_rows

if TYPE_CHECKING:
    from xautolm_core.search.contract import TrialRecord
    from xautolm_core.search.test_report import ModelComparison
    from xautolm_core.tasks.conversations import GenerationTask

_INTERVAL_SEED = 0
_PROMPT_CHARACTERS = 400
_ANSWER_CHARACTERS = 300


class GenerationTest:
    """See ``FinalTestKind``."""

    def tested_rows(self, task: GenerationTask, *, budget_seconds: float | None = None) -> int:
        """Return the size of the sample."""
        return len(generated_rows(len(task.test), most_generated_rows(budget_seconds)))

    def read(self, document: bytes, task: GenerationTask) -> TestedModel:
        """Score what a model wrote after a sample of the test split's prompts."""
        answers = GeneratedAnswers.model_validate_json(document)
        # A search of a short budget has fewer answered.
        rows = generated_rows(len(task.test), max(len(answers.rows), 1))
        sizes = {len(answers.texts), len(answers.tokens), len(answers.cut)}
        if answers.rows != tuple(rows.tolist()) or sizes != {len(rows)}:
            raise ValueError("its answers do not belong to the rows")
        accepted: list[list[str]] = task.test.answers.take(rows).to_pylist()
        scores = generation_scores(answers.texts, accepted)
        low, high = mean_interval(scores.f1_of_row, seed=_INTERVAL_SEED)
        right, wrong = right_and_wrong_rows(scores.f1_of_row, scores.exact_match_of_row)
        asked: list[str] = prompts(task.test).take(rows).to_pylist()

        def examples(places: np.ndarray) -> tuple[GeneratedExample, ...]:
            return tuple(
                GeneratedExample(
                    row=answers.rows[place] + 1,
                    prompt=shortened(asked[place], _PROMPT_CHARACTERS),
                    accepted=_all_shortened(accepted[place]),
                    answer=shortened(answers.texts[place], _ANSWER_CHARACTERS),
                    f1=float(scores.f1_of_row[place]),
                    is_cut=answers.cut[place],
                )
                for place in places.tolist()
            )

        report = GenerationTestReport(
            f1=scores.f1,
            f1_low=low,
            f1_high=high,
            exact_match=scores.exact_match,
            rouge_l=scores.rouge_l,
            chrf=scores.chrf,
            drop_f1=scores.drop_f1,
            drop_exact_match=scores.drop_exact_match,
            rows=len(rows),
            sampled_of=len(task.test),
            seconds=answers.seconds,
            generated_tokens=sum(answers.tokens),
            cut_answers=sum(answers.cut),
            right=examples(right),
            wrong=examples(wrong),
        )
        return TestedModel(report, scores.f1_of_row)

    def compare(
        self,
        trials: tuple[TrialRecord, TrialRecord],
        models: tuple[TestedModel, TestedModel],
        task: GenerationTask,
        *,
        seed: int,
    ) -> ModelComparison:
        """Compare a tuned model with an untuned one by F1, with an interval by paired bootstrap."""
        return compare_means(trials, models, seed=seed)


def shortened(text: str, characters: int) -> str:
    """Return a text without its middle where it is long: a prompt asks at its ends.

    Args:
        text: The text.
        characters: Length of what is shown, about.
    """
    if len(text) <= characters:
        return text
    begin = characters // 3
    return f"{text[:begin].rstrip()} … {text[begin - characters :].lstrip()}"


def _all_shortened(texts: Sequence[str]) -> tuple[str, ...]:
    return tuple(shortened(text, _ANSWER_CHARACTERS) for text in texts)


GENERATION_TEST = GenerationTest()
