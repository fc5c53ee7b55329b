"""What a real cluster showed of pods that do not start or start again, against the HTTP server."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.launch.conftest import MakeSpec
from tests.launch.conftest import wait_for
from tests.launch.kubernetes.conftest import SEQUENCES
from tests.launch.kubernetes.conftest import SETTINGS
from tests.launch.kubernetes.conftest import FolderExchange
from tests.launch.kubernetes.conftest import Notes
from tests.launch.kubernetes.conftest import api_at
from tests.launch.kubernetes.fake_api import JOBS
from tests.launch.kubernetes.fake_api import PODS
from tests.launch.kubernetes.fake_api import FakeApi
from tests.launch.kubernetes.test_launcher import finish
from xautolm_core.errors import LaunchError
from xautolm_core.launch.kubernetes.launcher import KubernetesLauncher
from xautolm_core.launch.kubernetes.names import study_name
from xautolm_core.launch.kubernetes.probe import probe_machine
from xautolm_core.launch.kubernetes.settings import KubernetesSettings
from xautolm_core.launch.kubernetes.starting import UNREADABLE
from xautolm_core.objects.open import open_objects
from xautolm_core.records.outcome import Outcome
from xautolm_core.trial.files import read_heartbeat

Make = Callable[..., KubernetesLauncher]

MISSING = 'MountVolume.SetUp failed for volume "s3-credentials" : secret "absent" not found'


# --- a name that is still taken ---


def test_a_job_that_is_being_deleted_is_waited_for_and_not_adopted(
    make_kubernetes: Make,
    make_spec: MakeSpec,
    fake: FakeApi,
    exchange: FolderExchange,
    notes: Notes,
) -> None:
    spec = make_spec("any")
    first = make_kubernetes()
    old = first.submit(spec)
    fake.play(SEQUENCES["oom_killed"][:1], old.native_id)
    fake.holds_deleted = True
    first.begin_cancel([old])
    first.close(leave_running=True)
    second = make_kubernetes()
    handle = second.submit(spec)
    second.wait([handle], 1.5)
    assert second.poll(handle) is None
    assert len(fake.created) == 1
    assert "still being deleted" in notes.texts[-1]
    waits = read_heartbeat(spec.out_folder) or {}
    assert waits["phase"] == "waiting"
    # The old pod ends, out of memory; then its Job goes, and the new one is made.
    fake.holds_deleted = False
    fake.play(SEQUENCES["oom_killed"][1:2], old.native_id)
    fake.remove(JOBS, old.native_id)
    assert wait_for(lambda: second.poll(handle) is None and len(fake.created) == 2)
    assert [pod["metadata"]["uid"] for pod in fake.objects[PODS].values()] == [f"{old.native_id}-0"]
    fake.remove(PODS, f"{old.native_id}-0")
    exchange.tell(spec, "ok")
    fake.play(
        [{**step, "pod": 1} if "pod" in step else step for step in SEQUENCES["completed"]],
        handle.native_id,
    )
    assert finish(second, handle).outcome is Outcome.OK


def test_a_name_that_stays_taken_is_a_fault_and_can_be_cancelled(
    make_kubernetes: Make, make_spec: MakeSpec, fake: FakeApi
) -> None:
    specs = [make_spec("any") for _ in range(2)]
    first = make_kubernetes()
    handles = [first.submit(spec) for spec in specs]
    for handle in handles:
        fake.play(SEQUENCES["oom_killed"][:2], handle.native_id)
    fake.holds_deleted = True
    first.begin_cancel(handles)
    first.close(leave_running=True)
    second = make_kubernetes(start_failure_timeout_seconds=0.5)
    # Sixty seconds of grace are the least that a pod may have.
    second._settings = second._delays._settings = second._settings.model_copy(
        update={"termination_grace_seconds": 1}
    )
    handles = [second.submit(spec) for spec in specs]
    deletes = fake.requests["delete"]
    assert second.cancel(handles[1]).outcome is Outcome.CANCELLED
    result = finish(second, handles[0])
    assert result.failure is not None
    assert (result.outcome, result.failure.kind) == (Outcome.INFRA, "JobNameTaken")
    assert fake.requests["delete"] == deletes, "that Job is another attempt's"


# --- volumes that cannot be mounted ---


def test_a_missing_secret_is_told_while_the_pod_waits_and_ends_it(
    make_kubernetes: Make, make_spec: MakeSpec, fake: FakeApi, notes: Notes
) -> None:
    launcher = make_kubernetes(start_failure_timeout_seconds=1.6, max_faults_in_row=1)
    spec = make_spec("any")
    handle = launcher.submit(spec)
    fake.play(SEQUENCES["container_creating"], handle.native_id)
    pod = f"{handle.native_id}-0"
    fake.tell_event("Pod", pod, "FailedMount", "an older word", "2026-11-26T09:00:00Z")
    fake.tell_event("Pod", pod, "FailedMount", MISSING)
    fake.tell_event("Pod", pod, "BackOff", "of no concern", "2026-11-26T11:00:00Z")
    fake.tell_event("Pod", "of-another", "FailedMount", "of another pod")
    launcher.wait([handle], 1.2)
    assert launcher.poll(handle) is None
    assert notes.texts == [f"Trial {spec.trial_number} waits: FailedMount: {MISSING}"]
    assert read_heartbeat(spec.out_folder) == {
        "phase": "waiting",
        "waits_for": f"FailedMount: {MISSING}",
    }
    result = finish(launcher, handle)
    assert result.failure is not None
    assert (result.outcome, result.failure.kind) == (Outcome.INFRA, "VolumeMount")
    assert "absent" not in result.failure.message  # it goes into experiences
    assert fake.objects[JOBS] == {}
    with pytest.raises(LaunchError, match=r'could not start.*secret "absent" not found'):
        launcher.submit(make_spec("any"))


def test_a_secret_that_comes_late_is_no_fault(
    make_kubernetes: Make, make_spec: MakeSpec, fake: FakeApi, exchange: FolderExchange
) -> None:
    launcher = make_kubernetes(start_failure_timeout_seconds=1.2)
    spec = make_spec("any")
    handle = launcher.submit(spec)
    fake.play(SEQUENCES["container_creating"], handle.native_id)
    fake.tell_event("Pod", f"{handle.native_id}-0", "FailedMount", MISSING)
    launcher.wait([handle], 0.9)
    assert (read_heartbeat(spec.out_folder) or {})["phase"] == "waiting"
    # Its events stay for an hour, whatever becomes of the pod.
    fake.play(SEQUENCES["pulling"], handle.native_id)
    launcher.wait([handle], 1.5)
    assert launcher.poll(handle) is None
    assert read_heartbeat(spec.out_folder) == {"phase": "starting"}
    exchange.tell(spec, "ok")
    fake.play(SEQUENCES["completed"], handle.native_id)
    assert finish(launcher, handle).outcome is Outcome.OK


def test_events_that_may_not_be_read_leave_the_limit_and_say_what_is_missing(
    make_kubernetes: Make, make_spec: MakeSpec, fake: FakeApi, notes: Notes
) -> None:
    fake.unreadable = ("/events",)
    launcher = make_kubernetes(start_failure_timeout_seconds=0.8)
    handle = launcher.submit(make_spec("any"))
    fake.play(SEQUENCES["container_creating"], handle.native_id)
    result = finish(launcher, handle)
    assert result.failure is not None
    assert result.failure.kind == "VolumeMount"
    assert UNREADABLE in notes.texts[0]


def test_a_network_that_is_not_set_up_is_no_volume(
    make_kubernetes: Make, make_spec: MakeSpec, fake: FakeApi
) -> None:
    launcher = make_kubernetes(start_failure_timeout_seconds=0.5)
    handle = launcher.submit(make_spec("any"))
    fake.play(SEQUENCES["container_creating"], handle.native_id)
    said = "Failed to create pod sandbox: plugin type=bridge failed"
    fake.tell_event("Pod", f"{handle.native_id}-0", "FailedCreatePodSandBox", said)
    result = finish(launcher, handle)
    assert result.failure is not None
    assert result.failure.kind == "PodSandbox"


def test_a_missing_claim_is_no_full_cluster(
    make_kubernetes: Make, make_spec: MakeSpec, fake: FakeApi, notes: Notes
) -> None:
    launcher = make_kubernetes(start_failure_timeout_seconds=0.5)
    handle = launcher.submit(make_spec("any"))
    fake.play(SEQUENCES["claim_missing"], handle.native_id)
    result = finish(launcher, handle)
    assert result.failure is not None
    assert result.failure.kind == "VolumeMount"
    assert 'persistentvolumeclaim "absent" not found' in notes.texts[0]


def test_a_missing_service_account_is_no_quota(
    make_kubernetes: Make, make_spec: MakeSpec, fake: FakeApi, notes: Notes
) -> None:
    said = 'pods "xlm-" is forbidden: error looking up service account trials/absent: not found'
    launcher = make_kubernetes(unschedulable_timeout_seconds=1, start_failure_timeout_seconds=0.5)
    handle = launcher.submit(make_spec("any"))
    fake.tell_event("Job", handle.native_id, "FailedCreate", f"Error creating: {said}")
    result = finish(launcher, handle)
    assert result.failure is not None
    assert result.failure.kind == "PodRefused"
    assert said in notes.texts[0]


# --- trials that start again ---


def test_a_replaced_pod_is_told_with_the_reason(
    make_kubernetes: Make, make_spec: MakeSpec, fake: FakeApi, notes: Notes
) -> None:
    launcher = make_kubernetes()
    spec = make_spec("any")
    handle = launcher.submit(spec)
    fake.play(SEQUENCES["evicted_and_replaced"], handle.native_id)
    launcher.wait([handle], 1.0)
    assert launcher.poll(handle) is None
    assert notes.texts == [
        f"Trial {spec.trial_number} starts again: its pod was evicted, as when its node is drained"
    ]


def test_a_pod_of_a_lost_node_is_given_up_after_its_grace(
    make_kubernetes: Make, make_spec: MakeSpec, fake: FakeApi, notes: Notes
) -> None:
    launcher = make_kubernetes(start_failure_timeout_seconds=0.5)
    launcher._settings = launcher._delays._settings = launcher._settings.model_copy(
        update={"termination_grace_seconds": 1}
    )
    handle = launcher.submit(make_spec("any"))
    fake.play(SEQUENCES["node_lost"], handle.native_id)
    launcher.wait([handle], 0.5)
    assert notes.texts == []
    result = finish(launcher, handle)
    assert result.failure is not None
    assert (result.outcome, result.failure.kind) == (Outcome.PREEMPTED, "DeletionByTaintManager")
    assert "its node was lost" in result.failure.message
    assert "its node was lost" in notes.texts[0]


# --- the probe, which is the first pod of a search ---


def probe(fake: FakeApi, folder: Path, notes: Notes, **settings: object) -> None:
    probe_machine(
        api_at(fake.url),
        "trials",
        KubernetesSettings.model_validate({**SETTINGS, **settings}),
        run_id="run",
        exchange_address=folder.as_uri(),
        notes=notes,
        poll_seconds=0.1,
    )


def test_the_first_pod_tells_of_a_missing_secret(
    fake: FakeApi, tmp_path: Path, notes: Notes
) -> None:
    fake.unreadable = ("/secrets/",)

    def play() -> None:
        assert wait_for(lambda: bool(fake.objects[JOBS]))
        name = fake.job()["metadata"]["name"]
        fake.tell_event("Pod", f"{name}-0", "FailedMount", MISSING)
        fake.play(SEQUENCES["container_creating"], name)

    thread = threading.Thread(target=play)
    thread.start()
    with pytest.raises(LaunchError, match=r'does not start: FailedMount: .*"absent" not found'):
        probe(fake, tmp_path, notes, s3_secret="absent", start_failure_timeout_seconds=0.8)
    thread.join()
    assert len(notes.texts) == 1
    assert fake.objects[JOBS] == {}


def test_a_probe_that_is_being_deleted_is_waited_for(
    fake: FakeApi, tmp_path: Path, notes: Notes
) -> None:
    name = f"xlm-{study_name('run/probe')}-probe"
    ending = {"name": name, "uid": "before", "deletionTimestamp": "2026-11-26T10:00:00Z"}
    fake.put(JOBS, {"metadata": ending, "status": {}})

    def play() -> None:
        assert wait_for(lambda: bool(notes.texts))
        assert fake.created == []
        fake.remove(JOBS, name)
        assert wait_for(lambda: bool(fake.created))
        open_objects(tmp_path.as_uri()).put("probe/system.json", b"{}")

    thread = threading.Thread(target=play)
    thread.start()
    probe(fake, tmp_path, notes)
    thread.join()
    assert "still being deleted" in notes.texts[0]
    assert fake.objects[JOBS] == {}


_PROBE = """
import sys
from pathlib import Path
from tests.launch.kubernetes.conftest import Notes
from tests.launch.kubernetes.fake_api import FakeApi
from tests.launch.kubernetes.test_start_faults import probe

class Server:
    url = sys.argv[1]

probe(Server, Path(sys.argv[2]), Notes())
"""


@pytest.mark.parametrize("signals", [1, 2])
def test_a_terminated_step_removes_its_probe(fake: FakeApi, tmp_path: Path, signals: int) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", _PROBE, fake.url, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )
    assert wait_for(lambda: bool(fake.objects[JOBS]), 60)
    time.sleep(0.3)
    for _ in range(signals):
        process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 143
    assert fake.objects[JOBS] == {}
