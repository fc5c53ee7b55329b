"""From the records of a search to its result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Any

from pydantic import TypeAdapter

from xautolm_core.search.contract import SearchResult
from xautolm_core.search.contract import TestReport

if TYPE_CHECKING:
    from xautolm_core.search.contract import TrialRecord
    from xautolm_core.search.setup import SearchSetup

_TEST = TypeAdapter(TestReport)


def conclude(
    setup: SearchSetup,
    records: Sequence[TrialRecord],
    best: TrialRecord | None,
    stopped_by: str,
) -> SearchResult:
    """Save the state of a search for the last time, and return what it came to.

    Args:
        setup: The search.
        records: Its trials.
        best: The chosen one; None if no trial gave a model.
        stopped_by: Why it ended.
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
        notes=list(state.notes),
        models={name: model.descriptor for name, model in setup.space.models.items()},
    )


def _describe_task(setup: SearchSetup) -> dict[str, Any]:
    task = setup.task
    return {
        "name": task.name,
        "type": task.type.value,
        "fingerprint": task.fingerprint,
        "labels": list(task.labels),
        "rows": {name: len(split) for name, split in task.splits.items()},
        "languages": list(task.languages),
        "warnings": list(task.warnings),
    }
