"""Engines in processes of their own, with a made-up one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks.replay import external
from benchmarks.replay.__main__ import main
from benchmarks.replay.clock import simulate
from benchmarks.replay.external import EngineMissingError
from benchmarks.replay.external import ExternalEngine
from benchmarks.replay.external import environment_of
from benchmarks.replay.external import space_document
from benchmarks.replay.repetitions import EngineArm
from benchmarks.replay.synthetic import SyntheticTable

TABLE = SyntheticTable()
PROBLEM = TABLE.problem(TABLE.tasks[1])

ENGINE = """
import json, sys
space, told = None, []
for line in sys.stdin:
    request = json.loads(line)
    reply = {"cpu_seconds": 1.5}
    if space is None:
        space = request["space"]
        assert len(request["history"]) == 1
        assert all(one["score"] is not None for one in request["history"][0])
    elif "ask" in request:
        if request["ask"] == 3:
            sys.exit("nothing more comes to mind")
        branch = space["branches"][request["ask"]]
        first = {p["handle"]: p["choices"][0] if "choices" in p else p["low"]
                 for p in branch["parameters"]}
        reply["choices"] = {"branch": branch["name"], **first}
    else:
        assert set(request) >= {"score", "seconds", "log_seconds", "outcome"}
    print("noise of the engine", file=sys.stderr)
    print(json.dumps(reply), flush=True)
"""


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ExternalEngine:
    (tmp_path / "made_up_engine.py").write_text(ENGINE)
    monkeypatch.setattr(external, "_SCRIPTS", tmp_path)
    return ExternalEngine(
        PROBLEM,
        {"other": TABLE.source(TABLE.tasks[0], 0)},
        7,
        python=Path(sys.executable),
        engine="made_up",
        request={"searcher": "any"},
    )


def test_an_engine_is_asked_and_told(engine: ExternalEngine) -> None:
    found = simulate(PROBLEM, EngineArm(engine), workers=2, trials=3)
    branches = {one.number: one.configuration.branch for one in found}
    assert branches == {i: PROBLEM.space.branches[i].name for i in range(3)}
    assert all(PROBLEM.space.contains(one.configuration) for one in found)
    assert engine.other_cpu_seconds == 1.5


def test_an_engine_that_ends_leaves_its_last_words(engine: ExternalEngine) -> None:
    with pytest.raises(RuntimeError, match="nothing more comes to mind"):
        simulate(PROBLEM, EngineArm(engine), workers=1, trials=5)


def test_shared_parameters_are_told_from_those_of_one_branch() -> None:
    for branch in space_document(TABLE.space)["branches"]:
        shared = {p["handle"] for p in branch["parameters"] if p["shared"]}
        assert shared == {"encoder.model"}


def test_what_cannot_be_installed_is_left_out_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/there/is/no/python")
    with pytest.raises(EngineMissingError, match="/there/is/no/python"):
        environment_of("smac", tmp_path / "environments")
    arms = ["--arms", "smac,random", "--tables", "synthetic", "--quick", "--trials", "2"]
    assert main(["--out", str(tmp_path), "--processes", "1", *arms]) == 0
    report = (tmp_path / "report.md").read_text()
    assert "SMAC3 ParEGO, crash cost could not run" in report
    assert "| random |" in report
