"""A real command, killed by SIGKILL at every step of a replacement, then run again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.running import Call
from tests.pipelines.fake_kfp import FakeKfp
from xautolm_pipelines.client import PipelinesClient
from xautolm_pipelines.schedule import schedules

pytestmark = pytest.mark.slow

_STEPS = ("recurring.list", "recurring.create", "recurring.disable", "recurring.delete")
_UPLOADS = ("experiments.create", "pipelines.create", "versions.upload")


def command(fake: FakeKfp, pipeline: Path, cron: str) -> list[str]:
    return [
        "pipeline",
        "schedule",
        str(pipeline),
        "--name",
        "weekly",
        "--cron",
        cron,
        "--param",
        "text=a",
        "--endpoint",
        fake.url,
    ]


def start(
    fake: FakeKfp, arguments: list[str], at: tuple[str, str], home: Path
) -> subprocess.Popen[bytes]:
    fake.victim, fake.kill_at = None, at
    process = subprocess.Popen(
        [sys.executable, "-m", "xautolm_core.cli", *arguments],
        env={**os.environ, "HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    fake.victim = process.pid
    return process


def run_until_killed(fake: FakeKfp, arguments: list[str], at: tuple[str, str], home: Path) -> None:
    process = start(fake, arguments, at, home)
    process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL
    assert fake.kill_at is None


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("step", _STEPS)
def test_a_killed_replacement(
    fake: FakeKfp,
    client: PipelinesClient,
    call: Call,
    tiny: Path,
    tmp_path: Path,
    step: str,
    moment: str,
) -> None:
    assert call(*command(fake, tiny, "0 3 * * 0")).code == 0
    fake.watch("weekly")
    run_until_killed(fake, command(fake, tiny, "0 4 * * *"), (step, moment), tmp_path)

    firing = len(fake.firing("weekly"))
    both_fire = (step, moment) in {("recurring.create", "after"), ("recurring.disable", "before")}
    assert firing == (2 if both_fire else 1)
    listed = call("pipeline", "schedule", "--list", "--endpoint", fake.url)
    assert ("run xautolm pipeline schedule again" in listed.err) == (len(fake.recurring) == 2)

    healed = call(*command(fake, tiny, "0 4 * * *"))
    assert (healed.code, healed.err) == (0, "")
    ((left, is_current),) = schedules(client)
    assert is_current
    assert left.run.enabled
    assert left.run.when == "cron 0 0 4 * * *"
    assert fake.least_firing == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_replacement_ends_before_its_command_does(
    fake: FakeKfp, call: Call, tiny: Path, tmp_path: Path, number: signal.Signals
) -> None:
    assert call(*command(fake, tiny, "0 3 * * 0")).code == 0
    fake.kill_with = number
    process = start(fake, command(fake, tiny, "0 4 * * *"), ("recurring.create", "after"), tmp_path)
    process.communicate(timeout=120)
    assert process.returncode in (-number, 130)
    (left,) = fake.firing("weekly")
    assert left["trigger"] == {"cron_schedule": {"cron": "0 0 4 * * *"}}
    assert len(fake.recurring) == 1


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("step", [*_UPLOADS, "recurring.create"])
def test_a_killed_first_schedule(
    fake: FakeKfp, call: Call, tiny: Path, tmp_path: Path, step: str, moment: str
) -> None:
    run_until_killed(fake, command(fake, tiny, "0 3 * * 0"), (step, moment), tmp_path)
    assert call(*command(fake, tiny, "0 3 * * 0")).code == 0
    made = (fake.experiments, fake.pipelines, fake.versions, fake.recurring)
    assert [len(objects) for objects in made] == [1, 1, 1, 1]
    assert len(fake.firing("weekly")) == 1


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("step", ["recurring.disable", "recurring.delete"])
def test_a_killed_deletion(
    fake: FakeKfp, call: Call, tiny: Path, tmp_path: Path, step: str, moment: str
) -> None:
    assert call(*command(fake, tiny, "0 3 * * 0")).code == 0
    delete = ["pipeline", "schedule", "--delete", "weekly", "--endpoint", fake.url]
    run_until_killed(fake, delete, (step, moment), tmp_path)
    gone = (step, moment) == ("recurring.delete", "after")
    assert call(*delete).code == (2 if gone else 0)
    assert fake.recurring == {}


def test_a_deletion_twice_is_told(fake: FakeKfp, call: Call, tiny: Path) -> None:
    assert call(*command(fake, tiny, "@weekly")).code == 0
    delete = ["pipeline", "schedule", "--delete", "weekly", "--json", "--endpoint", fake.url]
    assert json.loads(call(*delete).out) == {
        "schedule": "weekly",
        "change": "deleted",
        "removed": 1,
    }
    ended = call(*delete)
    assert ended.code == 2
    assert ended.err.startswith("error: there is no schedule 'weekly'")
