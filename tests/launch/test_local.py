"""Trials that end in every way there is, as real processes."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.launch.conftest import MakeSpec
from tests.launch.conftest import all_gone
from tests.launch.conftest import pids_of
from tests.launch.conftest import wait_for
from xautolm_core.errors import LaunchError
from xautolm_core.launch.contract import TrialHandle
from xautolm_core.launch.local import LocalLauncher
from xautolm_core.records.attempt import TrialResult
from xautolm_core.records.outcome import Outcome
from xautolm_core.trial.contract import LOG_FILE
from xautolm_core.trial.contract import RESULT_FILE
from xautolm_core.trial.contract import SPEC_FILE
from xautolm_core.trial.contract import TrialSpec
from xautolm_core.trial.files import read_result

MakeLauncher = Callable[..., LocalLauncher]


def finish(
    launcher: LocalLauncher, handle: TrialHandle, timeout_seconds: float = 20.0
) -> TrialResult:
    launcher.wait([handle], timeout_seconds)
    result = launcher.poll(handle)
    assert result is not None, f"trial {handle.trial_number} still runs"
    return result


def run(launcher: LocalLauncher, spec: TrialSpec) -> TrialResult:
    return finish(launcher, launcher.submit(spec))


def test_a_trial_that_succeeds(launcher: LocalLauncher, make_spec: MakeSpec) -> None:
    spec = make_spec("succeed")
    result = run(launcher, spec)
    assert result.outcome is Outcome.OK
    assert result.scores["macro_f1"].value == 0.5
    assert result.launched_at is not None
    assert 0 < result.seconds["startup"] < 10
    assert result.seconds["train"] == 1.0
    assert result.concurrent_trials == 1
    assert read_result(spec.out_folder) == result
    assert TrialSpec.model_validate_json((spec.out_folder / SPEC_FILE).read_text()) == spec


def test_start_up_costs_no_import(launcher: LocalLauncher, make_spec: MakeSpec) -> None:
    run(launcher, make_spec("succeed"))
    seconds = [run(launcher, make_spec("succeed")).seconds["startup"] for _ in range(5)]
    assert sorted(seconds)[2] < 0.3


def test_the_surroundings_of_a_trial(make_launcher: MakeLauncher, make_spec: MakeSpec) -> None:
    launcher = make_launcher(environment={"EXTRA": "told"})
    spec = make_spec("tell_surroundings", threads=3)
    assert run(launcher, spec).outcome is Outcome.OK
    facts = json.loads((spec.out_folder / "surroundings.json").read_text())
    assert facts["session"]
    assert facts["threads"] == 1
    assert facts["omp"] == "3"
    assert facts["extra"] == "told"
    assert facts["python_path"] == os.environ.get("PYTHONPATH")
    assert facts["sigterm"]
    assert facts["sockets"] == 0
    if launcher.memory_guard == "cgroup":
        assert "/xautolm-" in facts["cgroup"]
    assert "a line for the log" in (spec.out_folder / LOG_FILE).read_text()


def test_trials_run_at_the_same_time(launcher: LocalLauncher, make_spec: MakeSpec) -> None:
    handles = [launcher.submit(make_spec("sleep", seconds=30)) for _ in range(3)]
    good = launcher.submit(make_spec("succeed"))
    began = time.monotonic()
    launcher.wait([*handles, good], 10)
    assert time.monotonic() - began < 5
    result = launcher.poll(good)
    assert result is not None
    assert result.concurrent_trials == 4
    assert [launcher.poll(handle) for handle in handles] == [None, None, None]


def test_the_wait_ends_at_its_timeout(launcher: LocalLauncher, make_spec: MakeSpec) -> None:
    handle = launcher.submit(make_spec("sleep", seconds=30))
    began = time.monotonic()
    launcher.wait([handle], 0.3)
    assert 0.25 < time.monotonic() - began < 2
    launcher.wait([], 5)
    assert time.monotonic() - began < 2


def test_a_search_of_misbehaving_trials(launcher: LocalLauncher, make_spec: MakeSpec) -> None:
    """Four at once, each of which ends in its own way; none disturbs another."""
    expected = {
        "succeed": (Outcome.OK, None),
        "exit_silently": (Outcome.INFRA, "NoResult"),
        "exit_with_status": (Outcome.INFRA, "Exit3"),
        "segfault": (Outcome.INFRA, "SIGSEGV"),
        "abort": (Outcome.INFRA, "SIGABRT"),
        "raise_with_text": (Outcome.INFRA, "ValueError"),
        "write_torn_result": (Outcome.INFRA, "NoResult"),
        "write_foreign_result": (Outcome.INFRA, "NoResult"),
        "succeed_and_hang": (Outcome.OK, None),
        "sleep": (Outcome.TIMEOUT, "WallLimit"),
        "ignore_sigterm": (Outcome.TIMEOUT, "WallLimit"),
        "report_cancelled": (Outcome.TIMEOUT, "WallLimit"),
        "allocate": (Outcome.OOM_HOST, "MemoryLimit"),
    }
    waiting = list(expected)
    bystander = launcher.submit(make_spec("succeed", seconds=3))
    running: dict[str, TrialHandle] = {}
    results: dict[str, TrialResult] = {}
    deadline = time.monotonic() + 40
    while len(results) < len(expected):
        assert time.monotonic() < deadline, f"no end of {sorted(running)}"
        while waiting and len(running) < 3:
            name = waiting.pop(0)
            limited = name in ("sleep", "ignore_sigterm", "report_cancelled")
            spec = make_spec(
                name,
                seconds=60 if name == "sleep" else 0,
                status=3,
                mebibytes=400,
                memory_mebibytes=200 if name == "allocate" else None,
                wall_limit=1.0 if limited else None,
            )
            running[name] = launcher.submit(spec)
        launcher.wait(list(running.values()), 1.0)
        for name, handle in list(running.items()):
            result = launcher.poll(handle)
            if result is not None:
                results[name] = result
                del running[name]
                assert read_result(handle.out_folder) == result
                assert all_gone([int(handle.native_id)])
    found = {n: (r.outcome, r.failure.kind if r.failure else None) for n, r in results.items()}
    assert found == expected
    assert finish(launcher, bystander).outcome is Outcome.OK


def test_nothing_of_the_task_is_in_a_failure(launcher: LocalLauncher, make_spec: MakeSpec) -> None:
    spec = make_spec("raise_with_text")
    result = run(launcher, spec)
    assert result.failure is not None
    assert "secret" not in result.failure.message
    assert "/home" not in result.failure.message
    assert result.failure.message == "cannot read <text> in <path>"
    assert result.failure.traceback_hash
    assert "Traceback" in (spec.out_folder / LOG_FILE).read_text()


def test_a_segmentation_fault_leaves_its_stack(
    launcher: LocalLauncher, make_spec: MakeSpec
) -> None:
    spec = make_spec("segfault")
    run(launcher, spec)
    assert "Segmentation fault" in (spec.out_folder / LOG_FILE).read_text()


@pytest.mark.parametrize(
    ("number", "outcome"),
    [(signal.SIGKILL, Outcome.INFRA), (signal.SIGTERM, Outcome.PREEMPTED)],
)
def test_a_trial_that_is_killed_from_outside(
    launcher: LocalLauncher, make_spec: MakeSpec, number: signal.Signals, outcome: Outcome
) -> None:
    handle = launcher.submit(make_spec("sleep", seconds=60))
    os.kill(int(handle.native_id), number)
    result = finish(launcher, handle)
    assert result.outcome is outcome
    assert result.failure is not None
    assert result.failure.kind == number.name


def test_a_trial_that_tells_of_a_sigterm_from_outside(
    launcher: LocalLauncher, make_spec: MakeSpec
) -> None:
    spec = make_spec("report_cancelled")
    handle = launcher.submit(spec)
    assert wait_for((spec.out_folder / "prepared").exists)
    os.kill(int(handle.native_id), signal.SIGTERM)
    assert finish(launcher, handle).outcome is Outcome.PREEMPTED


def test_the_wall_limit_holds_while_nobody_looks(
    launcher: LocalLauncher, make_spec: MakeSpec
) -> None:
    spec = make_spec("ignore_sigterm", wall_limit=0.5)
    launcher.submit(spec)
    time.sleep(2.0)
    assert all_gone(pids_of(spec))


@pytest.mark.parametrize(
    "behaviour", ["allocate", "allocate_in_grandchild", "touch_what_was_granted"]
)
@pytest.mark.parametrize("guard", ["cgroup", "watchdog"])
def test_the_memory_limit_holds(
    make_launcher: MakeLauncher, make_spec: MakeSpec, guard: str, behaviour: str
) -> None:
    launcher = make_launcher(memory_guard=guard)
    try:
        assert launcher.memory_guard == guard
    except LaunchError:
        pytest.skip("no writable memory controller here")
    good = launcher.submit(make_spec(behaviour, mebibytes=64, memory_mebibytes=512))
    spec = make_spec(behaviour, mebibytes=1024, memory_mebibytes=256)
    handle = launcher.submit(spec)
    result = finish(launcher, handle)
    assert result.outcome is Outcome.OOM_HOST
    assert result.failure is not None
    assert result.failure.kind == "MemoryLimit"
    assert result.peak_host_bytes is not None
    assert 200 << 20 < result.peak_host_bytes < 500 << 20
    assert all_gone(pids_of(spec))
    if behaviour != "allocate_in_grandchild":
        assert finish(launcher, good).outcome is Outcome.OK
    else:
        assert launcher.poll(good) is None  # its helper sleeps


def test_a_memory_limit_that_takes_only_a_helper(
    make_launcher: MakeLauncher, make_spec: MakeSpec
) -> None:
    launcher = make_launcher(memory_guard="auto")
    if launcher.memory_guard != "cgroup":
        pytest.skip("no writable memory controller here")
    spec = make_spec("fail_as_infra_when_helper_dies", mebibytes=1024, memory_mebibytes=256)
    assert run(launcher, spec).outcome is Outcome.OOM_HOST


def test_no_memory_guard(make_launcher: MakeLauncher, make_spec: MakeSpec) -> None:
    launcher = make_launcher(memory_guard="none")
    spec = make_spec("allocate", mebibytes=128, memory_mebibytes=16)
    assert run(launcher, spec).outcome is Outcome.OK


def test_cancel(launcher: LocalLauncher, make_spec: MakeSpec) -> None:
    handle = launcher.submit(make_spec("sleep", seconds=60))
    result = launcher.cancel(handle)
    assert result.outcome is Outcome.CANCELLED
    assert launcher.cancel(handle) == result
    assert launcher.poll(handle) == result


def test_cancel_of_a_trial_that_ends_by_itself(
    launcher: LocalLauncher, make_spec: MakeSpec
) -> None:
    spec = make_spec("report_cancelled")
    handle = launcher.submit(spec)
    assert wait_for((spec.out_folder / "prepared").exists)
    result = launcher.cancel(handle)
    assert result.outcome is Outcome.CANCELLED
    assert result.seconds["train"] == 1.0  # what the trial itself told


def test_cancel_of_a_trial_that_ignores_it(launcher: LocalLauncher, make_spec: MakeSpec) -> None:
    spec = make_spec("ignore_sigterm")
    handle = launcher.submit(spec)
    assert wait_for((spec.out_folder / "ignoring").exists)
    began = time.monotonic()
    assert launcher.cancel(handle, grace_seconds=0.5).outcome is Outcome.CANCELLED
    assert 0.4 < time.monotonic() - began < 3


def test_cancel_after_the_trial_succeeded(launcher: LocalLauncher, make_spec: MakeSpec) -> None:
    handle = launcher.submit(make_spec("succeed"))
    launcher.wait([handle], 10)
    assert launcher.cancel(handle).outcome is Outcome.OK


def test_stopped_early_is_pruned_but_for_what_is_over(
    launcher: LocalLauncher, make_spec: MakeSpec
) -> None:
    done = launcher.submit(make_spec("succeed"))
    running = launcher.submit(make_spec("sleep", seconds=60))
    launcher.wait([done], 10)
    launcher.begin_cancel([done, running], pruned="fourth of 4 after epoch 1")
    launcher.wait([running], 10)
    found = [launcher.poll(handle) for handle in (done, running)]
    assert [one and one.outcome for one in found] == [Outcome.OK, Outcome.PRUNED]
    assert found[1] is not None and found[1].failure is not None
    assert found[1].failure.message == "fourth of 4 after epoch 1"
    assert read_result(running.out_folder) == found[1]
    assert launcher.cancel(running) == found[1]


def test_what_a_trial_leaves_behind_is_killed(launcher: LocalLauncher, make_spec: MakeSpec) -> None:
    other = make_spec("spawn_family")
    launcher.submit(other)
    assert wait_for((other.out_folder / "family").exists)
    spec = make_spec("leave_orphan")
    assert run(launcher, spec).outcome is Outcome.OK
    assert len(pids_of(spec)) == 2
    assert all_gone(pids_of(spec))
    family = pids_of(other)
    assert len(family) == 4
    assert not any(all_gone([pid]) for pid in family)  # another trial's are none of its business


def test_a_stale_result_is_not_taken(launcher: LocalLauncher, make_spec: MakeSpec) -> None:
    spec = make_spec("succeed")
    first = run(launcher, spec)
    assert first.outcome is Outcome.OK
    parameters = {"behaviour": "exit_silently"}
    again = spec.model_copy(
        update={"configuration": spec.configuration.model_copy(update={"parameters": parameters})}
    )
    assert run(launcher, again).outcome is Outcome.INFRA


def test_the_same_attempt_twice(launcher: LocalLauncher, make_spec: MakeSpec) -> None:
    spec = make_spec("sleep", seconds=30)
    launcher.submit(spec)
    with pytest.raises(LaunchError, match="is running already"):
        launcher.submit(spec)


def test_adopt(launcher: LocalLauncher, make_launcher: MakeLauncher, make_spec: MakeSpec) -> None:
    finished, lost = make_spec("succeed"), make_spec("sleep", seconds=30)
    result = run(launcher, finished)
    launcher.submit(lost)
    assert launcher.adopt(lost) is not None  # it still runs, under this very launcher
    launcher.close()

    successor = make_launcher()
    handle = successor.adopt(finished)
    assert handle is not None
    assert successor.poll(handle) == result
    successor.wait([handle], 5)
    assert successor.adopt(make_spec("succeed")) is None


def test_adopt_without_a_result(make_launcher: MakeLauncher, make_spec: MakeSpec) -> None:
    launcher = make_launcher()
    spec = make_spec("write_foreign_result")
    spec.out_folder.mkdir()
    assert launcher.adopt(spec) is None
    (spec.out_folder / RESULT_FILE).write_text("{")
    assert launcher.adopt(spec) is None


def test_close_kills_everything(launcher: LocalLauncher, make_spec: MakeSpec) -> None:
    specs = [make_spec("spawn_family") for _ in range(3)]
    handles = [launcher.submit(spec) for spec in specs]
    for spec in specs:
        assert wait_for((spec.out_folder / "family").exists)
    server = launcher.server_pid
    began = time.monotonic()
    launcher.close()
    assert time.monotonic() - began < 2
    assert all_gone([server, *(pid for spec in specs for pid in pids_of(spec))])
    for handle in handles:
        result = launcher.poll(handle)
        assert result is not None
        assert result.outcome is Outcome.CANCELLED
        assert read_result(handle.out_folder) == result
    launcher.close()
    with pytest.raises(LaunchError, match="closed"):
        launcher.submit(make_spec("succeed"))


def test_a_handle_of_another_launcher(launcher: LocalLauncher, tmp_path: Path) -> None:
    with pytest.raises(LaunchError, match="not submitted"):
        launcher.poll(TrialHandle("elsewhere", 0, 0, tmp_path, "1"))


def test_a_folder_that_cannot_be_written(
    launcher: LocalLauncher, make_spec: MakeSpec, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    spec = make_spec("succeed").model_copy(update={"out_folder": tmp_path / "file" / "trial"})
    with pytest.raises(LaunchError, match="cannot be written"):
        launcher.submit(spec)
    assert run(launcher, make_spec("succeed")).outcome is Outcome.OK


def test_a_target_that_does_not_exist(make_launcher: MakeLauncher, make_spec: MakeSpec) -> None:
    launcher = make_launcher(target="xautolm_no_such_module:run")
    with pytest.raises(LaunchError, match="No module named 'xautolm_no_such_module'"):
        launcher.submit(make_spec("succeed"))


def test_a_server_that_dies_on_import(
    make_launcher: MakeLauncher, make_spec: MakeSpec, tmp_path: Path
) -> None:
    (tmp_path / "dies_on_import.py").write_text(
        "import os, sys\nsys.stderr.write('no usable driver\\n')\nsys.stderr.flush()\nos._exit(3)\n"
    )
    launcher = make_launcher(target="dies_on_import:run", import_paths=[tmp_path])
    with pytest.raises(LaunchError, match="no usable driver"):
        launcher.submit(make_spec("succeed"))


def test_a_server_that_never_gets_ready(
    make_launcher: MakeLauncher, make_spec: MakeSpec, tmp_path: Path
) -> None:
    (tmp_path / "imports_slowly.py").write_text("import time\ntime.sleep(60)\n")
    began = time.monotonic()
    launcher = make_launcher(
        target="imports_slowly:run", import_paths=[tmp_path], start_timeout_seconds=0.5
    )
    assert time.monotonic() - began < 0.3  # the constructor does not wait
    with pytest.raises(LaunchError, match="not ready after"):
        launcher.submit(make_spec("succeed"))
    began = time.monotonic()
    launcher.close()
    assert time.monotonic() - began < 2


def test_preload_is_called_before_the_fork(
    make_launcher: MakeLauncher, make_spec: MakeSpec, tmp_path: Path
) -> None:
    (tmp_path / "preloaded.py").write_text(
        "import os\nloaded_in = []\ndef preload():\n    loaded_in.append(os.getpid())\n"
        "def run(spec):\n    (spec.out_folder / 'loaded_in').write_text(repr(loaded_in))\n"
    )
    launcher = make_launcher(target="preloaded:run", import_paths=[tmp_path])
    spec = make_spec("succeed")
    run(launcher, spec)
    assert (spec.out_folder / "loaded_in").read_text() == f"[{launcher.server_pid}]"
