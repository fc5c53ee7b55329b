from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.report.samples import search_result
from tests.report.samples import trials
from xautolm_core.cli import search_command
from xautolm_core.cli.search_command import run_request
from xautolm_core.errors import ConfigError
from xautolm_core.errors import StoreError
from xautolm_core.request.search_request import SearchRequest
from xautolm_core.search.contract import SEARCH_FILE
from xautolm_core.search.contract import SearchObserver
from xautolm_core.search.contract import SearchResult


def _answer_with(monkeypatch: pytest.MonkeyPatch, answer: SearchResult | BaseException) -> None:
    """Let the search itself be over at once, with this result or error."""

    def run(request: SearchRequest, observer: SearchObserver) -> SearchResult:
        observer.note("mind this", warning=True)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    monkeypatch.setattr(search_command, "_run", run)


def _request(folder: Path) -> SearchRequest:
    return SearchRequest(search_result(folder).spec, folder)


def test_json_leaves_standard_output_to_the_document(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _answer_with(monkeypatch, search_result(tmp_path))
    assert run_request(_request(tmp_path), as_json=True, quiet=False) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out) == json.loads((tmp_path / "summary.json").read_text())
    assert "warning: mind this" in captured.err


def test_a_search_in_which_every_trial_failed_is_exit_code_5(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failed = [r for r in trials() if r.number in (3, 6)]
    _answer_with(monkeypatch, search_result(tmp_path, records=failed, best=None))
    assert run_request(_request(tmp_path), as_json=False, quiet=True) == 5
    assert "No trial gave a model" in capsys.readouterr().out
    assert (tmp_path / "report.html").is_file()


def test_an_interrupted_search_keeps_its_results_and_is_exit_code_130(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    result = replace(search_result(tmp_path), stopped_by="interrupted", test=None)
    _answer_with(monkeypatch, result)
    assert run_request(_request(tmp_path), as_json=False, quiet=False) == 130
    assert f"xautolm search --resume {tmp_path}" in capsys.readouterr().out
    assert (tmp_path / "summary.json").is_file()


@pytest.mark.parametrize("begun", [False, True])
def test_an_interrupt_before_the_first_trial_names_the_resume_if_there_is_one(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    begun: bool,
) -> None:
    if begun:
        (tmp_path / SEARCH_FILE).write_text("{}")
    _answer_with(monkeypatch, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        run_request(_request(tmp_path), as_json=False, quiet=True)
    assert ("--resume" in capsys.readouterr().err) == begun


@pytest.mark.parametrize(("begun", "kind"), [(False, ConfigError), (True, StoreError)])
def test_a_store_is_bad_input_only_as_long_as_nothing_has_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, begun: bool, kind: type[Exception]
) -> None:
    if begun:
        (tmp_path / SEARCH_FILE).write_text("{}")
    _answer_with(monkeypatch, StoreError("the store is full", hint="Make room"))
    with pytest.raises(kind, match=r"the store is full. Make room"):
        run_request(_request(tmp_path), as_json=False, quiet=True)
