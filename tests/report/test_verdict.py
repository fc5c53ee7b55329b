from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.report.samples import search_result
from tests.report.samples import trials
from xautolm_core.report.verdict import verdict
from xautolm_core.trial.contract import Progress


@pytest.mark.parametrize(
    ("model", "baseline", "kind"),
    [
        (0.8790, 0.8004, "worth"),
        (0.8100, 0.8004, "unclear"),
        (0.8004, 0.8004, "unclear"),
        (0.7000, 0.8004, "not_worth"),
        (0.8790, None, "unknown"),
    ],
)
def test_the_gap_is_judged_against_chance(
    tmp_path: Path, model: float, baseline: float | None, kind: str
) -> None:
    assert verdict(search_result(tmp_path, test_f1=model, baseline_f1=baseline)).kind == kind


def test_the_explanation_gives_scores_gap_and_cost(tmp_path: Path) -> None:
    words = verdict(search_result(tmp_path)).explanation
    for part in ("0.8790", "0.8004", "7.9 points more", "2000 test rows", "48.6 s", "9 min 58 s"):
        assert part in words
    # Two standard errors of the difference of two accuracies of .841 on 2,000 rows each:
    # 2 * sqrt(2 * .841 * .159 / 2000) = .0231.
    assert "±2.3" in words


def test_without_a_model_there_is_nothing_to_judge(tmp_path: Path) -> None:
    assert verdict(search_result(tmp_path, records=[], best=None)).kind == "unknown"


def test_a_trial_that_was_cut_short_is_no_last_word(tmp_path: Path) -> None:
    records = [
        replace(
            r, result=r.result.model_copy(update={"progress": Progress(steps=2, planned_steps=250)})
        )
        for r in trials()
    ]
    words = verdict(search_result(tmp_path, records=records)).explanation
    assert "only 2 of 250 planned steps" in words
    assert "planned" not in verdict(search_result(tmp_path)).explanation
