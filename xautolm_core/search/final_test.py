"""The chosen model meets the test split: once, at the end."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from xautolm_core.search.final import evaluate_on_test
from xautolm_core.search.models import model_folder

if TYPE_CHECKING:
    from xautolm_core.search.contract import TrialRecord
    from xautolm_core.search.setup import SearchSetup

_LEAST_LIMIT_SECONDS = 300.0
_TIMES_EXPECTED = 5.0


def evaluate_best(setup: SearchSetup, best: TrialRecord, expected_seconds: float) -> None:
    """Evaluate the chosen model on the test split and keep the report in the state.

    A model that has met the test split before is not tested again. An interrupt during the
    evaluation ends it; the budget does not: a search without its test is worth less than one that
    is a little late.

    Args:
        setup: The search.
        best: The chosen trial.
        expected_seconds: What it should take; the evaluation is given up after several times that.
    """
    state = setup.state
    if state.test is not None and state.test_trial == best.number:
        return
    folder = model_folder(setup.out_folder, best)
    if not folder.is_dir():
        setup.note("The model of the best trial is not there: no test", warning=True)
        return
    setup.observer.phase("test", f"{len(setup.task.test)} rows")
    interrupts_before = setup.interrupts.count
    with setup.clock.phase("test"):
        report, problem = evaluate_on_test(
            model_folder=folder,
            task_folder=setup.task_folder,
            work_folder=setup.out_folder,
            threads=setup.threads * setup.spec.workers,
            limit_seconds=max(_LEAST_LIMIT_SECONDS, _TIMES_EXPECTED * expected_seconds),
            give_up=lambda: setup.interrupts.count > interrupts_before,
        )
    if report is None:
        setup.note(f"The test of the best model did not succeed: {problem}", warning=True)
        return
    state.test = asdict(report)
    state.test_trial = best.number
    setup.save_state()
