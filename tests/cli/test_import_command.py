"""``xautolm store import``."""

from __future__ import annotations

import json
from pathlib import Path

import optuna
import pytest

from tests.cli.running import Call
from tests.experience.importers.records import classification
from tests.experience.importers.records import failure_with_text
from tests.experience.importers.records import failure_without_text
from tests.experience.importers.records import write_store
from tests.experience.samples import sample
from xautolm_core.experience.folder import FolderStore


@pytest.fixture
def records(tmp_path: Path) -> Path:
    return write_store(
        tmp_path / "records",
        classification(),
        failure_with_text(timestamp="2024-11-04 09:00:00"),
        failure_without_text(timestamp="2024-11-04 09:00:01"),
        classification(alias="meld", timestamp="soon"),
    )


def test_a_dry_run_tells_all_and_writes_nothing(call: Call, records: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    ended = call("store", "import", records, "--store", store, "--dry-run")
    assert (ended.code, ended.err) == (0, "")
    assert "4 records read, 2 experiences" in ended.out
    assert "liar: 2 (1 ok, 1 oom_gpu)" in ended.out
    assert "1 liar: second record of the same failure" in ended.out
    assert "timestamp: no date and time (meld/soon/" in ended.out
    assert ended.out.endswith("2 would be written\n")
    assert not store.exists()


def test_importing_twice(call: Call, records: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    arguments = ("store", "import", records, "--store", store, "--tenant", "team-b")
    assert call(*arguments).out.endswith("2 written\n")
    assert call(*arguments).out.endswith("0 written, 2 already in the store\n")
    dry = call(*arguments, "--dry-run")
    assert dry.out.endswith("0 would be written, 2 already in the store\n")
    found = list(FolderStore(store).scan())
    assert [e.tenant for e in found] == ["team-b", "team-b"]
    listed = call("store", "ls", "--store", store)
    assert "2 experiences" in listed.out


def test_a_store_is_copied_and_not_imported(call: Call, records: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    call("store", "import", records, "--store", store)
    ended = call("store", "import", store, "--store", tmp_path / "other")
    assert ended.code == 2
    assert "xautolm store copy" in ended.err


def test_an_import_of_nothing_says_so(call: Call, records: Path, tmp_path: Path) -> None:
    ended = call("store", "import", records, "--task", "unheard", "--store", tmp_path / "store")
    assert "warning: nothing of it can be kept" in ended.out
    assert ended.code == 2
    assert f"nothing of {records} was kept. The account says what was read" in ended.err


@pytest.mark.parametrize("content", ["", "\n", '{"a": 1}\n', "no JSON\n"])
@pytest.mark.parametrize("options", [(), ("--dry-run",), ("--json",)])
def test_an_import_that_keeps_nothing_has_not_succeeded(
    call: Call, tmp_path: Path, content: str, options: tuple[str, ...]
) -> None:
    file = tmp_path / "x.jsonl"
    file.write_text(content)
    ended = call("store", "import", file, "--store", tmp_path / "store", *options)
    assert ended.code == 2
    assert ended.err.startswith(f"error: nothing of {file} ") and ended.err.count("\n") == 1
    if "--json" in options:
        assert json.loads(ended.out)["imported"] == 0


@pytest.mark.parametrize("name", ["x.jsonl", "x.parquet"])
def test_what_was_exported_comes_in_as_it_was(call: Call, tmp_path: Path, name: str) -> None:
    store = FolderStore(tmp_path / "store")
    for trial in range(3):
        store.append(sample("a", trial, tenant="team-a"))
    file, other = tmp_path / name, tmp_path / "other"
    assert call("store", "export", file, "--store", store.root).code == 0
    dry = call("store", "import", file, "--store", other, "--dry-run")
    assert dry.code == 0 and dry.out.endswith("3 would be written\n")
    assert not other.exists()
    ended = call("store", "import", file, "--store", other)
    assert (ended.code, ended.err) == (0, "")
    assert "3 records read, 3 experiences" in ended.out and ended.out.endswith("3 written\n")
    assert list(FolderStore(other).scan()) == list(store.scan())
    again = call("store", "import", file, "--store", other)
    assert again.code == 0 and again.out.endswith("0 written, 3 already in the store\n")
    for option in ("--tenant", "--map", "--score", "--task-type"):
        refused = call("store", "import", file, "--store", other, option, "x")
        assert refused.code == 2
        assert f"{option} has no meaning for exported experiences" in refused.err


def test_json(call: Call, records: Path, tmp_path: Path) -> None:
    ended = call("store", "import", records, "--store", tmp_path / "s", "--json", "--task", "liar")
    document = json.loads(ended.out)
    assert document["imported"] == 2
    assert document["store"] == {"new": 2, "already_there": 0, "twins": 0, "conflicts": 0}
    assert document["dry_run"] is False


def test_a_table_and_a_study(call: Call, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("model,f1,when\norg/a,0.5,2026-01-01\n", encoding="utf-8")
    column_map = tmp_path / "map.yaml"
    column_map.write_text(
        "task_name: {constant: news}\ntask_type: {constant: text-classification}\n"
        "model: model\nmethod: {constant: full}\noutcome: {constant: ok}\nended_at: when\n"
        "scores: {macro_f1: f1}\n",
        encoding="utf-8",
    )
    store = tmp_path / "store"
    ended = call("store", "import", table, "--map", column_map, "--store", store)
    assert ended.out.endswith("1 written\n")

    journal = tmp_path / "journal"
    backend = optuna.storages.journal.JournalFileBackend(str(journal))
    study = optuna.create_study(storage=optuna.storages.JournalStorage(backend), study_name="n")
    model = optuna.distributions.CategoricalDistribution(["org/a"])
    method = optuna.distributions.CategoricalDistribution(["full"])
    study.tell(study.ask({"model": model, "method": method}), 0.75)
    ended = call(
        "store", "import", f"optuna://{journal}#n", "--task", "news", "--score", "macro_f1",
        "--store", store,
    )  # fmt: skip
    assert ended.out.endswith("1 written\n")
    scores = [e.scores["macro_f1"].value for e in FolderStore(store).scan()]
    assert sorted(scores) == [0.5, 0.75]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("absent",), "There is no absent"),
        (("absent.csv",), "There is no file"),
        (("ftp://host/x",), "from a ftp:// address"),
        (("optuna:///absent", "--task", "a"), "Cannot read /absent"),
        (("records", "--from", "pickle"), "no importer 'pickle'"),
        (("records", "--map", "x.yaml"), "--map has no meaning"),
        (("records", "--score", "x"), "--score has no meaning"),
        (("records", "--task-type", "x"), "--task-type has no meaning"),
        ((), "Nothing to import was named"),
        (("--from", "optuna:///absent", "--task", "a"), "Cannot read /absent"),
        (("records", "--tenant", "AKIAIOSFODNN7EXAMPLE", "--dry-run"), "looks like a credential"),
        (("records", "--tenant", "../x"), "not a usable name"),
        (("optuna:///absent", "--task", "a", "--task", "b"), "A study is of one task"),
    ],
)
def test_errors_are_one_line_and_nothing_is_written(
    call: Call, records: Path, tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    store = tmp_path / "store"
    given = [str(records) if a == "records" else a for a in arguments]
    ended = call("store", "import", *given, "--store", store)
    assert ended.code in (2, 3)
    assert ended.err.count("\n") == 1
    assert words in ended.err
    assert not store.exists()
