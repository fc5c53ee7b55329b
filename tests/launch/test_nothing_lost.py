"""What real trials leave that are ended after their first evaluation."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.launch.conftest import REPOSITORY
from tests.launch.conftest import wait_for
from tests.trial.tiny import make_task
from tests.trial.tiny import tiny_model
from xautolm_core.launch.contract import TrialHandle
from xautolm_core.launch.local import LocalLauncher
from xautolm_core.records.attempt import TrialResult
from xautolm_core.records.configuration import Configuration
from xautolm_core.records.outcome import Outcome
from xautolm_core.records.scores import Score
from xautolm_core.tasks.prepared import write_prepared
from xautolm_core.trial.contract import MODEL_FOLDER
from xautolm_core.trial.contract import RESULT_FILE
from xautolm_core.trial.contract import TrialBudget
from xautolm_core.trial.contract import TrialSpec
from xautolm_core.trial.files import read_heartbeat
from xautolm_core.trial.files import read_result
from xautolm_core.trial.heartbeat_facts import evaluations_of
from xautolm_core.trial.saved_state import saved_folders

pytest.importorskip("torch")

MakeSpec = Callable[..., TrialSpec]
GRACE_SECONDS = 2.5


@pytest.fixture(scope="module")
def launcher() -> Iterator[LocalLauncher]:
    with LocalLauncher(
        target="tests.launch.saving_trials:run_by_name",
        preload=("xautolm_core.trial.run", "tests.launch.saving_trials"),
        import_paths=[REPOSITORY],
        grace_seconds=GRACE_SECONDS,
    ) as made:
        yield made


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture
def make_spec(data: Path, tmp_path: Path) -> MakeSpec:
    """Makes specs of trials that would train for hours."""

    def make(
        behaviour: str = "run", *, method: str = "full", wall_limit: float | None = None
    ) -> TrialSpec:
        model = tiny_model()
        parameters = {
            "epochs": 100_000, "max_length": 32, "learning_rate": 2e-3,
            "use_mixed_precision": False,
        }  # fmt: skip
        return TrialSpec(
            search_id="kept",
            trial_number=3,
            attempt=1,
            task_folder=write_prepared(make_task(), data),
            out_folder=tmp_path / "trial",
            cache_folder=data,
            configuration=Configuration(
                branch=behaviour, model=model.id, method=method, parameters=parameters
            ),
            model=model,
            seed=1,
            budget=TrialBudget(wall_limit_seconds=wall_limit),
            heartbeat_seconds=0.2,
        )

    return make


def finish(launcher: LocalLauncher, handle: TrialHandle, seconds: float = 60.0) -> TrialResult:
    launcher.wait([handle], seconds)
    result = launcher.poll(handle)
    assert result is not None
    assert read_result(handle.out_folder) == result
    return result


def assert_model_has(scores: dict[str, Score], spec: TrialSpec, tmp_path: Path) -> None:
    """The model on disk is whole, and scores what the result says."""
    from tests.trial.tiny import validation_scores

    assert not saved_folders(spec.out_folder)
    report = validation_scores(spec.out_folder / MODEL_FOLDER, spec.task_folder)
    assert report.macro_f1 == pytest.approx(scores["macro_f1"].value)


@pytest.mark.parametrize("method", ["full", "lora"])
def test_a_trial_ends_by_itself_before_its_wall(
    method: str, launcher: LocalLauncher, make_spec: MakeSpec, tmp_path: Path
) -> None:
    spec = make_spec(method=method, wall_limit=3.0)
    result = finish(launcher, launcher.submit(spec))
    assert (result.outcome, result.cut_by) == (Outcome.OK, "wall"), result.failure
    assert result.model_folder == MODEL_FOLDER and result.failure is None
    assert result.progress.steps == result.progress.scheduled_steps < result.progress.planned_steps
    assert result.ended_at is not None and result.started_at is not None
    assert (result.ended_at - result.started_at).total_seconds() < 3.0
    assert_model_has(dict(result.scores), spec, tmp_path)


@pytest.mark.parametrize("behaviour", ["hang", "hang_deaf"])
def test_a_trial_killed_by_its_wall_hands_over_its_best_state(
    behaviour: str, launcher: LocalLauncher, make_spec: MakeSpec, tmp_path: Path
) -> None:
    spec = make_spec(behaviour, wall_limit=3.0)
    result = finish(launcher, launcher.submit(spec))
    assert (result.outcome, result.cut_by) == (Outcome.OK, "wall"), result.failure
    assert result.failure is None and not result.saved_scores
    assert result.progress.best_epoch >= 1 and result.progress.rows == 96
    assert result.time_seconds is not None and result.versions["torch"]
    assert_model_has(dict(result.scores), spec, tmp_path)


@pytest.mark.parametrize(
    ("behaviour", "number", "outcome"),
    [
        ("run", signal.SIGTERM, Outcome.PREEMPTED),
        ("hang", signal.SIGTERM, Outcome.PREEMPTED),
        ("run", signal.SIGKILL, Outcome.INFRA),
    ],
)
def test_a_trial_ended_from_outside_names_what_it_had_saved(
    behaviour: str,
    number: signal.Signals,
    outcome: Outcome,
    launcher: LocalLauncher,
    make_spec: MakeSpec,
    tmp_path: Path,
) -> None:
    spec = make_spec(behaviour, method="lora")
    handle = launcher.submit(spec)
    assert wait_for(lambda: bool(saved_folders(spec.out_folder)), 30)
    os.kill(int(handle.native_id), number)
    result = finish(launcher, handle)
    assert (result.outcome, result.cut_by) == (outcome, None)
    assert result.failure is not None and result.failure.kind == number.name
    assert not result.scores and result.model_folder == MODEL_FOLDER
    assert_model_has(dict(result.saved_scores), spec, tmp_path)


def test_a_cancelled_trial_names_what_it_had_saved(
    launcher: LocalLauncher, make_spec: MakeSpec, tmp_path: Path
) -> None:
    spec = make_spec()
    handle = launcher.submit(spec)
    assert wait_for(lambda: bool(saved_folders(spec.out_folder)), 30)
    result = launcher.cancel(handle)
    assert result.outcome is Outcome.CANCELLED and not result.scores
    assert_model_has(dict(result.saved_scores), spec, tmp_path)


def test_a_trial_stopped_early_tells_its_evaluations_at_once(
    launcher: LocalLauncher, make_spec: MakeSpec
) -> None:
    spec = make_spec().model_copy(update={"heartbeat_seconds": 3600.0})
    handle = launcher.submit(spec)
    assert wait_for(lambda: bool(evaluations_of(read_heartbeat(spec.out_folder) or {})), 30)
    launcher.begin_cancel([handle], pruned="fourth of 4 after epoch 1")
    result = finish(launcher, handle)
    assert result.outcome is Outcome.PRUNED and not result.scores
    assert result.failure is not None and result.failure.kind == "StoppedEarly"
    assert result.evaluations[0].epoch == 1


def test_nothing_evaluated_is_a_timeout(launcher: LocalLauncher, make_spec: MakeSpec) -> None:
    spec = make_spec("hang", wall_limit=0.3)
    result = finish(launcher, launcher.submit(spec))
    assert result.outcome is Outcome.TIMEOUT and result.cut_by is None
    assert not result.scores and not result.saved_scores and result.model_folder is None


def test_what_an_attempt_saves_is_not_taken_for_another(
    launcher: LocalLauncher, make_spec: MakeSpec
) -> None:
    """Also not where the second attempt runs in the very folder of the first."""
    spec = make_spec()
    handle = launcher.submit(spec)
    assert wait_for(lambda: bool(saved_folders(spec.out_folder)), 30)
    assert launcher.cancel(handle).model_folder == MODEL_FOLDER
    weights = spec.out_folder / MODEL_FOLDER / "model.safetensors"
    assert np.fromfile(weights, np.uint8).size
    second = spec.model_copy(
        update={"attempt": 2, "task_folder": spec.task_folder / "gone"},
    )
    result = finish(launcher, launcher.submit(second))
    assert result.outcome is Outcome.INFRA
    assert result.model_folder is None and not result.saved_scores
    assert not weights.exists() and (spec.out_folder / RESULT_FILE).exists()
