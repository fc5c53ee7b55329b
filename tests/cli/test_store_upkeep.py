from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.cli.running import Call
from tests.cli.running import run_process
from tests.experience.samples import sample
from xautolm_core.experience.folder import FolderStore
from xautolm_core.records.experience import Experience
from xautolm_core.records.experience import ExperiencePrediction

OTHER_TASK = "e" * 64


def experiences() -> list[Experience]:
    found = [sample("s", trial) for trial in range(4)]
    found += [sample("t", trial, task_fingerprint=OTHER_TASK, tenant="b") for trial in range(2)]
    return found


@pytest.fixture
def store(tmp_path: Path) -> Path:
    folder = tmp_path / "store"
    opened = FolderStore(folder)
    for experience in experiences():
        opened.append(experience)
    return folder


def test_stats_count_by_kind(call: Call, store: Path) -> None:
    assert call("store", "compact", "--store", store).code == 0
    shown = call("store", "stats", "--store", store)
    assert shown.code == 0
    assert "6 experiences, 0 forgotten" in shown.out
    assert "1 segments, 0 single objects outside of them" in shown.out
    document = json.loads(call("store", "stats", "--store", store, "--json").out)
    assert document["by_tenant"] == {"default": 4, "b": 2}
    assert document["last_ended_at"].startswith("2026-03-01T23:30")


