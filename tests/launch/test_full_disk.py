"""Real trials whose disks have no room: a fault of the machine, and said so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.disks import MakeDisk
from tests.trial.tiny import make_task
from tests.trial.tiny import tiny_model
from xautolm_core.launch.local import LocalLauncher
from xautolm_core.records.attempt import TrialResult
from xautolm_core.records.configuration import Configuration
from xautolm_core.records.methods import is_cheap
from xautolm_core.records.outcome import Outcome
from xautolm_core.tasks.prepared import write_prepared
from xautolm_core.trial.contract import TrialSpec

pytest.importorskip("torch")


@pytest.fixture(scope="module")
def launcher() -> Iterator[LocalLauncher]:
    with LocalLauncher() as made:
        yield made


@pytest.fixture(scope="module")
def task_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_prepared(make_task(), tmp_path_factory.mktemp("data"))


def _spec(method: str, task_folder: Path, out: Path, cache: Path) -> TrialSpec:
    model = None if method == "tfidf" else tiny_model()
    parameters = {} if is_cheap(method) else {"epochs": 1, "max_length": 32, "batch_size": 16}
    return TrialSpec(
        search_id="full",
        trial_number=0,
        task_folder=task_folder,
        out_folder=out,
        cache_folder=cache,
        configuration=Configuration(
            branch=method, model=model.id if model else None, method=method, parameters=parameters
        ),
        model=model,
        seed=1,
        device="cpu",
    )


def _run(launcher: LocalLauncher, spec: TrialSpec) -> TrialResult:
    handle = launcher.submit(spec)
    launcher.wait([handle], 120)
    result = launcher.poll(handle)
    assert result is not None
    return result


@pytest.mark.parametrize("method", ["tfidf", "linear_probe", "full"])
@pytest.mark.parametrize("place", ["out", "cache"])
def test_a_trial_without_room_met_a_fault_of_its_machine(
    launcher: LocalLauncher,
    task_folder: Path,
    make_disk: MakeDisk,
    tmp_path: Path,
    method: str,
    place: str,
) -> None:
    disk = make_disk(size="24k")
    folders = {"out": tmp_path / "out", "cache": tmp_path / "cache", place: disk.folder / "here"}
    spec = _spec(method, task_folder, folders["out"], folders["cache"])
    result = _run(launcher, spec)
    if (method, place) == ("tfidf", "cache"):
        # It writes no more there than what others may do without.
        assert result.outcome is Outcome.OK
        return
    assert result.outcome is Outcome.INFRA
    assert result.failure is not None
    assert result.failure.kind == "SIGBUS" or "No space left" in result.failure.message
    assert result.model_folder is None
    drafts = [p.name for p in disk.folder.rglob(".*") if not p.name.endswith(".lock")]
    assert drafts == []


def test_a_result_that_cannot_be_written_is_told_all_the_same(
    launcher: LocalLauncher, task_folder: Path, make_disk: MakeDisk, tmp_path: Path
) -> None:
    disk = make_disk(size="64k")
    out = disk.folder / "trial"
    # Room for the spec alone.
    (disk.folder / "most").write_bytes(bytes(60 * 1024))
    result = _run(launcher, _spec("tfidf", task_folder, out, tmp_path / "cache"))
    assert not (out / "result.json").exists()
    assert result.outcome is Outcome.INFRA and result.failure is not None
    assert "No space left" in result.failure.message
