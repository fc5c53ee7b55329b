"""A tenant's name is checked before anything runs, is read or is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.running import Call
from tests.experience.samples import sample
from xautolm_core.experience.folder import FolderStore


@pytest.mark.parametrize("name", ["team a", "", "../x", ".hidden", "a/b", "é", "x" * 64, "a\nb"])
@pytest.mark.parametrize(
    "command",
    [
        ("search", "data.csv", "--methods", "tfidf", "--out", "run"),
        ("store", "ls"),
        ("store", "export", "out.jsonl"),
        ("store", "import", "records.jsonl"),
        ("store", "forget", "--yes"),
        ("report",),
    ],
)
def test_a_name_that_no_tenant_can_have_is_refused(
    call: Call,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    command: tuple[str, ...],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("data.csv").write_text("text,label\nfine,good\nsad,bad\n")
    Path("records.jsonl").write_text("{}\n")
    store = FolderStore(tmp_path / "store")
    store.append(sample())
    before = sorted(tmp_path.rglob("*"))
    ended = call(*command, "--tenant", name, "--store", "store")
    assert ended.code == 2
    assert "--tenant: Tenant" in ended.err and "is not a usable name" in ended.err
    assert ended.err.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before
    assert len(list(store.scan())) == 1
