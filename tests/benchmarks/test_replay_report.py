"""What the replay benchmark concludes from searches that are given."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from benchmarks.replay.arms import ARMS
from benchmarks.replay.calibration import calibrate
from benchmarks.replay.failure_reliability import forecast
from benchmarks.replay.failure_reliability import read_forecasts
from benchmarks.replay.failure_reliability import write_forecasts
from benchmarks.replay.gates import judge
from benchmarks.replay.measures import brier
from benchmarks.replay.parts import Job
from benchmarks.replay.parts import Part
from benchmarks.replay.report import write_report
from benchmarks.replay.results import Results
from benchmarks.replay.results import negative_transfer
from benchmarks.replay.results import scale_of
from benchmarks.replay.synthetic import SyntheticTable

TASKS = ("made-up-00", "made-up-01")


def part(
    task: str,
    regime: str,
    arm: str,
    units: Sequence[float | None],
    *,
    explanations: Sequence[dict[str, Any] | None] = (),
) -> Part:
    """Return a search whose trials come to these shares of the scale, in both objectives."""
    scale = scale_of("synthetic", task)
    height = scale.high_score - scale.low_score
    span = scale.high_log_seconds - scale.low_log_seconds
    columns: dict[str, list[Any]] = {
        "number": list(range(len(units))),
        "score": [None if u is None else scale.low_score + u * height for u in units],
        "seconds": [
            math.exp(scale.high_log_seconds - (0.5 if u is None else u) * span) for u in units
        ],
        "sampler_ms": [1.0] * len(units),
    }
    if explanations:
        columns["explanation"] = list(explanations)
    job = Job("synthetic", regime, task, 0, arm, trials=len(units))
    return Part(job, ARMS[arm].digest, 0.0, 2.0, columns)


def test_targets_say_no() -> None:
    good, poor = [0.9] * 20, [0.5] * 20
    parts = [
        *(part(task, "normal", "guarded", good) for task in TASKS),
        part(TASKS[0], "none", "guarded", good),
        part(TASKS[1], "none", "guarded", poor),
        *(part(task, "normal", "portfolio", [0.95] * 20) for task in TASKS),
        *(part(task, "hostile", "guarded", [0.9] * 10 + [None] * 10) for task in TASKS),
    ]
    gates = {gate.target: gate for gate in judge(Results(parts)) if gate.table == "synthetic"}
    assert gates["normal: mean HV of guarded ≥ .71"].holds is True
    assert gates["normal: mean HV of guarded ≥ .71"].figure == pytest.approx(0.81)
    assert gates["no history: mean HV of guarded ≥ .57"].holds is False
    assert gates["normal: guarded ≥ greedy portfolio"].holds is False
    assert gates["normal: guarded ≥ greedy portfolio"].figure == pytest.approx(0.81 - 0.95**2)
    assert gates["normal: error ratio after ten ≤ .04"].holds is True
    assert gates["hostile: error ratio after ten ≤ .04"].figure == 1.0
    assert gates["hostile: error ratio after ten ≤ .04"].holds is False
    models = [gate for gate in judge(Results(parts)) if gate.table == "model_selection"]
    assert models
    assert all(gate.holds is None for gate in models)


def test_negative_transfer_is_a_share_of_tasks() -> None:
    results = Results(
        [
            part(TASKS[0], "hostile", "guarded", [0.5, 0.5]),
            part(TASKS[1], "hostile", "guarded", [0.9, 0.9]),
            *(part(task, "none", "guarded", [0.7, 0.7]) for task in TASKS),
        ]
    )
    cell = results.cell("synthetic", "hostile", "guarded")
    without = results.cell("synthetic", "none", "guarded")
    assert cell is not None
    assert without is not None
    assert negative_transfer(cell, without) == 0.5
    assert negative_transfer(cell, cell) == 0.0


def test_calibration_compares_predictions_with_outcomes() -> None:
    scale = scale_of("synthetic", TASKS[0])
    middle = (scale.low_score + scale.high_score) / 2
    said = {
        "predictions": {"f1": {"median": middle, "low": middle - 0.01, "high": middle + 0.01}},
        "failure_probability": 0.25,
    }
    found = Results(
        [
            part(
                TASKS[0],
                "normal",
                "guarded",
                [0.5, 0.9, None, 0.5],
                explanations=[said, said, said, None],
            )
        ]
    )
    cell = found.cell("synthetic", "normal", "guarded")
    assert cell is not None
    calibration = calibrate(cell)
    assert calibration is not None
    # A failure has no score to be within, and an unexplained trial no prediction.
    assert calibration.coverages == {"f1": (0.5, 2)}
    assert calibration.brier == pytest.approx((2 * 0.25**2 + 0.75**2) / 3)
    assert calibration.bins == [(0.2, 0.3, 3, pytest.approx(0.25), pytest.approx(1 / 3))]
    assert (
        calibrate(
            Results([part(TASKS[0], "none", "random", [0.5])]).cells[
                "synthetic", "none", "random", 1
            ]
        )
        is None
    )


def test_searches_of_other_options_are_not_reported(tmp_path: Path) -> None:
    kept = part(TASKS[0], "none", "zero_shot", [0.5, 0.6])
    other = part(TASKS[1], "none", "zero_shot", [0.5, 0.6])
    kept.write(tmp_path)
    Part(other.job, "of other options", 0.0, 1.0, other.columns).write(tmp_path)
    part(TASKS[1], "none", "random", [0.5] * 3).write(tmp_path)
    assert all(gate.holds is None for gate in write_report(tmp_path, trials=2))
    lines = (tmp_path / "tasks.csv").read_text().splitlines()
    assert [line.split(",")[:6] for line in lines[1:]] == [
        ["synthetic", "none", "zero_shot", "1", TASKS[0], "1"]
    ]


def test_the_failure_model_is_judged_on_what_nobody_chose(tmp_path: Path) -> None:
    found = forecast(SyntheticTable(), TASKS[:1], seeds=1)
    assert [(one.regime, one.own_trials) for one in found] == [
        ("none", 0),
        ("none", 20),
        ("normal", 0),
        ("normal", 20),
    ]
    for one in found:
        share = sum(one.failed) / len(one.failed)
        assert brier(one.probabilities, one.failed) < 0.5 * share * (1 - share)
    write_forecasts(tmp_path, found)
    assert read_forecasts(tmp_path) == found
