"""The mirror of a run folder: what is restored is what was there."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from xautolm_core.launch import run_mirror
from xautolm_core.launch.run_mirror import RunMirror
from xautolm_core.objects.folder import FolderObjects
from xautolm_core.search import contract
from xautolm_core.search import folders

_ATTEMPTS = ("0000-0", "0000-1", "0012-0", "12345-3")
_MIRRORED = (
    "search.json",
    "state.json",
    "history.parquet",
    *(f"trials/{a}/{name}" for a in _ATTEMPTS for name in ("proposal.json", "result.json")),
)
_OTHERS = (
    "study.journal",
    "summary.json",
    "search.json.bak",
    "cache/tasks/x/train.arrow",
    "trials/0000-0/trial.log",
    "trials/0000-0/heartbeat.json",
    "trials/0000-0/model/config.json",
    "trials/draft/result.json",
    "trials/000-0/result.json",
)
_runs = st.dictionaries(st.sampled_from(_MIRRORED + _OTHERS), st.binary(max_size=20))


def make_run(folder: Path, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}")
        draft.write_bytes(data)
        draft.replace(path)


def contents_of(folder: Path) -> dict[str, bytes]:
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()
    }


def test_names_are_those_of_the_search() -> None:
    assert set(run_mirror.RUN_FILES) == {
        contract.SEARCH_FILE,
        folders.STATE_FILE,
        folders.HISTORY_FILE,
    }
    assert run_mirror.RUN_FILES[-1] == contract.SEARCH_FILE
    assert run_mirror.TRIAL_FILES[0] == folders.PROPOSAL_FILE


@given(before=_runs, after=_runs)
@settings(max_examples=30, deadline=None)
def test_what_is_restored_is_what_was_there(
    before: dict[str, bytes], after: dict[str, bytes]
) -> None:
    with tempfile.TemporaryDirectory() as name:
        run, new = Path(name) / "run", Path(name) / "new"
        storage = FolderObjects(Path(name) / "objects")
        mirror = RunMirror(storage, run)
        make_run(run, before)
        mirror.sync()
        assert mirror.sync() == 0
        make_run(run, after)
        mirror.sync()
        assert RunMirror(storage, run).sync() == 0
        everything = {**before, **after}
        restored = RunMirror(storage, new).restore(lambda _: False)
        assert restored == ("search.json" in everything)
        # What a search is to learn from may be there before the search.
        names = _MIRRORED if restored else ("history.parquet",)
        expected = {k: v for k, v in everything.items() if k in names}
        assert contents_of(new) == expected
        models = ["0000-0"] if "trials/0000-0/model/config.json" in everything else []
        assert RunMirror(storage, new).attempts_with_models() == models


def test_what_a_search_to_come_learns_from_goes_before_it(tmp_path: Path) -> None:
    storage = FolderObjects(tmp_path / "objects")
    make_run(tmp_path / "preview", {"search.json": b"{}", "history.parquet": b"rows"})
    RunMirror(storage, tmp_path / "preview").send_history()
    assert not RunMirror(storage, tmp_path / "run").restore(lambda _: False)
    assert contents_of(tmp_path / "run") == {"history.parquet": b"rows"}


def test_a_run_that_is_there_is_left_alone(tmp_path: Path) -> None:
    storage = FolderObjects(tmp_path / "objects")
    make_run(tmp_path / "run", {"search.json": b"old", "state.json": b"old"})
    RunMirror(storage, tmp_path / "run").sync()
    make_run(tmp_path / "other", {"search.json": b"new"})
    assert not RunMirror(storage, tmp_path / "other").restore(lambda _: False)
    assert contents_of(tmp_path / "other") == {"search.json": b"new"}


def test_foreign_objects_are_not_restored(tmp_path: Path) -> None:
    storage = FolderObjects(tmp_path / "objects")
    storage.put("run/search.json", b"{}")
    for key in ("evil.sh", "trials/0000-0/evil", "trials/evil/result.json", "a/b/c/result.json"):
        storage.put(f"run/{key}", b"x")
    storage.put("run/models.json", json.dumps(["../evil", 3, "0001-0"]).encode())
    mirror = RunMirror(storage, tmp_path / "new")
    assert mirror.restore(lambda _: False)
    assert contents_of(tmp_path / "new") == {"search.json": b"{}"}
    assert mirror.attempts_with_models() == ["0001-0"]


def test_only_what_changed_is_written(tmp_path: Path) -> None:
    storage = FolderObjects(tmp_path / "objects")
    run = tmp_path / "run"
    make_run(run, {"search.json": b"1", "trials/0000-0/proposal.json": b"p"})
    mirror = RunMirror(storage, run)
    assert mirror.sync() == 3
    make_run(run, {"trials/0000-0/result.json": b"r"})
    assert mirror.sync() == 1
    make_run(run, {"trials/0000-0/result.json": b"r"})
    assert mirror.sync() == 0
    make_run(run, {"trials/0000-0/result.json": b"s"})
    assert mirror.sync() == 1
    assert storage.get("run/trials/0000-0/result.json") == b"s"
