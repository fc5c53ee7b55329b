"""A search of eight trials that are over at once, two of which fail."""

from __future__ import annotations

from datetime import UTC
from datetime import datetime
from pathlib import Path

from tests.search.instant import InstantLauncher
from tests.search.instant import Silent
from tests.search.instant import analytic_result
from xautolm_core.records.attempt import TrialResult
from xautolm_core.records.energy import make_reading
from xautolm_core.records.outcome import Failure
from xautolm_core.records.outcome import Outcome
from xautolm_core.report.folder import write_result_folder
from xautolm_core.search.contract import SearchResult
from xautolm_core.search.runner import run_search
from xautolm_core.trial.contract import TrialSpec

TRIALS = 8
FAILURES = {2: Outcome.OOM_HOST, 5: Outcome.TIMEOUT}


def result_of(spec: TrialSpec) -> TrialResult:
    """Return a result with joules of two classes; two trials fail."""
    found = analytic_result(spec)
    now = datetime.now(UTC)
    readings = (
        make_reading("cpu", 50.0 + spec.trial_number, source="rapl", quality="A", seconds=10.0),
        make_reading("dram", 5.0, source="model:dram", quality="C", seconds=10.0),
    )
    changes = {
        "outcome": Outcome.OK,
        "scores": found.scores or {"macro_f1": {"value": 0.4}, "accuracy": {"value": 0.4}},
        "energy": tuple(one for one in readings if one is not None),
        "launched_at": now,
        "started_at": now,
        "ended_at": now,
        "model_folder": "model",
    }
    if spec.trial_number in FAILURES:
        changes |= {
            "outcome": FAILURES[spec.trial_number],
            "scores": {},
            "model_folder": None,
            "failure": Failure(kind="MemoryError", message="out of memory"),
        }
    return TrialResult.model_validate(found.model_dump() | changes)


def run(spec, out_folder: Path, observer: Silent | None = None) -> SearchResult:
    """Run the search, and leave its results."""
    found = run_search(
        spec,
        out_folder,
        launcher=InstantLauncher(result_of),
        observer=observer or Silent(),
        with_test=False,
    )
    write_result_folder(found)
    return found
