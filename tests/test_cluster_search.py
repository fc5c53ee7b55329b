"""A search here whose trials are on a cluster: what is checked first, what is left at its end."""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.launch.conftest import MakeSpec
from tests.launch.conftest import make_spec  # noqa: F401
from tests.launch.kubernetes.fake_api import JOBS
from tests.launch.kubernetes.fake_api import FakeApi
from xautolm_core import cluster_search
from xautolm_core.cluster_search import CLUSTER_FILE
from xautolm_core.cluster_search import ClusterRun
from xautolm_core.cluster_search import on_cluster
from xautolm_core.cluster_search import read_cluster_run
from xautolm_core.errors import ConfigError
from xautolm_core.errors import StoreError
from xautolm_core.launch.kubernetes.settings import ClusterSettings
from xautolm_core.records.features import FeatureVector
from xautolm_core.search.contract import SEARCH_FILE
from xautolm_core.search.contract import SearchSpec
from xautolm_core.search.measured import Measured
from xautolm_core.search.measured import TrialMachine
from xautolm_core.search.run_folder import locked
from xautolm_core.tasks.spec import TaskSpec

pytest.importorskip("kubernetes")

MEASURED = Measured(
    FeatureVector(extractor="task", version="1", values={"rows": 2.0}),
    FeatureVector(extractor="system", version="1", values={"logical_cores": 4.0}),
    TrialMachine(threads=4, host_bytes=1 << 30),
)


class Observer:
    def __init__(self) -> None:
        self.warnings: list[str] = []

    def phase(self, name: str, detail: str = "") -> None:
        pass

    def note(self, text: str, *, warning: bool = False) -> None:
        self.warnings.append(text)


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeApi]:
    api = FakeApi()
    api.write_kubeconfig(tmp_path / "kubeconfig")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    yield api
    api.stop()


@pytest.fixture
def settings(tmp_path: Path) -> ClusterSettings:
    workspace = (tmp_path / "work").as_uri()
    return ClusterSettings(image="trial:1", namespace="trials", workspace=workspace)


@pytest.fixture
def spec(tmp_path: Path) -> SearchSpec:
    (tmp_path / "task").mkdir()
    (tmp_path / "task" / "train").write_bytes(b"rows")
    task = TaskSpec(data=str(tmp_path / "absent.csv"))
    return SearchSpec(search_id="test-search", task=task, store=str(tmp_path / "store"))


@pytest.fixture
def run(tmp_path: Path, settings: ClusterSettings) -> Path:
    """The folder of a search that has begun: what a pod has was measured."""
    folder = tmp_path / "run"
    folder.mkdir()
    kept = ClusterRun(settings=settings, measured=MEASURED.document())
    (folder / CLUSTER_FILE).write_text(kept.model_dump_json())
    (folder / SEARCH_FILE).write_text("{}")
    return folder


@pytest.mark.parametrize(
    ("error", "left"), [(StoreError("the network is gone"), 1), (KeyboardInterrupt(), 0)]
)
def test_after_an_error_trials_go_on_and_a_resume_takes_them_over(
    fake: FakeApi,
    settings: ClusterSettings,
    spec: SearchSpec,
    run: Path,
    make_spec: MakeSpec,  # noqa: F811
    error: BaseException,
    left: int,
) -> None:
    trial, observer = make_spec("any"), Observer()

    def cut_off() -> None:
        with on_cluster(spec, settings, run, observer) as (launcher, measured):
            assert measured == MEASURED
            launcher.submit(trial)
            # What the pod needs of this machine is there before its Job.
            assert list((run.parent / "work" / "test-search").glob("tasks/task-*/manifest.json"))
            raise error

    with pytest.raises(type(error)):
        cut_off()
    assert len(fake.objects[JOBS]) == left
    assert ["resume" in text for text in observer.warnings] == [True] * left
    with on_cluster(spec, settings, run, observer) as (launcher, _):
        handle = launcher.adopt(trial)
        assert handle is not None
        result = launcher.poll(handle)
        assert (result is None) == bool(left)
    assert fake.objects[JOBS] == {}


def test_settings_of_a_search_that_runs_are_not_replaced(
    fake: FakeApi, settings: ClusterSettings, spec: SearchSpec, run: Path
) -> None:
    before = (run / CLUSTER_FILE).read_bytes()
    others = settings.model_copy(update={"environment": {"A": "b"}})
    with (
        locked(run),
        pytest.raises(ConfigError, match="Another process"),
        on_cluster(spec, others, run, Observer()),
    ):
        raise AssertionError("unreachable")
    assert fake.created == []
    assert (run / CLUSTER_FILE).read_bytes() == before


def _go_on(spec: SearchSpec, settings: ClusterSettings, run: Path) -> None:
    """Go on with a search whose pods are measured as soon as the other process is, too."""

    def measured(*_: object) -> Measured:
        (run.parent / f"measured-{os.getpid()}").touch()
        deadline = time.monotonic() + 2
        while len(list(run.parent.glob("measured-*"))) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        return MEASURED

    cluster_search._measured = measured  # type: ignore[assignment]
    try:
        with on_cluster(spec, settings, run, Observer()):
            time.sleep(0.5)
            kept = read_cluster_run(run)
            sys.exit(0 if kept is not None and kept.settings == settings else 9)
    except ConfigError as error:
        sys.exit(2 if "Another process" in str(error) else 8)


def test_of_two_resumes_at_the_same_moment_one_goes_on_with_its_settings(
    fake: FakeApi, settings: ClusterSettings, spec: SearchSpec, run: Path
) -> None:
    spawn = multiprocessing.get_context("spawn")
    others = [settings.model_copy(update={"environment": {"A": value}}) for value in "bc"]
    processes = [spawn.Process(target=_go_on, args=(spec, one, run)) for one in others]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert sorted(process.exitcode or 0 for process in processes) == [0, 2]
    winner = others[[process.exitcode for process in processes].index(0)]
    kept = read_cluster_run(run)
    assert kept is not None
    assert kept.settings == winner


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"s3_secret": "absent"}, "no secret 'absent'"),
        ({"workspace": "s3://"}, "workspace: "),
        ({}, r"absent\.csv"),
    ],
)
def test_what_is_missing_is_told_before_any_pod_and_leaves_nothing(
    fake: FakeApi,
    settings: ClusterSettings,
    spec: SearchSpec,
    tmp_path: Path,
    changes: dict[str, Any],
    words: str,
) -> None:
    run = tmp_path / "new"
    with (
        pytest.raises(ConfigError, match=words),
        on_cluster(spec, settings.model_copy(update=changes), run, Observer()),
    ):
        raise AssertionError("unreachable")
    assert fake.created == []
    assert not run.exists()


def test_a_search_that_does_not_begin_leaves_no_run_folder(
    fake: FakeApi,
    settings: ClusterSettings,
    spec: SearchSpec,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("xautolm_core.cluster_search._measured", lambda *given: MEASURED)
    with (
        pytest.raises(ConfigError, match="the store"),
        on_cluster(spec, settings, tmp_path / "new", Observer()),
    ):
        assert (tmp_path / "new" / CLUSTER_FILE).exists()
        raise ConfigError("the store cannot be written")
    assert not (tmp_path / "new").exists()
