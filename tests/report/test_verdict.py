from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from tests.report.samples import record
from tests.report.samples import search_result
from tests.report.samples import trials
from xautolm_core.records.attempt import TrialProgress
from xautolm_core.records.outcome import Outcome
from xautolm_core.report.verdict import verdict


@pytest.mark.parametrize("best", [4, 1])
@pytest.mark.parametrize(
    ("language_model", "cheap", "kind"),
    [
        (0.8790, 0.8004, "worth"),
        (0.8100, 0.8004, "unclear"),
        (0.8004, 0.8004, "unclear"),
        (0.7000, 0.8004, "not_worth"),
        (0.8790, None, "unknown"),
    ],
)
def test_the_interval_decides_whichever_kind_was_chosen(
    tmp_path: Path, best: int, language_model: float, cheap: float | None, kind: str
) -> None:
    scores = {"test_f1": language_model, "other_f1": cheap}
    if best == 1 and cheap is not None:
        scores = {"test_f1": cheap, "other_f1": language_model}
    assert verdict(search_result(tmp_path, best=best, **scores)).kind == kind


def test_the_explanation_gives_scores_gain_trials_and_times(tmp_path: Path) -> None:
    words = verdict(search_result(tmp_path)).explanation
    for part in (
        "On 2000 test rows",
        "trial 4: all-MiniLM-L6-v2 full",
        "macro F1 of 0.8790",
        "trial 1: linear probe on all-MiniLM-L6-v2, with TF-IDF) 0.8004",
        "+7.9 points, with a 95 % interval from +5.9 to +9.8",
        "48.6 s and 3.4 s, the whole search 9 min 58 s",
        "Trial 4 was chosen on validation (0.8877 against 0.8213)",
    ):
        assert part in words, part
    assert "less certain" not in words


def test_it_tells_that_the_cheap_one_was_chosen(tmp_path: Path) -> None:
    found = verdict(search_result(tmp_path, best=1, test_f1=0.8004, other_f1=0.7000))
    assert found.headline == "Fine-tuning was not worth it"
    assert "−10.0 points, with a 95 % interval from −12.0 to −8.1" in found.explanation
    assert "Trial 1 was chosen" in found.explanation


@pytest.mark.parametrize(
    ("rare", "headline"),
    [
        ({"sports": 4}, "Too few rows of class sports to tell"),
        (
            {"world": 9, "sports": 4, "business": 7},
            "Too few rows of class sports and of 2 more to tell",
        ),
        ({}, "Fine-tuning made no clear difference"),
    ],
)
def test_rare_classes_leave_an_unclear_gain_open(
    tmp_path: Path, rare: Mapping[str, int], headline: str
) -> None:
    unclear = search_result(tmp_path, test_f1=0.81, rare_classes=rare)
    assert verdict(unclear).headline == headline
    clear = verdict(search_result(tmp_path, rare_classes=rare))
    assert clear.headline == "Fine-tuning was worth it"
    assert ("few test rows of sports (4)" in clear.explanation) == bool(rare)


def test_a_kind_without_a_score_is_named_with_the_reason(tmp_path: Path) -> None:
    cheap_alone = [r for r in trials() if r.number in (0, 1, 3, 6)]
    found = verdict(search_result(tmp_path, records=cheap_alone, best=1))
    assert (found.kind, found.headline) == ("unknown", "No language model has a score")
    assert "2 trials of that kind ended without a model (1 oom_host, 1 tim" in found.explanation
    assert "The best cheap candidate is trial 1" in found.explanation
    refused = record(9, method="tfidf", outcome=Outcome.OOM_HOST)
    found = verdict(search_result(tmp_path, records=[trials()[4], refused]))
    assert found.headline == "No cheap candidate has a score"
    assert "1 trial of that kind" in found.explanation
    assert "None was tried" in verdict(search_result(tmp_path, records=[trials()[4]])).explanation


def test_without_a_model_there_is_nothing_to_judge(tmp_path: Path) -> None:
    assert verdict(search_result(tmp_path, records=[], best=None)).kind == "unknown"


def test_without_a_test_both_validation_scores_are_told(tmp_path: Path) -> None:
    found = verdict(replace(search_result(tmp_path), test=None))
    assert found.kind == "unknown"
    for part in ("was not evaluated", "0.8877", "0.8213"):
        assert part in found.explanation


def test_a_trial_that_was_cut_short_is_no_last_word(tmp_path: Path) -> None:
    records = [
        replace(
            r,
            result=r.result.model_copy(
                update={"progress": TrialProgress(steps=2, planned_steps=250)}
            ),
        )
        for r in trials()
    ]
    words = verdict(search_result(tmp_path, records=records)).explanation
    assert "only 2 of 250 planned steps" in words
    assert "planned" not in verdict(search_result(tmp_path)).explanation
