from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from tests.report.samples import record
from tests.report.samples import search_result
from tests.report.samples import trials
from xautolm_core.cli.summary import print_summary
from xautolm_core.progress.line_view import LineView
from xautolm_core.progress.line_view import QuietView
from xautolm_core.progress.live_view import LiveView
from xautolm_core.progress.state import SearchProgress
from xautolm_core.progress.state import outcome_counts
from xautolm_core.progress.state import time_left_words
from xautolm_core.records.outcome import Outcome
from xautolm_core.search.contract import SearchObserver
from xautolm_core.search.contract import SearchSpec
from xautolm_core.tasks.spec import TaskSpec

SPEC = SearchSpec(search_id="s", task=TaskSpec(data="x"), store="s", max_trials=12)


def _play(view: SearchObserver, folder: Path) -> None:
    """Tell a view a whole search."""
    result = search_result(folder)
    view.phase("load", "news")
    view.note("two lines\nof a note")
    view.note("mind this", warning=True)
    view.warm_started(result.warm_start)
    done = []
    for one in trials():
        view.trial_started(one.number, one.configuration, one.why)
        heartbeat = {
            "phase": "train",
            "step": 5,
            "scheduled_steps": 10,
            "epoch": 0.5,
            "best_score": 0.77,
        }
        view.tick(42.0, {one.number: heartbeat})
        done.append(one)
        front = [r for r in done if r.on_front]
        view.trial_ended(one, front, front[-1] if front else None)


def test_lines_tell_every_event_with_the_time(tmp_path: Path) -> None:
    stream = io.StringIO()
    _play(LineView(SPEC, stream), tmp_path)
    lines = stream.getvalue().splitlines()
    assert all(line[2] == ":" and line[5] == ":" and line[8] == " " for line in lines)
    text = stream.getvalue()
    for part in (
        "load: news",
        "two lines of a note",
        "warning: mind this",
        "37 experiences applied, 4 mapped, 3 dropped; the prior moved 0.214",
        "most similar: docstrings-a (0.93)",
        "trial 4 started: all-MiniLM-L6-v2 full",
        "trial 4 ok: macro F1 0.8877 in 48.6 s",
        "trial 6 oom_host (memory limit of 2.0 GiB reached)",
        "9 trials done (ok 6, diverged 1, oom_host 1, timeout 1); best 0.8302 (#8)",
        "front #0 #1 #8 #2 #4; 42.0 s left, 3 trials left",
    ):
        assert part in text, part


def test_the_live_view_shows_running_trials_front_and_best(tmp_path: Path) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=120, record=True)
    with LiveView(SPEC, console=console) as view:
        _play(view, tmp_path)
        last = record(9, f1=0.5, train_seconds=1.0)
        view.trial_started(9, last.configuration, "why")
        view.tick(30.0, {9: {"phase": "train", "step": 5, "scheduled_steps": 10}})
        with console.capture() as capture:
            console.print(view)
    shown = capture.get()
    for part in ("9 trials done", "30.0 s left", "3 trials left", "ok 6", "0.8302", "#9", "train"):
        assert part in shown, part
    above = console.export_text()
    assert "trial 6 oom_host: memory limit of 2.0 GiB reached" in above
    assert "warning: mind this" in above


def test_markup_in_texts_is_shown_as_it_is() -> None:
    console = Console(file=io.StringIO(), width=120, record=True)
    with LiveView(SPEC, console=console) as view:
        view.note("column [bold]x[/bold] and [/nothing]", warning=True)
    assert "column [bold]x[/bold] and [/nothing]" in console.export_text()


def test_quiet_tells_warnings_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _play(QuietView(), tmp_path)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "warning: mind this\n"


def test_what_is_left_counts_the_trials_of_before_a_resume() -> None:
    progress = SearchProgress(SPEC, resumed=True)
    one = record(7, f1=0.5, train_seconds=1.0)
    progress.started(7, one.configuration)
    assert time_left_words(progress) == "5 trials left"
    progress.ended(one, [], one)
    assert time_left_words(progress) == "4 trials left"
    assert progress.done_words == "1 trial done since the resume"


def test_outcomes_are_counted_good_ones_first() -> None:
    counts = {Outcome.TIMEOUT: 3, Outcome.OK: 1, Outcome.DIVERGED: 3}
    assert outcome_counts(counts) == "ok 1, diverged 3, timeout 3"


def test_the_summary_names_front_choice_verdict_and_next_steps(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    print_summary(search_result(tmp_path, stopped_by="interrupted"))
    text = capsys.readouterr().out
    for part in (
        "news: 9 trials in 9 min 58 s",
        "#4 *",
        "0.8790 on test",
        "Fine-tuning was worth it.",
        f"{tmp_path}/report.html",
        f"xautolm search --resume {tmp_path}",
        f"xautolm predict {tmp_path}",
    ):
        assert part in text, part


def test_the_summary_of_a_cheap_winner_names_its_method(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    print_summary(search_result(tmp_path, best=0, test_f1=0.79, other_f1=0.7))
    text = capsys.readouterr().out
    assert "Chosen:  trial 0: TF-IDF, logistic regression, macro F1 0.7990 on validation" in text
    assert "Fine-tuning was not worth it." in text


def test_the_summary_of_nothing_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    failed = [r for r in trials() if r.number in (3, 6)]
    print_summary(search_result(tmp_path, records=failed, best=None))
    assert "No trial gave a model" in capsys.readouterr().out


def test_the_summary_labels_untrained_models(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records = [record(0, f1=0.6, train_seconds=3.0, model="untrained/tiny-bert", on_front=True)]
    print_summary(search_result(tmp_path, records=records, best=0))
    assert capsys.readouterr().out.count("(not pretrained)") == 2


def test_what_a_trial_waits_for_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    one, stream = record(9, f1=0.5, train_seconds=1.0), io.StringIO()
    waits = {9: {"phase": "waiting", "waits_for": 'FailedMount: secret "absent" not found'}}
    monkeypatch.setattr("xautolm_core.progress.line_view._ALIVE_SECONDS", 0)
    lines = LineView(SPEC, stream)
    live = LiveView(SPEC, console=Console(file=io.StringIO(), width=120))
    for view in (lines, live):
        view.trial_started(9, one.configuration, "why")
        view.tick(None, waits)
    assert 'trial 9 waits: FailedMount: secret "absent" not found' in stream.getvalue()
    console = Console(file=io.StringIO(), width=120, record=True)
    console.print(live)
    assert 'FailedMount: secret "absent" not found' in console.export_text()
