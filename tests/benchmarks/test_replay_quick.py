"""The replay benchmark itself, two tasks and one seed: every arm that needs nothing installed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks.replay.__main__ import main
from benchmarks.replay.arms import ARMS
from benchmarks.replay.external import REQUIREMENTS
from benchmarks.replay.parts import Job
from benchmarks.replay.parts import read_parts
from benchmarks.replay.regimes import NONE
from benchmarks.replay.regimes import NORMAL
from benchmarks.replay.results import Results
from benchmarks.replay.runner import is_done
from benchmarks.replay.runner import run_jobs
from benchmarks.replay.schedule import Selection
from benchmarks.replay.schedule import schedule
from xautolm_core.search.samplers import SAMPLER_NAMES

TASKS = 2
HERE = [name for name, arm in ARMS.items() if arm.kind not in REQUIREMENTS]
WARM = "guarded" if "guarded" in SAMPLER_NAMES else "xautolm"


def arguments(folder: Path, arms: Sequence[str], *more: str) -> list[str]:
    return [
        *("--out", str(folder), "--tables", "synthetic", "--arms", ",".join(arms)),
        *("--quick", "--processes", "1", *more),
    ]


@pytest.mark.slow
def test_history_helps_and_every_arm_has_figures(tmp_path: Path) -> None:
    """Gates with slack: two tasks and one seed say little about a second digit."""
    arms = [a for a in HERE if ARMS[a].kind != "sampler" or ARMS[a].name in SAMPLER_NAMES]
    assert main(arguments(tmp_path, arms, "--regimes", "normal,none", "--workers", "1")) == 0
    results = Results.read(tmp_path)
    for arm in arms:
        regime = NORMAL if ARMS[arm].reads_history else NONE
        cell = results.cell("synthetic", regime, arm)
        assert cell is not None, arm
        assert len(cell.searches) == TASKS, arm
    random = results.cell("synthetic", NONE, "random")
    warm = results.cell("synthetic", NORMAL, WARM)
    portfolio = results.cell("synthetic", NORMAL, "portfolio")
    assert random is not None
    assert warm is not None
    assert portfolio is not None
    assert 0.2 < random.mean("mean_hv") < 0.55
    assert portfolio.mean("mean_hv") > random.mean("mean_hv") + 0.1
    slack = 0.1 if WARM == "guarded" else -0.05
    assert warm.mean("mean_hv") > random.mean("mean_hv") + slack
    assert warm.mean("error_ratio_late") < random.mean("error_ratio_late")
    report = (tmp_path / "report.md").read_text()
    page = (tmp_path / "report.html").read_text()
    for arm in arms:
        assert ARMS[arm].title in report
        assert ARMS[arm].title.replace("`", "").replace("'", "&#39;") in page
    rows = (tmp_path / "tasks.csv").read_text().splitlines()
    assert len(rows) == 1 + TASKS * len(results.cells)


def test_a_run_goes_on_where_it_stopped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    selection = Selection(arms=["random", "xautolm"], regimes=[NORMAL, NONE], tasks=1, seeds=1)
    jobs = list(schedule({"synthetic": ["made-up-03"]}, selection))
    assert run_jobs(jobs, tmp_path, processes=1) == []
    before = {part.job: part for part in read_parts(tmp_path)}
    assert set(before) == set(jobs)
    torn = jobs[0].path(tmp_path)
    torn.write_text(torn.read_text()[:100])
    capsys.readouterr()
    assert run_jobs(jobs, tmp_path, processes=1) == []
    assert f"{len(jobs)} searches, 1 of them to run" in capsys.readouterr().out
    after = {part.job: part for part in read_parts(tmp_path)}
    assert after.keys() == before.keys()
    for job, part in after.items():
        told = {k: v for k, v in part.columns.items() if k != "sampler_ms"}
        assert told == {k: v for k, v in before[job].columns.items() if k != "sampler_ms"}


def test_a_part_of_other_options_is_run_again(tmp_path: Path) -> None:
    job = Job("synthetic", NONE, "made-up-01", 0, "random", trials=3)
    run_jobs([job], tmp_path, processes=1)
    assert is_done(job, tmp_path)
    path = job.path(tmp_path)
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "digest": "of other options"}))
    assert not is_done(job, tmp_path)


def test_an_arm_that_raises_is_not_left_out_in_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: object, **named: object) -> None:
        raise RuntimeError("no such luck")

    monkeypatch.setattr("benchmarks.replay.portfolio.PortfolioArm.ask", broken)
    assert main(arguments(tmp_path, ["portfolio"], "--trials", "3")) == 1
    assert "no such luck" in (tmp_path / "report.md").read_text()


def test_four_workers_ask_with_trials_pending(tmp_path: Path) -> None:
    job = Job("synthetic", NONE, "made-up-05", 0, "random", workers=4)
    run_jobs([job], tmp_path, processes=1)
    (part,) = read_parts(tmp_path)
    begun = sorted(zip(part.columns["number"], part.columns["begin"], strict=True))
    assert [begin for _, begin in begun[:4]] == [0.0] * 4
    assert begun[4][1] == min(part.columns["end"])


def test_the_whole_benchmark_has_every_arm_and_enough_seeds() -> None:
    jobs = list(schedule({"synthetic": ["x"], "model_selection": ["y"]}, Selection()))
    assert len(set(jobs)) == len(jobs)
    assert {job.arm for job in jobs} == set(ARMS)
    seeds = {
        (arm, regime): {j.seed for j in jobs if (j.arm, j.regime) == (arm, regime)}
        for arm in ("guarded", "xautolm", "no_guard", "random")
        for regime in (NORMAL, "hostile", "shuffled", "scarce5")
    }
    for regime in (NORMAL, "hostile", "shuffled"):
        assert len(seeds["guarded", regime]) == 10
        assert len(seeds["xautolm", regime]) == 10
    assert len(seeds["guarded", "scarce5"]) == len(seeds["no_guard", NORMAL]) == 3
    assert seeds["no_guard", "hostile"] == set() == seeds["random", NORMAL]
    assert {job.arm for job in jobs if job.workers == 4} == {"random", "tpe", "xautolm", "guarded"}
