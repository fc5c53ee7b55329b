"""Evaluate the chosen model, and the best of the other kind, on the test split: once."""

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
# Share of the budget by which a comparison may end after it.
_LATE_SHARE = 0.02


def evaluate_best(
    setup: SearchSetup,
    records: Sequence[TrialRecord],
    best: TrialRecord,
    seconds_of: Callable[[TrialRecord], float],
) -> None:
    """Evaluate the chosen model on the test split and save the report in the state.

    The best model of the other kind is evaluated on the same rows, to answer whether a language
    model was worth it; it cannot be chosen any more. Models that were tested before are not tested
    again. An interrupt during the evaluation ends it; the budget does not: a search without its
    test is worth less than one that is a little late. The comparison is left out where the budget
    has no time for it.

    Args:
        setup: The search.
        records: Its trials.
        best: The chosen one.
        seconds_of: Returns the expected time of the test of a trial's model; it is aborted after
            several times that.
    """
    state = setup.state
    other = choose_alternative(records, best)
    trials = [record.number for record in (best, other) if record is not None]
    if state.test is not None and state.test_trials == trials:
        return
    if not model_folder(setup.out_folder, best).is_dir():
        setup.note("The model of the best trial is missing: no test", warning=True)
        return
    setup.observer.phase("test", f"{tested_rows(setup)} rows")
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
    # A missing comparison is done when the search is resumed.
    state.test_trials = trials if report.comparison is not None else trials[:1]
    setup.save_state()


def tested_rows(setup: SearchSetup) -> int:
    """Return how many rows of the test split the models of a search answer."""
    kind = final_test_kind(setup.task.type)
    return kind.tested_rows(setup.task, budget_seconds=setup.policy.effective_budget_seconds)


def run_test(
    best: TrialRecord,
    other: TrialRecord | None,
    *,
    task: AnyTask,
    evaluate: Callable[[TrialRecord], tuple[TestedModel | None, str]],
    seed: int,
) -> tuple[AnyTestReport | None, str]:
    """Evaluate the chosen model, and the best one of the other kind, on the test split.

    Args:
        best: The chosen trial.
        other: The best trial of the other kind; None for no comparison.
        task: The task with the split.
        evaluate: Evaluates a trial's model on the split: returns its result, or None and why not.
        seed: Seed of the comparison's bootstrap.

    Returns:
        The report, None if the chosen model could not be evaluated; and what failed, in words,
        empty if nothing did.
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
        expected_seconds: Expected time of the test of the other model.
        budget_seconds: Budget of the search; None for none.
        elapsed_seconds: Time of the search so far.
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
            most_rows=tested_rows(setup),
        ),
        task=setup.task,
    )