def test_stats_of_an_empty_store(call: Call, tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    shown = call("store", "stats", "--store", tmp_path / "store")
    assert (shown.code, shown.err) == (0, "")
    assert "last compacted never" in shown.out


def test_export_writes_lines_or_columns(call: Call, store: Path, tmp_path: Path) -> None:
    lines, columns = tmp_path / "all.jsonl", tmp_path / "some.parquet"
    assert call("store", "export", lines, "--store", store).code == 0
    assert len(lines.read_text().splitlines()) == 6
    ended = call("store", "export", columns, "--store", store, "--tenant", "b")
    assert ended.out == f"2 experiences written to {columns}\n"
    assert pq.read_table(columns).num_rows == 2


def test_export_refuses_other_endings(call: Call, store: Path, tmp_path: Path) -> None:
    ended = call("store", "export", tmp_path / "all.pickle", "--store", store)
    assert ended.code == 2
    assert ".jsonl or .parquet" in ended.err
    assert not (tmp_path / "all.pickle").exists()


def test_copy_brings_what_is_missing_once(call: Call, store: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    FolderStore(target).append(experiences()[0])
    assert call("store", "copy", store, target).out == "5 experiences copied\n"
    assert call("store", "copy", store, target).out == "0 experiences copied\n"
    assert list(FolderStore(target).scan()) == list(FolderStore(store).scan())
    missing = call("store", "copy", tmp_path / "nowhere", target)
    assert missing.code == 3
    assert not (tmp_path / "nowhere").exists()


def test_forget_asks_and_then_leaves_totals_alone(store: Path, tmp_path: Path) -> None:
    arguments = ("store", "forget", "--task", OTHER_TASK, "--store", store)
    # No terminal and no --yes: nothing may be lost.
    refused = run_process(*arguments, folder=tmp_path)
    assert refused.code != 0
    assert len(list(FolderStore(store).scan())) == 6
    done = run_process(*arguments, "--yes", folder=tmp_path)
    assert done.code == 0, done.err
    assert "2 experiences forgotten" in done.out
    opened = FolderStore(store)
    assert [e.search_id for e in opened.scan()] == ["s"] * 4
    assert sum(opened.totals().trials.values()) == 6


@pytest.mark.parametrize("options", [(), ("--task", "x", "--tenant", "y")])
def test_forget_wants_one_of_both(call: Call, store: Path, options: tuple[str, ...]) -> None:
    ended = call("store", "forget", *options, "--store", store, "--yes")
    assert ended.code == 2
    assert "--task FINGERPRINT or --tenant NAME" in ended.err


def test_forgetting_an_unknown_task_is_an_error(call: Call, store: Path) -> None:
    ended = call("store", "forget", "--task", "nosuch", "--store", store, "--yes")
    assert ended.code == 2
    assert "no experience of the task with fingerprint nosuch" in ended.err
    assert ended.out == ""


def test_corrupt_objects_are_named_and_stay(call: Call, store: Path) -> None:
    file = next(store.rglob("*-s-2-0.json"))
    file.write_bytes(file.read_bytes()[:-20])
    ended = call("store", "verify", "--store", store)
    assert (ended.code, file.name in ended.out) == (3, True)
    file.unlink()
    assert call("store", "verify", "--store", store).code == 0


COMMANDS = [
    ("ls",),
    ("stats",),
    ("verify",),
    ("compact",),
    ("export", "all.jsonl"),
    ("forget", "--tenant", "x", "--yes"),
]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_folder_of_something_else_is_no_store(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "pictures").mkdir(parents=True)
    (elsewhere / "pictures" / "a.png").touch()
    ended = call("store", *command, "--store", elsewhere)
    assert ended.code == 3
    assert f"There is no experience store at {elsewhere}" in ended.err
    assert sorted(path.name for path in elsewhere.iterdir()) == ["pictures"]
    assert call("store", "copy", elsewhere, tmp_path / "target").code == 3
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize("place", ["segments/a", "forgotten/a", "tenants/a.json"])
def test_a_store_without_experiences_is_a_store(call: Call, tmp_path: Path, place: str) -> None:
    FolderStore(tmp_path / "store").storage.put(place, b"{}")
    ended = call("store", "stats", "--store", tmp_path / "store")
    assert "There is no experience store" not in ended.err


def test_stats_tell_how_well_trials_were_predicted(call: Call, store: Path) -> None:
    assert "predicted" not in call("store", "stats", "--store", store).out
    empty = json.loads(call("store", "stats", "--store", store, "--json").out)["predictions"]
    assert empty == {"objectives": {}, "failures": None}
    told = ExperiencePrediction(
        score_median=0.79,
        score_low=0.7,
        score_high=0.81,
        seconds_median=23.5,
        seconds_low=10.0,
        seconds_high=40.0,
        failure_probability=0.9,
    )
    FolderStore(store).append(sample("told", predicted=told))
    shown = call("store", "stats", "--store", store)
    rows = [line.split() for line in shown.out.splitlines()]
    assert ["score", "1", "100", "%", "0.0100"] in rows
    assert ["time", "1", "100", "%", "x", "2.00"] in rows
    assert ["80", "%", "to", "100", "%", "1", "90", "%", "0", "%"] in rows
    assert "Brier score 0.8100 over 1 trials" in shown.out
    document = json.loads(call("store", "stats", "--store", store, "--json").out)["predictions"]
    assert document["objectives"]["seconds"]["median_error"] == pytest.approx(2.0)
    assert document["failures"]["bins"][0]["predicted"] is None


def test_init_makes_a_store_once_and_keeps_what_is_there(call: Call, tmp_path: Path) -> None:
    place = tmp_path / "new"
    assert call("store", "compact", "--store", place).code == 3
    first = call("store", "init", "--store", place, "--tenant", "reviews")
    assert (first.code, first.out, first.err) == (0, "store made\n", "")
    assert call("store", "compact", "--store", place).out == "0 objects merged\n"
    policy = place / "tenants" / "reviews.json"
    policy.write_text('{"allow_class_names": true}')
    again = call("store", "init", "--store", place, "--tenant", "reviews")
    assert again.out == "the store was there; nothing was changed\n"
    assert json.loads(policy.read_text()) == {"allow_class_names": True}
    assert call("store", "verify", "--store", place).code == 0


def test_init_refuses_a_bucket_for_a_folder_and_a_tenant_that_is_no_name(
    call: Call, tmp_path: Path
) -> None:
    refused = call("store", "init", "--store", tmp_path / "s", "--make-bucket")
    assert refused.code == 2 and "--make-bucket" in refused.err
    assert call("store", "init", "--store", tmp_path / "t", "--tenant", "a/b").code == 2
    assert not (tmp_path / "t").exists()
