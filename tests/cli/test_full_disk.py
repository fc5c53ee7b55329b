"""A search, and other commands, on a disk without room: one message, exit code 3, a way on."""

from __future__ import annotations

import contextlib
import json
import random
from pathlib import Path

import pytest

from tests.cli.running import Call
from tests.disks import MakeDisk
from tests.experience.samples import sample
from xautolm_core.experience.folder import FolderStore

_SPACE = """
schema: 1
name: tiny
models:
  tiny:
    - id: untrained/test-bert
      untrained: {model_type: bert, vocab_size: 300, hidden_size: 32, num_hidden_layers: 1,
        num_attention_heads: 2, intermediate_size: 64, max_position_embeddings: 64}
branches:
  tiny-full:
    method: full
    models: tiny
    parameters: {batch_size: [8, 16], max_length: [16, 32], epochs: [1, 2]}
"""


def _write_many_words(file: Path) -> None:
    """Write a task whose vocabulary makes a model larger than its data."""
    generator = random.Random(0)
    lines = ["text,label"]
    for n in range(1_500):
        words = ["".join(generator.choices("abcdefghijklmnop", k=6)) for _ in range(4)]
        lines.append(f"{' '.join(words)} {('fine', 'grim')[n % 2]},{('good', 'bad')[n % 2]}")
    file.write_text("\n".join(lines) + "\n")


def test_a_search_without_room_for_its_models_is_resumed_where_there_is_room(
    call: Call, tmp_path: Path, make_disk: MakeDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XAUTOLM_CACHE", str(tmp_path / "caches"))
    _write_many_words(tmp_path / "words.csv")
    (tmp_path / "tiny.yaml").write_text(_SPACE)
    disk, store = make_disk(size="280k"), tmp_path / "store"
    run = disk.folder / "run"
    ended = call(
        *("search", tmp_path / "words.csv", "--space", tmp_path / "tiny.yaml", "--offline"),
        *("--methods", "tfidf", "--trials", "1", "--out", run, "--store", store, "--quiet"),
    )
    assert ended.code == 3
    (error,) = [line for line in ended.err.splitlines() if line.startswith("error:")]
    assert f"The run folder {run} cannot be written: No space left on device" in error
    assert f"--resume {run}" in error
    listed = json.loads(call("store", "ls", "--store", store, "--json").out)
    assert [(e["outcome"], e["attempt"]) for e in listed] == [("infra", 0)]
    assert "No space left on device" in listed[0]["failure"]["message"]
    assert [p.name for p in run.rglob(".*") if p.name != ".study.journal"] == []
    disk.resize("30m")
    ended = call("search", "--resume", run, "--quiet")
    assert ended.code == 0, ended.err
    assert (run / "model" / "linear.safetensors").is_file()
    listed = json.loads(call("store", "ls", "--store", store, "--json").out)
    assert [(e["outcome"], e["attempt"]) for e in listed] == [("infra", 0), ("ok", 1)]


@pytest.mark.parametrize("name", ["out.jsonl", "out.parquet"])
def test_an_export_without_room_leaves_nothing(
    call: Call, tmp_path: Path, make_disk: MakeDisk, name: str
) -> None:
    store = FolderStore(tmp_path / "store")
    for trial in range(30):
        store.append(sample("a", trial))
    disk = make_disk(size="8k")
    ended = call("store", "export", disk.folder / name, "--store", store.root)
    assert ended.code == 3
    assert "No space left on device" in ended.err and ended.err.count("\n") == 1
    assert list(disk.folder.iterdir()) == []


def test_an_import_without_room_leaves_nothing_that_is_read(
    call: Call, tmp_path: Path, make_disk: MakeDisk
) -> None:
    store = FolderStore(tmp_path / "store")
    for trial in range(30):
        store.append(sample("a", trial))
    file = tmp_path / "all.jsonl"
    call("store", "export", file, "--store", store.root)
    disk = make_disk(size="8k")
    target = disk.folder / "store"
    ended = call("store", "import", file, "--store", target)
    assert ended.code == 3
    assert "No space left on device" in ended.err and ended.err.count("\n") == 1
    assert list(FolderStore(target).scan()) == []
    disk.resize("4m")
    assert call("store", "import", file, "--store", target).code == 0
    assert list(FolderStore(target).scan()) == list(store.scan())


def test_standard_output_on_a_full_disk_is_no_fault_of_ours(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    FolderStore(tmp_path / "store").append(sample())
    full = Path("/dev/full").open("w")  # noqa: SIM115 - closing it fails, too
    monkeypatch.setattr("sys.stdout", full)
    ended = call("store", "stats", "--store", tmp_path / "store")
    monkeypatch.undo()
    with contextlib.suppress(OSError):
        full.close()
    assert ended.code == 3
    assert ended.err.startswith("error: No space left on device. Make room")
