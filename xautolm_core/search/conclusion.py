"""From the records of a search to its result."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Any

from pydantic import TypeAdapter

from xautolm_core.search.contract import SearchResult
from xautolm_core.search.test_report import AnyTestReport

if TYPE_CHECKING:
    from xautolm_core.search.contract import TrialRecord
    from xautolm_core.search.setup import SearchSetup

EARLY_SHARE = 0.05
"""Of the budget: a search that ends so much before it says why."""

_TEST: TypeAdapter[AnyTestReport] = TypeAdapter(AnyTestReport)


def conclude(
    setup: SearchSetup,
    records: Sequence[TrialRecord],
    best: TrialRecord | None,
    stopped_by: str,
    *,
    reserve_seconds: float | None = None,
) -> SearchResult:
    """Save the state of a search for the last time, and return what it came to.

    Args:
        setup: The search.
        records: Its trials.
        best: The chosen one; None if no trial gave a model.
        stopped_by: Why it ended.
        reserve_seconds: What was kept of its budget for the test; None if there was none.
    """
    setup.save_state()
    state = setup.state
    tested = best is not None and state.test_trials[:1] == [best.number]
    return SearchResult(
        spec=setup.spec,
        out_folder=setup.out_folder,
        task=_describe_task(setup),
        task_features=dict(setup.writer.task_features.values),
        system_features={
            **setup.writer.system_features.values,
            **setup.writer.system_features.facts,
        },
        trials=list(records),
        best=None if best is None else best.number,
        test=_TEST.validate_python(state.test) if tested and state.test is not None else None,
        warm_start=setup.sampler.report,
        seconds=setup.clock.elapsed_seconds,
        phase_seconds=dict(setup.clock.phase_seconds),
        stopped_by=stopped_by,
        notes=[*state.notes, *_why_early(setup, stopped_by, reserve_seconds)],
        models={name: model.descriptor for name, model in setup.space.models.items()},
        unkept_experiences=state.unkept_experiences,
    )


def _why_early(setup: SearchSetup, stopped_by: str, reserve_seconds: float | None) -> Iterator[str]:
    """Say why a search that used its budget up has left more of it than a small part."""
    budget_seconds = setup.policy.effective_budget_seconds
    if stopped_by != "budget" or budget_seconds is None:
        return
    left_seconds = budget_seconds - setup.clock.elapsed_seconds
    if left_seconds <= EARLY_SHARE * budget_seconds:
        return
    why = "what was left was too little for another trial"
    test_seconds = setup.clock.phase_seconds.get("test")
    if reserve_seconds is not None and test_seconds is not None:
        why += f" and the test, for which {reserve_seconds:.0f} s were kept; it took"
        why += f" {test_seconds:.0f} s"
    yield f"The search ended {left_seconds:.0f} s before its budget: {why}"


def _describe_task(setup: SearchSetup) -> dict[str, Any]:
    task = setup.task
    return {
        "name": task.name,
        "type": task.type,
        "fingerprint": task.fingerprint,
        "labels": list(task.labels),
        "rows": {name: len(split) for name, split in task.splits.items()},
        "languages": list(task.languages),
        "warnings": list(task.warnings),
    }
