"""The command as it is called."""

from __future__ import annotations

import builtins
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import Call
from tests.pipelines.fake_kfp import FakeKfp
from xautolm_pipelines import client as client_module

TOKEN = "eyJ-s3cr3t"


def submit(call: Call, fake: FakeKfp, tiny: Path, *more: str) -> Any:
    return call("pipeline", "submit", tiny, "--param", "text=a", "--endpoint", fake.url, *more)


def test_submit_prints_id_and_link(fake: FakeKfp, call: Call, tiny: Path) -> None:
    ended = submit(call, fake, tiny, "--ui", "https://ui.example.com/pipeline", "--name", "mine")
    assert (ended.code, ended.err) == (0, "")
    ((run_id, run),) = fake.runs.items()
    link = f"https://ui.example.com/pipeline/#/runs/details/{run_id}"
    assert ended.out == f"run {run_id}\n{link}\n"
    assert run["display_name"] == "mine"


def test_submit_as_json(fake: FakeKfp, call: Call, tiny: Path, tmp_path: Path) -> None:
    file = tmp_path / "parameters.yaml"
    file.write_text("trials: 5\nitems: [a, b]\n")
    ended = submit(call, fake, tiny, "--json", "--params-file", str(file))
    ((run_id, run),) = fake.runs.items()
    document = json.loads(ended.out)
    assert (document["run"], document["state"]) == (run_id, "PENDING")
    assert run["display_name"].startswith("tiny 20")
    parameters = {"text": "a", "trials": 5, "items": ["a", "b"]}
    assert run["runtime_config"]["parameters"] == parameters


@pytest.mark.parametrize(("end", "code"), [("SUCCEEDED", 0), ("FAILED", 5), ("CANCELED", 5)])
def test_submit_and_wait(fake: FakeKfp, call: Call, tiny: Path, end: str, code: int) -> None:
    fake.before["runs.get"] = lambda: next(iter(fake.runs.values())).update(
        state=end, finished_at="2026-11-27T05:00:00Z"
    )
    ended = submit(call, fake, tiny, "--wait", "--json")
    assert ended.code == code
    assert json.loads(ended.out)["state"] == end
    assert "waiting for" in ended.err


def test_a_wait_that_gives_up(
    fake: FakeKfp, call: Call, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module.time, "sleep", lambda _: None)
    ended = submit(call, fake, tiny, "--wait-limit", "0.01s")
    assert ended.code == 5
    assert ended.out.endswith("state pending, not ended yet\n")


def test_nothing_is_sent_when_the_input_is_wrong(fake: FakeKfp, call: Call, tiny: Path) -> None:
    for more in (
        ("submit", str(tiny)),
        ("submit", str(tiny), "--param", "text=a", "--param", "trails=3"),
        ("submit", "xautolm-nothing", "--param", "text=a"),
        ("submit", str(tiny), "--param", "text=a", "--timeout", "soon"),
        ("submit", str(tiny), "--param", "text=a", "--wait-limit", "soon"),
        ("schedule", str(tiny), "--param", "text=a"),
        ("schedule", str(tiny), "--param", "text=a", "--cron", "never"),
        ("schedule", str(tiny), "--cron", "@weekly", "--list"),
        ("schedule",),
    ):
        ended = call("pipeline", *more, "--endpoint", fake.url)
        assert ended.code == 2, more
        assert ended.out == ""
        assert ended.err.startswith("error: ")
        assert ended.err.count("\n") == 1
    assert fake.operations == []


def test_status_of_one_and_of_many(fake: FakeKfp, call: Call, tiny: Path) -> None:
    submit(call, fake, tiny, "--name", "first")
    submit(call, fake, tiny, "--name", "second")
    first, second = fake.runs
    task = {"task_id": "1", "display_name": "search", "state": "FAILED", "pod_name": "pod-1"}
    fake.runs[first].update(
        state="FAILED",
        run_details={"task_details": [{**task, "error": {"message": "OOM\nKilled"}}]},
    )
    shown = call("pipeline", "status", first, "--endpoint", fake.url)
    assert shown.code == 0
    assert "state failed\n" in shown.out
    assert "failed: search: OOM Killed (logs: pod pod-1)\n" in shown.out
    document = json.loads(call("pipeline", "status", first, "--json", "--endpoint", fake.url).out)
    assert document["failed"] == [{"task": "search", "reason": "OOM Killed", "pod": "pod-1"}]
    listed = call("pipeline", "status", "--json", "--limit", "1", "--endpoint", fake.url)
    assert [run["run"] for run in json.loads(listed.out)] == [second]
    table = call("pipeline", "status", "--endpoint", fake.url).out.splitlines()
    assert [line.split()[-1] for line in table] == ["name", "second", "first"]


