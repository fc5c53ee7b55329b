from __future__ import annotations

import json
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from pathlib import Path

import pytest

from tests.cli.running import Call
from xautolm_core.experience.folder import FolderStore
from xautolm_core.records.configuration import Configuration
from xautolm_core.records.experience import Experience
from xautolm_core.records.experience import experience_id
from xautolm_core.records.features import FeatureVector
from xautolm_core.records.outcome import Outcome
from xautolm_core.records.scores import Score

_FEATURES = FeatureVector(extractor="text-classification", version="1.0", values={"n": 1.0})


def _experience(number: int, *, outcome: Outcome = Outcome.OK, task: str = "news") -> Experience:
    ok = outcome is Outcome.OK
    return Experience(
        id=experience_id("s1", number, 0),
        search_id="s1",
        trial_number=number,
        task_name=task,
        task_fingerprint="ab" * 32,
        task_type="text-classification",
        task_features=_FEATURES,
        system_features=_FEATURES.model_copy(update={"extractor": "system"}),
        configuration=Configuration(
            branch="minilm-full", model="org/minilm", method="full", parameters={"epochs": 1}
        ),
        outcome=outcome,
        scores={"macro_f1": Score(value=0.5 + number / 100)} if ok else {},
        seconds={"train": 9.0, "evaluate": 1.0} if ok else {},
        ended_at=datetime(2026, 3, 1, tzinfo=UTC) + timedelta(minutes=number),
    )


@pytest.fixture
def store(tmp_path: Path) -> Path:
    folder = tmp_path / "store"
    opened = FolderStore(folder)
    for number in range(4):
        opened.append(_experience(number))
    opened.append(_experience(4, outcome=Outcome.TIMEOUT, task="mail"))
    return folder


def test_ls_lists_what_is_there(call: Call, store: Path) -> None:
    ended = call("store", "ls", "--store", store)
    assert ended.code == 0
    assert "5 experiences" in ended.out
    assert "timeout" in ended.out
    assert "0.5300" in ended.out
    assert "10.0 s" in ended.out


def test_ls_filters_and_limits(call: Call, store: Path) -> None:
    ended = call("store", "ls", "--store", store, "--task", "news", "--limit", "2", "--json")
    assert [e["trial_number"] for e in json.loads(ended.out)] == [2, 3]
    ended = call("store", "ls", "--store", store, "--outcome", "timeout", "--json")
    assert [e["task_name"] for e in json.loads(ended.out)] == ["mail"]
    assert call("store", "ls", "--store", store, "--task", "x").out == "no experiences\n"
    ended = call("store", "ls", "--store", store, "--limit", "2")
    assert "5 experiences, the newest 2 shown" in ended.out


def test_an_unknown_outcome_is_refused(call: Call, store: Path) -> None:
    ended = call("store", "ls", "--store", store, "--outcome", "bad")
    assert ended.code == 2
    assert "Known are: ok, pruned" in ended.err


def test_show_takes_the_beginning_of_an_id(call: Call, store: Path) -> None:
    identifier = experience_id("s1", 2, 0)
    ended = call("store", "show", identifier[:10], "--store", store)
    assert json.loads(ended.out)["id"] == identifier
    ended = call("store", "show", "zzzz", "--store", store)
    assert (ended.code, ended.out) == (2, "")


def test_a_corrupt_object_is_told_and_the_rest_is_used(call: Call, store: Path) -> None:
    file = next(f for f in store.rglob("*.json") if "s1-2-0" in f.name or "-2-0" in f.name)
    file.write_bytes(file.read_bytes()[:-20])
    listed = call("store", "ls", "--store", store)
    assert listed.code == 0
    assert "4 experiences" in listed.out
    assert listed.err.startswith("warning: skipped ")
    verified = call("store", "verify", "--store", store)
    assert verified.code == 3
    assert "5 objects, 1 faults" in verified.out
    assert file.name in verified.out


def test_verify_of_a_sound_store_is_exit_code_0(call: Call, store: Path) -> None:
    ended = call("store", "verify", "--store", store, "--json")
    assert ended.code == 0
    sound = {"objects": 5, "faults": [], "notes": []}
    assert json.loads(ended.out) == sound


def test_compact_keeps_everything(call: Call, store: Path) -> None:
    ended = call("store", "compact", "--store", store)
    assert (ended.code, ended.out) == (0, "5 objects merged\n")
    assert "5 experiences" in call("store", "ls", "--store", store).out


@pytest.mark.parametrize("command", ["ls", "verify", "compact"])
def test_a_mistyped_store_is_not_made(call: Call, tmp_path: Path, command: str) -> None:
    ended = call("store", command, "--store", tmp_path / "nowhere")
    assert ended.code == 3
    assert ended.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_the_store_comes_from_the_environment(
    call: Call, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XAUTOLM_STORE", str(store))
    assert "5 experiences" in call("store", "ls").out
