"""Every recorded end of a Job, against an API server over HTTP that may be away or forgetful."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.launch.conftest import MakeSpec
from tests.launch.conftest import wait_for
from tests.launch.kubernetes.conftest import SEQUENCES
from tests.launch.kubernetes.conftest import FolderExchange
from tests.launch.kubernetes.conftest import Notes
from tests.launch.kubernetes.conftest import api_at
from tests.launch.kubernetes.fake_api import JOBS
from tests.launch.kubernetes.fake_api import FakeApi
from xautolm_core.errors import LaunchError
from xautolm_core.launch.contract import TrialHandle
from xautolm_core.launch.kubernetes.launcher import KubernetesLauncher
from xautolm_core.records.attempt import TrialResult
from xautolm_core.records.outcome import Outcome
from xautolm_core.trial.contract import LOG_FILE
from xautolm_core.trial.files import read_result

Make = Callable[..., KubernetesLauncher]


def finish(launcher: KubernetesLauncher, handle: TrialHandle, seconds: float = 15) -> TrialResult:
    launcher.wait([handle], seconds)
    result = launcher.poll(handle)
    assert result is not None, "the trial still runs"
    return result


@pytest.mark.parametrize(
    ("sequence", "outcome", "kind"),
    [
        ("oom_killed", Outcome.OOM_HOST, "OOMKilled"),
        ("oom_killed_job_first", Outcome.OOM_HOST, "OOMKilled"),
        ("deadline_exceeded", Outcome.TIMEOUT, "WallLimit"),
        ("deadline_while_pulling", Outcome.INFRA, "DeadlineBeforeLimit"),
        ("evicted", Outcome.PREEMPTED, "EvictionByEvictionAPI"),
        ("pod_gone", Outcome.INFRA, "PodGone"),
        ("job_gone", Outcome.INFRA, "JobGone"),
        ("completed", Outcome.INFRA, "NoResult"),
        ("refused_input", Outcome.INVALID, "Exit2"),
        ("storage_error", Outcome.INFRA, "Exit3"),
    ],
)
def test_ends_without_a_result(
    make_kubernetes: Make,
    make_spec: MakeSpec,
    fake: FakeApi,
    exchange: FolderExchange,
    sequence: str,
    outcome: Outcome,
    kind: str,
) -> None:
    launcher = make_kubernetes()
    spec = make_spec("any", wall_limit=50.0)
    handle = launcher.submit(spec)
    exchange.beat(spec, phase="train", started_at="2026-11-26T10:00:15+00:00")
    fake.logs[f"{handle.native_id}-0"] = "the text of a row\n"
    fake.play(SEQUENCES[sequence], handle.native_id)
    result = finish(launcher, handle)
    assert result.outcome is outcome
    assert result.failure is not None
    assert result.failure.kind == kind
    assert "row" not in result.failure.message
    assert read_result(spec.out_folder) == result
    assert fake.objects[JOBS] == {}
    if sequence == "oom_killed":
        assert "the text of a row" in (spec.out_folder / LOG_FILE).read_text()


def test_a_deadline_that_passes_while_data_are_fetched_is_no_timeout(
    make_kubernetes: Make, make_spec: MakeSpec, fake: FakeApi, exchange: FolderExchange
) -> None:
    launcher = make_kubernetes()
    spec = make_spec("any", wall_limit=50.0)
    handle = launcher.submit(spec)
    exchange.beat(spec, phase="download")
    fake.play(SEQUENCES["deadline_exceeded"], handle.native_id)
    result = finish(launcher, handle)
    assert result.failure is not None
    assert (result.outcome, result.failure.kind) == (Outcome.INFRA, "DeadlineBeforeLimit")


def test_a_trial_that_succeeds(
    make_kubernetes: Make, make_spec: MakeSpec, fake: FakeApi, exchange: FolderExchange
) -> None:
    launcher = make_kubernetes()
    spec = make_spec("any")
    handle = launcher.submit(spec)
    assert launcher.poll(handle) is None
    with pytest.raises(LaunchError, match="is running already"):
        launcher.submit(spec)
    exchange.tell(spec, "ok", seconds={"train": 2.0})
    fake.play(SEQUENCES["completed"], handle.native_id)
    result = finish(launcher, handle)
    assert (result.outcome, result.seconds["train"]) == (Outcome.OK, 2.0)
    assert result.launched_at is not None
    assert fake.objects[JOBS] == {}


@pytest.mark.parametrize("sequence", ["image_pull", "container_config", "unschedulable"])
def test_a_pod_that_never_starts(
    make_kubernetes: Make, make_spec: MakeSpec, fake: FakeApi, notes: Notes, sequence: str
) -> None:
    launcher = make_kubernetes(
        unschedulable_timeout_seconds=0.5, start_failure_timeout_seconds=0.5, max_faults_in_row=1
    )
    handle = launcher.submit(make_spec("any"))
    fake.play(SEQUENCES[sequence], handle.native_id)
    result = finish(launcher, handle)
    assert result.outcome is Outcome.INFRA
    told = {
        "image_pull": "ImagePullBackOff: Back-off pulling image",
        "container_config": 'secret "keys" not found',
        "unschedulable": "0/3 nodes are available",
    }
    assert len(notes.texts) == 1
    assert told[sequence] in notes.texts[0]
    with pytest.raises(LaunchError, match="1 trials in a row could not start"):
        launcher.submit(make_spec("any"))


def test_a_quota_that_is_used_up(
    make_kubernetes: Make, make_spec: MakeSpec, fake: FakeApi, notes: Notes
) -> None:
    launcher = make_kubernetes(unschedulable_timeout_seconds=1)
    handle = launcher.submit(make_spec("any"))
    fake.tell_event("Job", handle.native_id, "FailedCreate", "exceeded quota: gpus")
    result = finish(launcher, handle)
    assert result.failure is not None
    assert result.failure.kind == "QuotaExceeded"
    assert "exceeded quota: gpus" in notes.texts[0]


def test_a_queue_is_waited_for(make_kubernetes: Make, make_spec: MakeSpec, fake: FakeApi) -> None:
    launcher = make_kubernetes(unschedulable_timeout_seconds=0.1)
    handle = launcher.submit(make_spec("any"))
    fake.put(JOBS, {**fake.job(), "spec": {"suspend": True}})
    launcher.wait([handle], 0.6)
    assert launcher.poll(handle) is None


def test_a_disrupted_pod_is_replaced_so_many_times(
    make_kubernetes: Make, make_spec: MakeSpec, fake: FakeApi
) -> None:
    for most, ends in ((1, False), (0, True)):
        launcher = make_kubernetes(max_replacements=most)
        handle = launcher.submit(make_spec("any"))
        fake.play(SEQUENCES["evicted_and_replaced"], handle.native_id)
        launcher.wait([handle], 1.0)
        result = launcher.poll(handle)
        assert (result is not None) is ends
        if result is not None and result.failure is not None:
            assert (result.outcome, result.failure.kind) == (Outcome.INFRA, "TooManyReplacements")


@pytest.mark.parametrize("trouble", ["away", "dropped", "expired"])
def test_the_server_is_away_or_forgetful(
    make_kubernetes: Make,
    make_spec: MakeSpec,
    fake: FakeApi,
    exchange: FolderExchange,
    trouble: str,
) -> None:
    launcher = make_kubernetes()
    spec = make_spec("any")
    handle = launcher.submit(spec)
    assert wait_for(lambda: fake.requests["watch"] >= 2)
    exchange.tell(spec, "ok")
    if trouble == "away":
        fake.stop()
        launcher.wait([handle], 1.0)
        assert launcher.poll(handle) is None
        fake.start()
    fake.play(SEQUENCES["completed"], handle.native_id)
    if trouble == "expired":
        fake.expire()
    else:
        fake.drop_watches()
    assert finish(launcher, handle).outcome is Outcome.OK


def test_submit_outlasts_a_server_that_is_away(
    make_kubernetes: Make, make_spec: MakeSpec, fake: FakeApi
) -> None:
    launcher = make_kubernetes()
    fake.stop()
    timer = threading.Timer(1.0, fake.start)
    timer.start()
    launcher.submit(make_spec("any"))
    timer.join()
    fake.failures += [("post", 429), ("post", 503)]
    launcher.submit(make_spec("any"))
    assert len(fake.created) == 2


def test_a_lost_answer_is_adopted(
    make_kubernetes: Make, make_spec: MakeSpec, fake: FakeApi
) -> None:
    spec = make_spec("any")
    first, second = make_kubernetes(), make_kubernetes()
    handle = first.submit(spec)
    assert second.submit(spec) == handle
    assert len(fake.created) == 1
    job = fake.job()
    job["metadata"]["annotations"]["xautolm.io/search-id"] = "another"
    with pytest.raises(LaunchError, match="is not of this search"):
        make_kubernetes().submit(spec)


def test_cancel_and_close_leave_nothing(
    make_kubernetes: Make, make_spec: MakeSpec, fake: FakeApi
) -> None:
    launcher = make_kubernetes()
    handles = [launcher.submit(make_spec("any")) for _ in range(3)]
    fake.play(SEQUENCES["completed"][:1], handles[0].native_id)
    assert launcher.cancel(handles[0]).outcome is Outcome.CANCELLED
    assert len(fake.objects[JOBS]) == 2
    launcher.close()
    launcher.close()
    assert fake.objects[JOBS] == {}
    result = launcher.poll(handles[1])
    assert result is not None
    assert result.outcome is Outcome.CANCELLED


def test_a_trial_stopped_early_is_pruned_here_and_where_a_successor_looks(
    make_kubernetes: Make, make_spec: MakeSpec, fake: FakeApi, exchange: FolderExchange
) -> None:
    launcher, spec = make_kubernetes(), make_spec("any")
    handle = launcher.submit(spec)
    exchange.beat(spec, evaluations=[{"epoch": 1, "score": 0.5, "seconds": 3.0}])
    launcher.begin_cancel([handle], pruned="fourth of 4 after epoch 1")
    exchange.tell(spec, "cancelled")
    launcher.wait([handle], 10)
    result = launcher.poll(handle)
    assert result is not None and result.failure is not None
    assert result.outcome is Outcome.PRUNED
    assert result.failure.message == "fourth of 4 after epoch 1"
    assert exchange.result(spec) == read_result(spec.out_folder) == result


_CONTROLLER = """
import sys, time
from pathlib import Path
from tests.launch.kubernetes.conftest import FolderExchange, SETTINGS, api_at
from xautolm_core.launch.kubernetes.launcher import KubernetesLauncher
from xautolm_core.launch.kubernetes.settings import KubernetesSettings
from xautolm_core.trial.contract import TrialSpec
launcher = KubernetesLauncher(
    api=api_at(sys.argv[1]), namespace="trials", search_id="test-search",
    settings=KubernetesSettings.model_validate(SETTINGS),
    exchange=FolderExchange(Path(sys.argv[2])),
)
for text in sys.argv[3:]:
    launcher.submit(TrialSpec.model_validate_json(text))