def test_cancel(fake: FakeKfp, call: Call, tiny: Path) -> None:
    submit(call, fake, tiny)
    (run_id,) = fake.runs
    ended = call("pipeline", "cancel", run_id, "--endpoint", fake.url)
    assert (ended.code, ended.out) == (0, f"run {run_id}: canceling\n")
    unknown = call("pipeline", "cancel", "nothing", "--endpoint", fake.url)
    assert unknown.code == 2
    assert "xautolm pipeline status lists them" in unknown.err


def test_schedules(fake: FakeKfp, call: Call, tiny: Path) -> None:
    arguments = ("pipeline", "schedule", tiny, "--param", "text=a", "--endpoint", fake.url)
    made = call(*arguments, "--every", "7d")
    assert made.code == 0
    assert made.out.startswith("schedule tiny: created, every 604800 s (")
    assert ": unchanged," in call(*arguments, "--every", "7d").out
    replaced = json.loads(call(*arguments, "--every", "1d", "--json").out)
    assert (replaced["change"], replaced["removed"]) == ("replaced", 1)
    (listed,) = json.loads(
        call("pipeline", "schedule", "--list", "--json", "--endpoint", fake.url).out
    )
    assert (listed["schedule"], listed["pipeline"], listed["when"]) == (
        "tiny",
        "tiny",
        "every 86400 s",
    )
    assert (listed["max_concurrency"], listed["catchup"], listed["enabled"]) == (1, False, True)
    assert listed["id"] == replaced["id"]
    assert "enabled" in call("pipeline", "schedule", "--list", "--endpoint", fake.url).out


def test_nobody_is_there(call: Call) -> None:
    ended = call("pipeline", "status", "--endpoint", "http://127.0.0.1:1")
    assert (ended.code, ended.out) == (4, "")
    assert "http://127.0.0.1:1 cannot be reached" in ended.err
    assert ended.err.count("\n") == 1


def test_a_token_is_in_no_output(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny: Path
) -> None:
    fake = FakeKfp(token=TOKEN)
    try:
        monkeypatch.setenv("XAUTOLM_KFP_TOKEN", TOKEN)
        seen = submit(call, fake, tiny)
        assert seen.code == 0
        fake.token = "another"
        refused = call("pipeline", "status", "--debug", "--endpoint", fake.url)
        assert refused.code == 4
        assert TOKEN not in seen.out + seen.err + refused.out + refused.err
    finally:
        fake.stop()


def test_without_kfp(call: Call, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *arguments: Any, **keywords: Any) -> Any:
        if name.partition(".")[0] == "kfp":
            raise ImportError(name)
        return real(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", without)
    ended = call("pipeline", "status", "--endpoint", "http://127.0.0.1:1")
    assert ended.code == 2
    assert "pip install 'xautolm[kfp]'" in ended.err


@pytest.mark.parametrize("command", ["compile", "submit", "status", "cancel", "schedule"])
def test_help_imports_no_kfp(command: str) -> None:
    program = (
        "import sys; from xautolm_core.cli.main import main;"
        f"main(['pipeline', {command!r}, '--help']); main(['--help']);"
        "print([name for name in ('kfp', 'kubernetes', 'urllib3') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert "pipeline" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_mistyped_command_finds_the_nearest(call: Call) -> None:
    assert "Did you mean 'pipeline'" in call("pipelne").err


def test_a_package_named_pipelines_is_not_in_the_way(tmp_path: Path) -> None:
    folder = tmp_path / "pipelines"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "commands.py").write_text("app = 'of somebody else'\n")
    done = subprocess.run(
        [sys.executable, "-m", "xautolm_core.cli", "--help"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert "search" in done.stdout
    assert "pipeline " in done.stdout
