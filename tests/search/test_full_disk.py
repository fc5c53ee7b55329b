"""Disks that get full or read-only under a search: what is left, what is said, and the resume."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.disks import Disk
from tests.disks import MakeDisk
from tests.search.instant import InstantLauncher
from tests.search.instant import Silent
from tests.search.instant import analytic_result
from xautolm_core.errors import StoreError
from xautolm_core.experience.folder import FolderStore
from xautolm_core.launch.contract import TrialHandle
from xautolm_core.records.attempt import TrialResult
from xautolm_core.records.outcome import Failure
from xautolm_core.records.outcome import Outcome
from xautolm_core.search.contract import SearchResult
from xautolm_core.search.contract import SearchSpec
from xautolm_core.search.outbox import require_kept
from xautolm_core.search.runner import run_search
from xautolm_core.trial.contract import TrialSpec

MakeSpec = Callable[..., SearchSpec]
_DISK = Failure(kind="OSError", message="[Errno 28] No space left on device: <text>")


def _search(
    spec: SearchSpec,
    out: Path,
    result: Callable[[TrialSpec], TrialResult] = analytic_result,
    *,
    resume: bool = False,
    observer: Silent | None = None,
) -> SearchResult:
    return run_search(
        spec,
        out,
        launcher=InstantLauncher(result),
        observer=observer or Silent(),
        resume=resume,
        with_test=False,
    )


def _kept(store: Path) -> Counter[int]:
    """Return how many experiences of each trial a store holds, all of them whole."""
    opened = FolderStore(store, create=False)
    assert opened.verify().faults == ()
    assert [path for path in store.rglob(".tmp-*") if path.is_file()] == []
    return Counter(experience.trial_number for experience in opened.scan())


def _assert_whole(out: Path) -> None:
    """Every file of a run folder is whole, and there is no draft."""
    for path in out.rglob("*.json"):
        json.loads(path.read_bytes())
    drafts = [p.name for p in out.rglob(".*") if p.name != ".study.journal"]
    assert drafts == []


def _at(number: int, act: Callable[[], None]) -> Callable[[TrialSpec], TrialResult]:
    """Return what trials come to where something happens as one of them runs."""

    def result(spec: TrialSpec) -> TrialResult:
        if spec.trial_number == number and spec.attempt == 0:
            act()
        return analytic_result(spec)

    return result


def _without_room(
    number: int, seconds: Mapping[str, float] | None = None
) -> Callable[[TrialSpec], TrialResult]:
    """Return what trials come to of which one finds its disk full."""
    failed = {"outcome": Outcome.INFRA, "failure": _DISK, "scores": {}, "model_folder": None}

    def result(spec: TrialSpec) -> TrialResult:
        found = analytic_result(spec)
        update = {**failed, "seconds": seconds or {}}
        return found.model_copy(update=update) if spec.trial_number == number else found

    return result


@pytest.mark.parametrize("number", [0, 3])
def test_a_run_folder_without_room_ends_the_search_and_a_resume_completes_it(
    make_spec: MakeSpec, make_disk: MakeDisk, tmp_path: Path, number: int
) -> None:
    disk = make_disk()
    out = disk.folder / "run"

    class Full(InstantLauncher):
        """Fills the disk while a trial runs, which is the first to know."""

        def poll(self, handle: TrialHandle) -> TrialResult | None:
            result = super().poll(handle)
            if handle.trial_number == number:
                disk.fill()
            return result

    launcher = Full(_without_room(number))
    with pytest.raises(StoreError, match=r"run folder .* be written: No space left") as told:
        run_search(make_spec(), out, launcher=launcher, observer=Silent(), with_test=False)
    assert told.value.exit_code == 3
    assert f"--resume {out}" in str(told.value)
    _assert_whole(out)
    assert _kept(tmp_path / "store") == dict.fromkeys(range(number + 1), 1)
    disk.make_room()
    done = _search(make_spec(), out, resume=True)
    assert done.stopped_by == "trials" and len(done.trials) == 6
    # The trial is run again: that its disk was full says nothing about its configuration.
    assert done.trials[number].result.outcome is not Outcome.INFRA
    _assert_whole(out)
    assert _kept(tmp_path / "store")[number] == 2


def test_a_run_folder_that_is_full_before_it_begins_holds_nothing(
    make_spec: MakeSpec, make_disk: MakeDisk
) -> None:
    disk = make_disk()
    disk.fill()
    out = disk.folder / "run"
    out.mkdir()
    with pytest.raises(StoreError, match=r"No space left on device\. Make room .* start it again"):
        _search(make_spec(), out)
    assert list(out.iterdir()) == []
    disk.make_room()
    assert _search(make_spec(), out).stopped_by == "trials"


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_trial_that_had_no_room_is_run_again_by_a_resume(
    make_spec: MakeSpec, tmp_path: Path, elsewhere: bool
) -> None:
    """The run folder itself has room: the cache may lie on another disk, or the model is large."""
    seconds = {"download": 1.0} if elsewhere else {}
    spec = make_spec(max_trials=3)
    first = _search(spec, tmp_path / "run", _without_room(1, seconds))
    assert [t.result.outcome for t in first.trials][1] is Outcome.INFRA
    assert first.trials[1].result.attempt == 1
    again = _search(spec, tmp_path / "run", resume=True)
    assert len(again.trials) == 3
    assert (again.trials[1].result.outcome is Outcome.INFRA) == elsewhere


def _full(disk: Disk) -> tuple[Callable[[], None], Callable[[], None]]:
    return disk.fill, disk.make_room


def _read_only(disk: Disk) -> tuple[Callable[[], None], Callable[[], None]]:
    return lambda: disk.set_writable(False), lambda: disk.set_writable(True)


@pytest.mark.parametrize("fault", [_full, _read_only])
def test_a_store_that_takes_nothing_from_the_middle_on(
    make_spec: MakeSpec,
    make_disk: MakeDisk,
    tmp_path: Path,
    fault: Callable[[Disk], tuple[Callable[[], None], Callable[[], None]]],
) -> None:
    disk = make_disk()
    spec = make_spec(store=str(disk.folder / "store"))
    begin, end = fault(disk)
    observer = Silent()
    result = _search(spec, tmp_path / "run", _at(3, begin), observer=observer)
    # The trials are worth more than the memory of them: the search goes on, and says so once.
    assert result.stopped_by == "trials" and len(result.trials) == 6 and result.best is not None
    assert len([note for note in observer.notes if "cannot be written" in note]) == 1
    assert result.unkept_experiences == 3
    with pytest.raises(StoreError, match="3 experiences could not be written to the store"):
        require_kept(result)
    assert _kept(disk.folder / "store") == dict.fromkeys(range(3), 1)
    end()
    again = _search(spec, tmp_path / "run", resume=True)
    require_kept(again)
    assert len(again.trials) == 6
    assert _kept(disk.folder / "store") == dict.fromkeys(range(6), 1)


def test_a_store_that_has_room_again_has_all_in_the_end(
    make_spec: MakeSpec, make_disk: MakeDisk, tmp_path: Path
) -> None:
    disk = make_disk()

    def result(spec: TrialSpec) -> TrialResult:
        {1: disk.fill, 4: disk.make_room}.get(spec.trial_number, lambda: None)()
        return analytic_result(spec)

    spec = make_spec(store=str(disk.folder / "store"))
    require_kept(_search(spec, tmp_path / "run", result))
    assert _kept(disk.folder / "store") == dict.fromkeys(range(6), 1)


def test_a_cache_of_histories_without_room_is_done_without(
    make_spec: MakeSpec, make_disk: MakeDisk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _search(make_spec(search_id="before"), tmp_path / "before")
    FolderStore(tmp_path / "store").compact()
    disk = make_disk()
    disk.fill()
    monkeypatch.setenv("XAUTOLM_CACHE", str(disk.folder))
    assert _search(make_spec(sampler="xautolm"), tmp_path / "run").warm_start.applied
    assert [path for path in disk.folder.rglob("*") if path.suffix in (".tmp", ".arrow")] == []