time.sleep(60)
"""


def test_a_controller_that_is_killed_and_restarted(
    make_kubernetes: Make, make_spec: MakeSpec, fake: FakeApi, exchange: FolderExchange
) -> None:
    specs = [make_spec("any") for _ in range(3)]
    texts = [spec.model_dump_json() for spec in specs]
    root = str(Path(__file__).parents[3])
    process = subprocess.Popen(
        [sys.executable, "-c", _CONTROLLER, fake.url, str(exchange.folder), *texts],
        env={**os.environ, "PYTHONPATH": root},
    )
    assert wait_for(lambda: len(fake.created) == 3)
    process.send_signal(signal.SIGKILL)
    process.wait()
    names = [job["metadata"]["name"] for job in fake.created]
    exchange.tell(specs[0], "ok")
    fake.play(SEQUENCES["completed"], names[0])  # while nobody looks
    launcher = make_kubernetes()
    handles = [launcher.adopt(spec) for spec in specs]
    assert all(handles)
    exchange.tell(specs[1], "ok")
    fake.play(SEQUENCES["completed"], names[1])
    fake.play(SEQUENCES["oom_killed"], names[2])
    outcomes = [finish(launcher, handle).outcome for handle in handles if handle]
    assert outcomes == [Outcome.OK, Outcome.OK, Outcome.OOM_HOST]
    assert len(fake.created) == 3
    assert launcher.adopt(make_spec("never submitted")) is None


def test_a_checkpoint_is_discarded_there_and_here(
    make_kubernetes: Make, make_spec: MakeSpec, exchange: FolderExchange
) -> None:
    spec = make_spec("any")
    launcher = make_kubernetes()
    launcher.submit(spec)
    (spec.out_folder / "checkpoint").mkdir()
    launcher.discard_checkpoint(spec.out_folder)
    assert exchange.discarded == [spec.out_folder]
    assert not (spec.out_folder / "checkpoint").exists()


def test_requests_do_not_grow_with_time(
    make_kubernetes: Make, make_spec: MakeSpec, fake: FakeApi
) -> None:
    launcher = make_kubernetes()
    handles = [launcher.submit(make_spec("any")) for _ in range(30)]
    assert wait_for(lambda: fake.requests["watch"] >= 2)
    before = fake.requests.total()
    deadline = time.monotonic() + 1.5
    while time.monotonic() < deadline:
        launcher.wait(handles, 0.3)
    assert fake.requests.total() - before <= 2


def test_close_does_not_wait_for_the_watches(
    make_kubernetes: Make, make_spec: MakeSpec, fake: FakeApi
) -> None:
    launcher = make_kubernetes()
    launcher.submit(make_spec("any"))
    assert wait_for(lambda: fake.requests["watch"] >= 2)
    began = time.monotonic()
    launcher.close(leave_running=True)
    assert time.monotonic() - began < 2
    assert len(fake.objects[JOBS]) == 1


def test_what_the_server_says_is_told(fake: FakeApi) -> None:
    fake.failures.append(("get", 403))
    answer: Any
    with pytest.raises(LaunchError, match="answered 403: refused with 403") as answer:
        api_at(fake.url).request("GET", JOBS)
    assert answer.value.status == 403
