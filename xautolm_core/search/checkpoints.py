"""Discard the checkpoints of a search that are no longer needed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from xautolm_core.errors import StoreError
from xautolm_core.trial.contract import TRIALS_FOLDER
from xautolm_core.trial.contract import attempt_name

if TYPE_CHECKING:
    from collections.abc import Collection
    from collections.abc import Iterable
    from collections.abc import Sequence

    from xautolm_core.search.contract import TrialRecord
    from xautolm_core.search.setup import SearchSetup


def discard_checkpoints(
    setup: SearchSetup, records: Sequence[TrialRecord], keep: Collection[int]
) -> list[TrialRecord]:
    """Delete the checkpoints of trials that will not be continued; return the records without them.

    The list of discarded checkpoints is saved first: a resumed search uses none of them, and
    deletes those that remained after a kill or a storage fault.

    Args:
        setup: The search.
        records: All trials so far.
        keep: Numbers of those whose checkpoints stay.
    """
    state = setup.state
    useless = {
        _attempt_of(record)
        for record in records
        if record.result.checkpoint_folder and record.number not in keep
    }
    if useless:
        state.without_checkpoints = sorted(useless.union(state.without_checkpoints))
        state.checkpoints_to_delete = sorted(useless.union(state.checkpoints_to_delete))
        setup.save_state()
    for attempt in list(state.checkpoints_to_delete):
        try:
            setup.launcher.discard_checkpoint(setup.out_folder / TRIALS_FOLDER / attempt)
        except StoreError as error:
            text = f"The checkpoint of trial {attempt} stays: {error.problem}"
            setup.note(text, warning=True)
        else:
            state.checkpoints_to_delete.remove(attempt)
    return without_checkpoints(records, useless)


def without_checkpoints(
    records: Iterable[TrialRecord], attempts: Collection[str]
) -> list[TrialRecord]:
    """Return records without the checkpoints of some attempts.

    Args:
        records: All trials so far.
        attempts: Names of the folders of attempts whose checkpoints are not needed.
    """
    return [
        replace(record, result=record.result.model_copy(update={"checkpoint_folder": None}))
        if _attempt_of(record) in attempts
        else record
        for record in records
    ]


def _attempt_of(record: TrialRecord) -> str:
    return attempt_name(record.number, record.result.attempt)
