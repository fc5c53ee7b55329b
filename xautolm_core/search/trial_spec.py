"""Make the specification of a planned trial."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xautolm_core.search.continuation import continuing
from xautolm_core.search.contract import Objective
from xautolm_core.search.folders import trial_folder
from xautolm_core.trial.contract import TrialSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xautolm_core.search.contract import TrialRecord
    from xautolm_core.search.pace import SearchPace
    from xautolm_core.search.planned import PlannedTrial
    from xautolm_core.search.setup import SearchSetup

_SEED_STEP = 1_000_003


def trial_spec(
    setup: SearchSetup,
    pace: SearchPace,
    records: Sequence[TrialRecord],
    planned: PlannedTrial,
    attempt: tuple[int, int],
) -> TrialSpec:
    """Return the spec of a planned trial that is started now.

    Args:
        setup: The shared setup of the search.
        pace: Allots its part of the budget.
        records: All trials so far.
        planned: The planned trial.
        attempt: The trial's number, and the number of the attempt.

    Raises:
        LaunchError: It continues a trial whose spec is missing.
    """
    number, repetition = attempt
    model = setup.space.model_of(planned.configuration)
    spec = TrialSpec(
        search_id=setup.spec.search_id,
        trial_number=number,
        attempt=repetition,
        task_type=setup.task.type,
        task_folder=setup.task_folder,
        out_folder=trial_folder(setup.out_folder, number, repetition),
        cache_folder=setup.cache_folder,
        configuration=planned.configuration,
        model=None if model is None else model.reference,
        seed=(setup.spec.seed * _SEED_STEP + number) % 2**31,
        budget=pace.trial_budget(planned, records),
        threads=setup.threads,
        measure_latency=Objective.LATENCY in setup.spec.objectives,
        keep_checkpoint=pace.may_continue(planned.configuration),
        meters=setup.spec.meters,
    )
    if planned.continues is None:
        return spec
    return continuing(spec, setup.out_folder, records, planned.continues)
