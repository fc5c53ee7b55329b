"""What every launcher must do."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from xautolm.extending import SPEC_FILE
from xautolm.extending import Configuration
from xautolm.extending import Launcher
from xautolm.extending import LauncherInputs
from xautolm.extending import Outcome
from xautolm.extending import TrialHandle
from xautolm.extending import TrialResult
from xautolm.extending import TrialSpec
from xautolm.testing.patient import PatientLauncher
from xautolm_core.tasks.load import load_task
from xautolm_core.tasks.prepared import write_prepared
from xautolm_core.tasks.spec import TaskSpec
from xautolm_core.trial.contract import CHECKPOINT_FOLDER
from xautolm_core.trial.contract import RESULT_FILE

MakeSpec = Callable[..., TrialSpec]

_ROWS = 120


class _Quiet:
    def note(self, text: str, *, warning: bool = False) -> None:
        """Say nothing."""


class LauncherContract:
    """Subclasses give a fixture ``launcher``; the suite closes it.

    Its trials are of the method ``tfidf`` and take about a second each; they need no torch. The
    launcher has to run them with the folders of this machine. A call that does not return, and a
    trial that does not end, fail their test and say which.

    Attributes:
        patience_seconds: How long a trial may take from its submission to its end, and a call
            beyond the time that it is given. More is of use where a queue comes before trials.
    """

    patience_seconds: ClassVar[float] = 180.0

    @pytest.fixture
    def inputs(self, tmp_path: Path) -> LauncherInputs:
        """Return the arguments of the launcher's function, without settings."""
        return LauncherInputs("suite", tmp_path / "run", {}, _Quiet())

    @pytest.fixture
    def launcher(self, inputs: LauncherInputs) -> Launcher:
        raise NotImplementedError

    @pytest.fixture
    def open_launcher(self, launcher: Launcher) -> Iterator[PatientLauncher]:
        """Close the launcher at the end, twice: the second time must do nothing."""
        patient = PatientLauncher(launcher, self.patience_seconds)
        yield patient
        patient.close()
        patient.close()
        patient.end()

    @pytest.fixture
    def make_spec(self, tmp_path: Path) -> MakeSpec:
        """Return a function from a number and hyper-parameters to the spec of a small trial."""
        generator = random.Random(0)
        words = {"good": ("fine", "lovely", "warm"), "bad": ("slow", "broken", "cold")}
        rows = []
        for place in range(_ROWS):
            label = ("good", "bad")[place % 2]
            said = " ".join(generator.choices(words[label], k=4))
            rows.append(f"{said} number {place},{label}")
        data = tmp_path / "rows.csv"
        data.write_text("\n".join(["text,label", *rows]), encoding="utf-8")
        cache = tmp_path / "run" / "cache"
        task = write_prepared(load_task(TaskSpec(name="suite", data=str(data))), cache)

        def make(number: int = 0, **parameters: int) -> TrialSpec:
            return TrialSpec(
                search_id="suite",
                trial_number=number,
                task_folder=task,
                out_folder=tmp_path / "run" / "trials" / f"{number:04d}-0",
                cache_folder=cache,
                configuration=Configuration(branch="tfidf", method="tfidf", parameters=parameters),
                seed=number,
            )

        return make

    def test_a_trial_comes_to_a_result(
        self, open_launcher: PatientLauncher, make_spec: MakeSpec
    ) -> None:
        spec = make_spec()
        result = _ended(open_launcher, open_launcher.submit(spec))
        assert result.outcome is Outcome.OK
        assert (result.search_id, result.trial_number, result.attempt) == ("suite", 0, 0)
        assert result.scores["macro_f1"].value > 0.9
        assert result.model_folder is not None
        assert (spec.out_folder / result.model_folder).is_dir()
        kept = TrialResult.model_validate_json((spec.out_folder / RESULT_FILE).read_bytes())
        assert kept == result
        assert TrialSpec.model_validate_json((spec.out_folder / SPEC_FILE).read_bytes()) == spec

    def test_a_result_stays(self, open_launcher: PatientLauncher, make_spec: MakeSpec) -> None:
        handle = open_launcher.submit(make_spec())
        result = _ended(open_launcher, handle)
        assert open_launcher.poll(handle) == result
        assert open_launcher.cancel(handle, grace_seconds=0.5) == result

    def test_a_failed_trial_is_a_result(
        self, open_launcher: PatientLauncher, make_spec: MakeSpec
    ) -> None:
        result = _ended(open_launcher, open_launcher.submit(make_spec(no_such_parameter=1)))
        assert result.outcome is Outcome.INVALID
        assert result.failure is not None
        assert result.model_folder is None

    def test_several_run_and_one_that_ended_is_noticed(
        self, open_launcher: PatientLauncher, make_spec: MakeSpec
    ) -> None:
        handles = [open_launcher.submit(make_spec(number)) for number in range(3)]
        assert len({handle.key for handle in handles}) == 3
        results = [_ended(open_launcher, handle) for handle in handles]
        assert [result.trial_number for result in results] == [0, 1, 2]
        since = time.monotonic()
        open_launcher.wait(handles, 30.0)
        assert time.monotonic() - since < 5.0

    def test_a_cancelled_trial_is_a_result(
        self, open_launcher: PatientLauncher, make_spec: MakeSpec
    ) -> None:
        handle = open_launcher.submit(make_spec())
        result = open_launcher.cancel(handle, grace_seconds=5.0)
        assert result.outcome is Outcome.CANCELLED
        assert open_launcher.poll(handle) == result

    def test_a_trial_that_the_search_stops_early_is_pruned(
        self, open_launcher: PatientLauncher, make_spec: MakeSpec
    ) -> None:
        handle = open_launcher.submit(make_spec())
        open_launcher.begin_cancel([handle], pruned="worse than the others")
        result = _ended(open_launcher, handle)
        assert result.outcome is Outcome.PRUNED

    def test_a_trial_that_nobody_started_is_not_adopted(
        self, open_launcher: PatientLauncher, make_spec: MakeSpec
    ) -> None:
        assert open_launcher.adopt(make_spec(7)) is None

    def test_a_checkpoint_is_discarded(
        self, open_launcher: PatientLauncher, make_spec: MakeSpec
    ) -> None:
        spec = make_spec()
        _ended(open_launcher, open_launcher.submit(spec))
        checkpoint = spec.out_folder / CHECKPOINT_FOLDER
        checkpoint.mkdir(exist_ok=True)
        (checkpoint / "state").write_text("x")
        open_launcher.discard_checkpoint(spec.out_folder)
        open_launcher.discard_checkpoint(spec.out_folder)
        assert not checkpoint.exists()


def _ended(launcher: PatientLauncher, handle: TrialHandle) -> TrialResult:
    deadline = time.monotonic() + launcher.patience_seconds
    while (result := launcher.poll(handle)) is None:
        assert time.monotonic() < deadline, (
            f"{launcher.name}: trial {handle.trial_number} still runs after"
            f" {launcher.patience_seconds:.0f} s"
        )
        launcher.wait([handle], 1.0)
    return result
