"""The chosen model meets the test split, with the best of the other kind beside it: once."""

from __future__ import annotations

from dataclasses import asdict
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from xautolm_core.search.comparison import compare
from xautolm_core.search.final import evaluate_on_test
from xautolm_core.search.models import model_folder
from xautolm_core.search.records import choose_alternative

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xautolm_core.search.contract import TrialRecord
    from xautolm_core.search.final import Evaluation
    from xautolm_core.search.setup import SearchSetup

_LEAST_LIMIT_SECONDS = 300.0
_TIMES_EXPECTED = 5.0


def evaluate_best(
    setup: SearchSetup, records: Sequence[TrialRecord], best: TrialRecord, expected_seconds: float
) -> None:
    """Evaluate the chosen model on the test split and keep the report in the state.

    The best model of the other kind answers the same rows, for the question whether a language
    model was worth it; it cannot be chosen any more. Models that have met the test split before are
    not tested again. An interrupt during the evaluation ends it; the budget does not: a search
    without its test is worth less than one that is a little late.

    Args:
        setup: The search.
        records: Its trials.
        best: The chosen one.
        expected_seconds: What it should take; the evaluation is given up after several times that.
    """
    state = setup.state
    other = choose_alternative(records, best)
    trials = [record.number for record in (best, other) if record is not None]
    if state.test is not None and state.test_trials == trials:
        return
    if not model_folder(setup.out_folder, best).is_dir():
        setup.note("The model of the best trial is not there: no test", warning=True)
        return
    setup.observer.phase("test", f"{len(setup.task.test)} rows")
    with setup.clock.phase("test"):
        chosen, problem = _evaluate(setup, best, expected_seconds)
        if chosen is None:
            setup.note(f"The test of the best model did not succeed: {problem}", warning=True)
            return
        report = chosen.report
        if other is not None:
            beside, problem = _evaluate(setup, other, expected_seconds)
            if beside is None:
                setup.note(f"Trial {other.number} could not be compared: {problem}", warning=True)
            else:
                compared = compare(
                    best,
                    other,
                    truth=np.asarray(setup.task.test.labels),
                    first_answers=chosen.answers,
                    second_answers=beside.answers,
                    labels=setup.task.labels,
                    seed=setup.spec.seed,
                )
                report = replace(report, comparison=compared)
    state.test = asdict(report)
    state.test_trials = trials
    setup.save_state()


def _evaluate(
    setup: SearchSetup, record: TrialRecord, expected_seconds: float
) -> tuple[Evaluation | None, str]:
    interrupts_before = setup.interrupts.count
    return evaluate_on_test(
        model_folder=model_folder(setup.out_folder, record),
        task_folder=setup.task_folder,
        work_folder=setup.out_folder,
        threads=setup.threads * setup.spec.workers,
        limit_seconds=max(_LEAST_LIMIT_SECONDS, _TIMES_EXPECTED * expected_seconds),
        give_up=lambda: setup.interrupts.count > interrupts_before,
    )
