"""The chosen model meets the test split, with the best of the other kind beside it: once."""

from __future__ import annotations

from dataclasses import asdict
from dataclasses import replace
from typing import TYPE_CHECKING

from xautolm_core.search.asking import Asking
from xautolm_core.search.asking import score_on_test
from xautolm_core.search.final_test_kinds import final_test_kind
from xautolm_core.search.models import model_folder
from xautolm_core.search.records import choose_alternative

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Sequence

    from xautolm_core.search.contract import TrialRecord
    from xautolm_core.search.final_test_kinds import TestedModel
    from xautolm_core.search.setup import SearchSetup
    from xautolm_core.search.test_report import AnyTestReport
    from xautolm_core.tasks.task import AnyTask

_LEAST_LIMIT_SECONDS = 300.0
_TIMES_EXPECTED = 5.0
# Of the budget: a comparison may end so much after it.
_LATE_SHARE = 0.02


def evaluate_best(
    setup: SearchSetup,
    records: Sequence[TrialRecord],
    best: TrialRecord,
    seconds_of: Callable[[TrialRecord], float],
) -> None:
    """Evaluate the chosen model on the test split and keep the report in the state.

    The best model of the other kind answers the same rows, for the question whether a language
    model was worth it; it cannot be chosen any more. Models that have met the test split before are
    not tested again. An interrupt during the evaluation ends it; the budget does not: a search
    without its test is worth less than one that is a little late. The comparison is left out where
    the budget has no time for it.

    Args:
        setup: The search.
        records: Its trials.
        best: The chosen one.
        seconds_of: Returns what the test of a trial's model should take; it is given up after
            several times that.
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
        report, problem = run_test(
            best,
            other,
            task=setup.task,
            evaluate=lambda record: _evaluate(setup, record, best, seconds_of(record)),
            seed=setup.spec.seed,
        )
    if problem:
        setup.note(problem, warning=True)
    if report is None:
        return
    state.test = asdict(report)
    # A comparison that is missing is made up for when the search is resumed.
    state.test_trials = trials if report.comparison is not None else trials[:1]
    setup.save_state()


def run_test(
    best: TrialRecord,
    other: TrialRecord | None,
    *,
    task: AnyTask,
    evaluate: Callable[[TrialRecord], tuple[TestedModel | None, str]],
    seed: int,
) -> tuple[AnyTestReport | None, str]:
    """Let the chosen model answer the test split, and the best one of the other kind beside it.

    Args:
        best: The chosen trial.
        other: The best trial of the other kind; None for no comparison.
        task: Holds the split.
        evaluate: Evaluates a trial's model on the split: what it came to, or None and why not.
        seed: Of the comparison's bootstrap.

    Returns:
        The report, None if the chosen model could not be evaluated; and what did not succeed, in
        words, empty if everything did.
    """
    chosen, problem = evaluate(best)
    if chosen is None:
        return None, f"The test of the best model did not succeed: {problem}"
    if other is None:
        return chosen.report, ""
    beside, problem = evaluate(other)
    if beside is None:
        return chosen.report, f"Trial {other.number} could not be compared: {problem}"
    compared = final_test_kind(task.type).compare((best, other), (chosen, beside), task, seed=seed)
    return replace(chosen.report, comparison=compared), ""


def no_time(
    expected_seconds: float, budget_seconds: float | None, *, elapsed_seconds: float
) -> str:
    """Return why a comparison is left out, in words; empty if there is time for it.

    Args:
        expected_seconds: What the test of the other model should take.
        budget_seconds: Of the search; None for as long as it takes.
        elapsed_seconds: Of the search so far.
    """
    if budget_seconds is None:
        return ""
    left_seconds = budget_seconds - elapsed_seconds
    if expected_seconds <= left_seconds + _LATE_SHARE * budget_seconds:
        return ""
    return (
        f"its test would take {expected_seconds:.0f} s, and {max(left_seconds, 0.0):.0f} s of the"
        " budget are left"
    )


def _evaluate(
    setup: SearchSetup, record: TrialRecord, best: TrialRecord, expected_seconds: float
) -> tuple[TestedModel | None, str]:
    if record is not best:
        budget_seconds = setup.policy.effective_budget_seconds
        elapsed_seconds = setup.clock.elapsed_seconds
        problem = no_time(expected_seconds, budget_seconds, elapsed_seconds=elapsed_seconds)
        if problem:
            return None, problem
    interrupts_before = setup.interrupts.count
    return score_on_test(
        model_folder(setup.out_folder, record),
        setup.task_folder,
        setup.out_folder,
        Asking(
            threads=setup.threads * setup.spec.workers,
            limit_seconds=max(_LEAST_LIMIT_SECONDS, _TIMES_EXPECTED * expected_seconds),
            give_up=lambda: setup.interrupts.count > interrupts_before,
        ),
        task=setup.task,
    )
