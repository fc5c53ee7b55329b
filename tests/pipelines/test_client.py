"""The client against a server that answers well, badly, or not at all."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.pipelines.fake_kfp import Answer
from tests.pipelines.fake_kfp import FakeKfp
from xautolm_core.errors import ConfigError
from xautolm_pipelines.client import PipelinesClient
from xautolm_pipelines.client import connect
from xautolm_pipelines.connection import Connection
from xautolm_pipelines.package import read_package
from xautolm_pipelines.runs import RunStatus
from xautolm_pipelines.transport import PipelinesApiError

TOKEN = "eyJ-s3cr3t"
MakeClient = Callable[..., PipelinesClient]


def submit(client: PipelinesClient, tiny: Path) -> RunStatus:
    return client.submit(read_package(tiny), {"text": "a"}, name="first")


def test_a_run_of_an_uploaded_version(fake: FakeKfp, client: PipelinesClient, tiny: Path) -> None:
    run = submit(client, tiny)
    assert run.state == "PENDING"
    assert run.link == f"{fake.url}/#/runs/details/{run.id}"
    kept = fake.runs[run.id]
    assert kept["display_name"] == "first"
    assert kept["runtime_config"] == {"parameters": {"text": "a"}}
    version = fake.versions[kept["pipeline_version_reference"]["pipeline_version_id"]]
    assert version["yaml"] == tiny.read_text()
    assert version["display_name"] == read_package(tiny).version_name


def test_the_same_content_is_uploaded_once(
    fake: FakeKfp, client: PipelinesClient, tiny: Path, tmp_path: Path
) -> None:
    submit(client, tiny)
    submit(client, tiny)
    assert [len(o) for o in (fake.pipelines, fake.versions, fake.experiments)] == [1, 1, 1]
    changed = tmp_path / "changed.yaml"
    changed.write_text(tiny.read_text() + "# changed\n")
    submit(client, changed)
    assert [len(o) for o in (fake.pipelines, fake.versions, fake.runs)] == [1, 2, 3]


@pytest.mark.parametrize("operation", ["pipelines.create", "versions.upload"])
def test_two_upload_at_the_same_time(
    fake: FakeKfp, client: PipelinesClient, make_client: MakeClient, tiny: Path, operation: str
) -> None:
    other = make_client(fake)
    fake.before[operation] = lambda: other.ensure_version(read_package(tiny)) and None
    submit(client, tiny)
    assert (len(fake.pipelines), len(fake.versions), len(fake.runs)) == (1, 1, 1)


def test_two_make_an_experiment_at_the_same_time(
    fake: FakeKfp, client: PipelinesClient, make_client: MakeClient, tiny: Path
) -> None:
    other = make_client(fake)
    fake.before["experiments.create"] = lambda: other.ensure_experiment("xautolm") and None
    submit(client, tiny)
    fake.lose_answer_of.add("experiments.create")
    assert client.ensure_experiment("another") in fake.experiments
    assert len(fake.experiments) == 2


def test_a_server_with_many_users(make_client: MakeClient, tiny: Path) -> None:
    fake = FakeKfp(multi_user=True)
    try:
        with pytest.raises(ConfigError, match="Give --namespace"):
            make_client(fake)
        client = make_client(fake, namespace="team-a")
        run = submit(client, tiny)
        client.recurring_runs()
        assert client.runs(limit=5)[0].id == run.id
        assert next(iter(fake.experiments.values()))["namespace"] == "team-a"
        assert next(iter(fake.pipelines.values()))["namespace"] == "team-a"
    finally:
        fake.stop()


def test_a_namespace_is_not_sent_to_a_server_for_one(
    fake: FakeKfp, make_client: MakeClient
) -> None:
    assert make_client(fake, namespace="team-a").runs(limit=5) == []


def test_tokens(tmp_path: Path, make_client: MakeClient) -> None:
    fake = FakeKfp(token=TOKEN)
    try:
        file = tmp_path / "token"
        file.write_text(TOKEN)
        client = make_client(fake, token_file=file)
        assert client.runs(limit=1) == []
        fake.token = "renewed"
        file.write_text("renewed")
        assert client.runs(limit=1) == []
        with pytest.raises(PipelinesApiError, match=r"rejects the credentials \(401\)") as caught:
            make_client(fake, token=TOKEN)
        assert caught.value.exit_code == 4
        assert TOKEN not in str(caught.value)
    finally:
        fake.stop()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(403, {"message": "no"}), r"does not allow it \(403\)"),
        (Answer(302, b"", {"Location": "http://127.0.0.1:1/login"}), r"redirects \(302\)"),
        (
            Answer(400, {"message": "too\nmuch " + "x" * 999}),
            "answered 400: too much x.*x\\.\\.\\.",
        ),
        (Answer(404, b"<html>"), "answered 404: Not Found"),
        (Answer(200, b"<html>Log in</html>"), "does not answer like a Kubeflow Pipelines API"),
        (Answer(200, b"[]"), "does not answer like a Kubeflow Pipelines API"),
        (Answer(200, b"\xff"), "does not answer like a Kubeflow Pipelines API"),
        (Answer(200, {"runs": 5}), "makes no sense"),
        (Answer(200, {"runs": [{"state": "RUNNING"}]}), "makes no sense"),
        (Answer(200, {"runs": [{"run_id": "1", "created_at": "soon"}]}), "makes no sense"),
        (Answer(500, {"message": "down"}), "answered 500: down"),
    ],
)
def test_bad_answers(fake: FakeKfp, client: PipelinesClient, answer: Answer, words: str) -> None:
    answer.headers["Set-Cookie"] = TOKEN
    fake.misbehave["runs.list"] = [answer]
    with pytest.raises(PipelinesApiError, match=words) as caught:
        client.runs(limit=5)
    line = str(caught.value)
    assert "\n" not in line
    assert len(line) < 600
    assert TOKEN not in line


def test_reading_is_repeated_and_starting_is_not(
    fake: FakeKfp, client: PipelinesClient, tiny: Path
) -> None:
    fake.misbehave["runs.list"] = [Answer(503), Answer(502)]
    assert client.runs(limit=5) == []
    fake.misbehave["runs.create"] = [Answer(503, {"message": "busy"})]
    with pytest.raises(PipelinesApiError, match="answered 503: busy"):
        submit(client, tiny)
    assert fake.operations.count("runs.create") == 1


def test_time_is_limited(fake: FakeKfp, tiny: Path) -> None:
    client = connect(Connection(endpoint=fake.url, timeout_seconds=0.3))
    fake.misbehave["runs.create"] = [Answer(200, lambda: time.sleep(2))]
    start = time.monotonic()
    with pytest.raises(PipelinesApiError, match=r"in time .*It may have taken effect"):
        submit(client, tiny)
    assert time.monotonic() - start < 1.5


def test_nobody_is_there() -> None:
    start = time.monotonic()
    with pytest.raises(PipelinesApiError, match="cannot be reached"):
        connect(Connection(endpoint="http://127.0.0.1:1", timeout_seconds=5))
    assert time.monotonic() - start < 5


def test_connecting_touches_no_files(
    fake: FakeKfp, make_client: MakeClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import kfp

    context = tmp_path / "kfp" / "context.json"
    monkeypatch.setattr(kfp.Client, "_LOCAL_KFP_CONTEXT", str(context))
    make_client(fake)
    assert not context.parent.exists()


def test_unknown_runs(client: PipelinesClient) -> None:
    for ask in (client.run, client.cancel):
        with pytest.raises(ConfigError, match="there is no run 'nothing'"):
            ask("nothing")
        with pytest.raises(ConfigError, match="is not an id of a run"):
            ask("../pipelines")


def test_tasks_that_failed(fake: FakeKfp, client: PipelinesClient, tiny: Path) -> None:
    run = submit(client, tiny)
    fake.runs[run.id].update(
        state="FAILED",
        finished_at="2026-11-27T05:00:00Z",
        error={"code": 13, "message": "the run\nfailed"},
        run_details={
            "task_details": [
                {"task_id": "1", "display_name": "root", "state": "FAILED"},
                {
                    "task_id": "2",
                    "parent_task_id": "1",
                    "display_name": "search",
                    "state": "FAILED",
                    "state_history": [
                        {"state": "RUNNING"},
                        {"state": "FAILED", "error": {"message": "OOMKilled"}},
                    ],
                    "executor_detail": {"main_job": "tiny-1-main"},
                },
                {"task_id": "3", "parent_task_id": "1", "display_name": "a", "state": "SUCCEEDED"},
                {"task_id": "4", "parent_task_id": "1", "state": "FAILED", "pod_name": "tiny-4"},
            ]
        },
    )
    seen = client.run(run.id)
    assert seen.error == "the run failed"
    assert [(t.name, t.reason, t.pod) for t in seen.failed] == [
        ("search", "OOMKilled", "tiny-1-main"),
        ("4", "", "tiny-4"),
    ]
    assert seen.tasks == {"FAILED": 3, "SUCCEEDED": 1}


@pytest.mark.parametrize("end", ["SUCCEEDED", "FAILED", "CANCELED", "SKIPPED"])
def test_waiting_ends_with_every_end(
    fake: FakeKfp, client: PipelinesClient, tiny: Path, end: str
) -> None:
    run = submit(client, tiny)
    states: list[str] = []

    def step(seen: RunStatus) -> None:
        states.append(seen.state)
        fake.runs[run.id]["state"] = "RUNNING" if seen.state == "PENDING" else end
        fake.misbehave["runs.get"] = [Answer(500)] * 3  # the server is away for a while

    assert client.wait(run.id, on_change=step, poll_seconds=0.01).state == end
    assert states == ["PENDING", "RUNNING", end]


def test_waiting_gives_up(fake: FakeKfp, client: PipelinesClient, tiny: Path) -> None:
    run = submit(client, tiny)
    waited = client.wait(run.id, on_change=lambda _: None, poll_seconds=0.01, limit_seconds=0.05)
    assert waited.state == "PENDING"
    fake.misbehave["runs.get"] = [Answer(500)] * 1000
    with pytest.raises(PipelinesApiError, match="answered 500"):
        client.wait(run.id, on_change=lambda _: None, poll_seconds=0.01, patience_seconds=0.05)


def test_cancelling(fake: FakeKfp, client: PipelinesClient, tiny: Path) -> None:
    run = submit(client, tiny)
    assert client.cancel(run.id).state == "CANCELING"
    assert client.cancel(run.id).state == "CANCELING"
    assert fake.operations.count("runs.terminate") == 1
    fake.runs[run.id]["state"] = "CANCELED"
    assert client.cancel(run.id).state == "CANCELED"


def test_a_run_that_ends_while_it_is_cancelled(
    fake: FakeKfp, client: PipelinesClient, tiny: Path
) -> None:
    run = submit(client, tiny)
    fake.before["runs.terminate"] = lambda: fake.runs[run.id].update(state="SUCCEEDED")
    assert client.cancel(run.id).state == "SUCCEEDED"
