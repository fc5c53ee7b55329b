from __future__ import annotations

import threading
from pathlib import Path

import pytest

from xautolm_core.records.attempt import TrialResult
from xautolm_core.records.outcome import Outcome
from xautolm_core.trial.contract import HEARTBEAT_FILE
from xautolm_core.trial.contract import RESULT_FILE
from xautolm_core.trial.files import read_heartbeat
from xautolm_core.trial.files import read_result
from xautolm_core.whole_files import write_json


def test_result_comes_back_as_it_was(tmp_path: Path) -> None:
    result = TrialResult(search_id="s", trial_number=3, outcome=Outcome.OK, seconds={"train": 1.5})
    write_json(tmp_path / "new" / RESULT_FILE, result)
    assert read_result(tmp_path / "new") == result
    assert [f.name for f in (tmp_path / "new").iterdir()] == [RESULT_FILE]


@pytest.mark.parametrize("text", ["", "{", '{"outcome": "ok"', "[]", '{"outcome": "splendid"}'])
def test_torn_or_foreign_result_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / RESULT_FILE).write_text(text)
    assert read_result(tmp_path) is None


@pytest.mark.parametrize("text", ["", "{", "[1]"])
def test_torn_heartbeat_is_none(tmp_path: Path, text: str) -> None:
    assert read_heartbeat(tmp_path) is None
    (tmp_path / HEARTBEAT_FILE).write_text(text)
    assert read_heartbeat(tmp_path) is None


def test_a_reader_never_meets_half_a_file(tmp_path: Path) -> None:
    path = tmp_path / HEARTBEAT_FILE
    write_json(path, {"n": 0, "filling": "x" * 50_000})
    ended = threading.Event()

    def write() -> None:
        for n in range(60):
            write_json(path, {"n": n, "filling": "x" * 50_000}, durable=False)
        ended.set()

    writer = threading.Thread(target=write)
    writer.start()
    while not ended.is_set():
        found = read_heartbeat(tmp_path)
        assert found is not None and len(found["filling"]) == 50_000
    writer.join()
