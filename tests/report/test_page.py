from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.report.samples import explained_trials
from tests.report.samples import record
from tests.report.samples import search_result
from tests.report.samples import trials
from xautolm_core.records.energy import EnergyReading
from xautolm_core.records.outcome import Outcome
from xautolm_core.report.outcome_colours import OUTCOME_COLOURS
from xautolm_core.report.page import SHOWN_TRIALS
from xautolm_core.report.page import report_page
from xautolm_core.search.contract import Objective
from xautolm_core.search.contract import WarmStartReport
from xautolm_core.search.explanation import NearTask
from xautolm_core.search.explanation import TrialExplanation

_VOID = {"meta", "link", "br", "img", "hr", "input"}


class _Checker(HTMLParser):
    """Checks that tags nest, and collects links and ids."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name in {"href", "src", "action"}:
                self.links.append(value or "")
            if name == "id":
                self.ids.append(value or "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag


def _checked(page: str) -> _Checker:
    checker = _Checker()
    checker.feed(page)
    assert checker.open == []
    return checker


def test_it_is_well_formed_and_refers_to_nothing_outside(tmp_path: Path) -> None:
    page = report_page(search_result(tmp_path))
    checker = _checked(page)
    assert len(checker.ids) == len(set(checker.ids))
    inside = {f"#{identifier}" for identifier in checker.ids}
    assert [link for link in checker.links if link not in inside] == ["data:,"]
    assert not re.search(r"url\(|@import|<script", page)


def test_warnings_of_the_data_stand_once_and_before_the_scores(tmp_path: Path) -> None:
    page = report_page(search_result(tmp_path, warnings=("12 rows of test also stand in train",)))
    assert page.count("12 rows of test also stand in train") == 1
    assert page.index("12 rows of test also stand in train") < page.index("Macro F1 on test")
    assert page.index("Macro F1 on test") < page.index("3 experiences of another")


def test_without_warnings_of_the_data_there_is_no_box_of_them(tmp_path: Path) -> None:
    assert "scores may mislead" not in report_page(search_result(tmp_path, warnings=()))


def test_it_shows_what_it_must(tmp_path: Path) -> None:
    page = report_page(search_result(tmp_path))
    for part in (
        "Fine-tuning was worth it.",
        "37 experiences applied, 4 mapped from another space, 3 dropped",
        "0.214",
        "docstrings-a",
        "memory limit of 2.0 GiB reached",
        "12 rows of test also stand in train",
        "Confusion matrix",
        "xautolm search --resume",
        "torch 2.13.0",
        "Of the budget",
        "not pretrained",
        "Best cheap candidate",
        "linear probe on all-MiniLM-L6-v2, with TF-IDF",
        "What each candidate added",
    ):
        assert part in page


def test_texts_from_outside_are_escaped(tmp_path: Path) -> None:
    page = report_page(search_result(tmp_path, task_name="<img src=x onerror=alert(1)>"))
    assert "<img" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "science &amp; &lt;technology&gt;" in page
    _checked(page)


def test_untrained_architectures_are_labelled_wherever_they_stand(tmp_path: Path) -> None:
    records = [record(0, f1=0.6, train_seconds=3.0, model="untrained/tiny-bert", on_front=True)]
    page = report_page(search_result(tmp_path, records=records, best=0))
    # Tile, front table, chosen model, test section, trials table.
    assert page.count('<span class="badge">not pretrained</span>') >= 5
    assert "(not pretrained)</title>" in page


@pytest.mark.parametrize("best", [0, 1])
def test_a_cheap_winner_reads_well(tmp_path: Path, best: int) -> None:
    page = report_page(search_result(tmp_path, best=best, test_f1=0.80, other_f1=0.79))
    _checked(page)
    section = page[page.index('id="model"') : page.index('id="test"')]
    assert ("TF-IDF, logistic regression." if best == 0 else "linear probe on") in section
    assert "No weights of a language model were trained" in section
    for absent in ("None", "fine-tuned by", "optimiser steps"):
        assert absent not in section


def test_pauses_before_a_resume_are_told(tmp_path: Path) -> None:
    result = replace(search_result(tmp_path), seconds=200.0)
    assert "before the search was resumed are left out" in report_page(result)
    assert "before the search was resumed" not in report_page(search_result(tmp_path))


@pytest.mark.parametrize("kind", ["nothing", "failures", "interrupted"])
def test_it_stands_with_little_in_it(tmp_path: Path, kind: str) -> None:
    records = [] if kind == "nothing" else [r for r in trials() if r.number in (3, 6, 7)]
    result = replace(
        search_result(tmp_path, records=records, best=None, other_f1=None),
        warm_start=WarmStartReport(),
        phase_seconds={},
        task={"name": "x"},
        stopped_by="interrupted",
    )
    page = report_page(result)
    _checked(page)
    assert "The search started without history." in page


def test_latency_gets_a_plot_of_its_own(tmp_path: Path) -> None:
    objectives = (Objective.F1, Objective.TIME, Objective.LATENCY)
    records = [record(0, f1=0.9, train_seconds=9.0, on_front=True, latency_ms=4.2)]
    page = report_page(search_result(tmp_path, records=records, best=0, objectives=objectives))
    assert page.count('<svg viewBox="0 0 960') == 3
    assert "ms a text" in page
    assert len(_checked(page).ids) == len(set(_checked(page).ids))


def test_energy_gets_a_plot_and_a_column_of_its_own(tmp_path: Path) -> None:
    objectives = (Objective.F1, Objective.ENERGY)
    one = record(0, f1=0.9, train_seconds=9.0, on_front=True)
    energy = (EnergyReading(component="cpu", joules=2_500, source="rapl", quality="A"),)
    one = replace(one, result=one.result.model_copy(update={"energy": energy}))
    page = report_page(search_result(tmp_path, records=[one], best=0, objectives=objectives))
    assert page.count('<svg viewBox="0 0 960') == 3
    assert "2.5 kJ (class A, rapl)" in page and "ms a text" not in page
    assert len(_checked(page).ids) == len(set(_checked(page).ids))


def test_of_very_many_trials_the_best_are_shown(tmp_path: Path) -> None:
    records = [record(n, f1=n / 1000, train_seconds=1.0) for n in range(SHOWN_TRIALS + 50)]
    page = report_page(search_result(tmp_path, records=records, best=SHOWN_TRIALS + 49))
    assert f"The best {SHOWN_TRIALS} are shown" in page
    table = page[page.index('id="trials"') :]
    assert ">#49<" not in table
    assert ">#50<" in table


def test_many_classes_get_no_matrix(tmp_path: Path) -> None:
    page = report_page(search_result(tmp_path, labels=tuple(f"class {n}" for n in range(30))))
    assert "Confusion matrix" not in page
    assert "Most frequent confusions" in page


def test_every_outcome_has_a_colour_of_its_own() -> None:
    assert set(OUTCOME_COLOURS) == set(Outcome)
    assert len(set(OUTCOME_COLOURS.values())) == len(Outcome)


def test_it_says_what_was_expected_of_a_trial_and_what_came_out(tmp_path: Path) -> None:
    task = "<b>a task</b> of a very long name " * 4
    records = explained_trials((task, "docstrings-b"))
    page = report_page(search_result(tmp_path, records=records))
    _checked(page)
    section = page[page.index('id="why"') : page.index('id="trials"')]
    for part in (
        "macro F1 2 of 4, time 1 of 4",
        "0.8500 to 0.9100",
        "30.0 s to 51.0 s",
        "48.6 s",
        "3.4 %",
        "expected: out of memory 1.5 %, past its time limit 2.0 %, training diverged 0 %",
        "macro F1: history as the mean 75 %, without history 25 %",
        "docstrings-b (weight 0.25, 21 trials)",
        "&lt;b&gt;a task",
    ):
        assert part in section, part
    assert "None" not in section and "nan" not in section


def test_what_is_not_known_of_trials_is_not_shown(tmp_path: Path) -> None:
    assert "Why these trials" not in report_page(search_result(tmp_path))
    leaning = TrialExplanation(nearest_tasks=(NearTask(name="past", weight=0.5, trials=3),))
    records = [replace(one, explanation=leaning) for one in trials()]
    page = report_page(search_result(tmp_path, records=records))
    section = page[page.index('id="why"') : page.index('id="trials"')]
    assert "past (weight 0.50, 3 trials)" in section
    for absent in ("Expected", "Measured", "Failure</th>", "None", "in their interval:"):
        assert absent not in section
