from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cli.running import Call
from tests.cli.running import Ended
from tests.report.samples import search_result
from tests.report.samples import trials
from xautolm_core.errors import StoreError
from xautolm_core.search.contract import SEARCH_FILE
from xautolm_core.search.contract import SearchObserver
from xautolm_core.search.contract import SearchResult
from xautolm_core.search.contract import SearchSpec


def _answer_with(
    monkeypatch: pytest.MonkeyPatch, answer: SearchResult | BaseException, *, begun: bool = True
) -> None:
    """Let the search itself be over at once, with this result or error."""

    def run(
        spec: SearchSpec,
        out_folder: Path,
        *,
        launcher: object,
        observer: SearchObserver,
        resume: bool,
        measured: object,
        is_locked: bool = False,
    ) -> SearchResult:
        observer.note("mind this", warning=True)
        if begun:
            out_folder.mkdir(parents=True, exist_ok=True)
            (out_folder / SEARCH_FILE).write_text(spec.model_dump_json())
        if isinstance(answer, BaseException):
            raise answer
        return replace(answer, out_folder=out_folder)

    monkeypatch.setattr("xautolm._running.run_search", run)
    nothing = contextlib.nullcontext((None, None))
    monkeypatch.setattr("xautolm._running._launcher_of", lambda *_: nothing)


def _search(call: Call, folder: Path, *options: str) -> Ended:
    (folder / "reviews.csv").write_text("text,label\na,x\n")
    where = ("--store", folder / "store", "--out", folder / "run", "--methods", "tfidf")
    return call("search", folder / "reviews.csv", *where, *options)


def test_json_leaves_standard_output_to_the_document(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: Call
) -> None:
    _answer_with(monkeypatch, search_result(tmp_path))
    ended = _search(call, tmp_path, "--json")
    assert ended.code == 0
    assert json.loads(ended.out) == json.loads((tmp_path / "run" / "summary.json").read_text())
    assert "warning: mind this" in ended.err


def test_a_search_in_which_every_trial_failed_is_exit_code_5(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: Call
) -> None:
    failed = [r for r in trials() if r.number in (3, 6)]
    _answer_with(monkeypatch, search_result(tmp_path, records=failed, best=None))
    ended = _search(call, tmp_path, "--quiet")
    assert ended.code == 5
    assert "No trial gave a model" in ended.out
    assert (tmp_path / "run" / "report.html").is_file()


def test_an_interrupted_search_keeps_its_results_and_is_exit_code_130(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: Call
) -> None:
    result = replace(search_result(tmp_path), stopped_by="interrupted", test=None)
    _answer_with(monkeypatch, result)
    ended = _search(call, tmp_path)
    assert ended.code == 130
    assert f"xautolm search --resume {tmp_path / 'run'}" in ended.out
    assert (tmp_path / "run" / "summary.json").is_file()


@pytest.mark.parametrize("begun", [False, True])
def test_an_interrupt_before_the_first_trial_names_the_resume_if_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: Call, begun: bool
) -> None:
    _answer_with(monkeypatch, KeyboardInterrupt(), begun=begun)
    ended = _search(call, tmp_path, "--quiet")
    assert ended.code == 130
    assert ("--resume" in ended.err) == begun
    assert (tmp_path / "run").exists() == begun


@pytest.mark.parametrize(("begun", "code"), [(False, 2), (True, 3)])
def test_a_store_is_bad_input_only_as_long_as_nothing_has_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: Call, begun: bool, code: int
) -> None:
    fault = StoreError("the store is full", hint="Make room or leave --store out")
    _answer_with(monkeypatch, fault, begun=begun)
    ended = _search(call, tmp_path, "--quiet")
    assert ended.code == code
    assert "the store is full. Make room or leave --store out" in ended.err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("reviews.csv",), "other data cannot be given"),
        (("--space", "small"), "--space cannot be given"),
        (("--methods", "full"), "--methods cannot be given"),
        (("--seed", "4"), "--seed cannot be given"),
        (("--out", "x"), "--out cannot be given"),
        (("--sampler-option", "k=5"), "--sampler-option cannot be given"),
        (("--read-store", "elsewhere"), "--read-store cannot be given"),
        (("--cold",), "--cold cannot be given"),
    ],
)
def test_what_makes_another_search_cannot_be_given_to_a_resume(
    call: Call, options: tuple[str, ...], words: str
) -> None:
    ended = call("search", "--resume", "run", *options)
    assert (ended.code, words in ended.err) == (2, True)
