"""Checkpoints of a search: those that are of no use are discarded, and their trials name none."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from xautolm_core.errors import StoreError
from xautolm_core.search.folders import trial_folder

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

    That they are of no use is written down first: a search that is resumed asks for none of them.

    Args:
        setup: The search.
        records: All trials so far.
        keep: Numbers of those whose checkpoints stay.
    """
    useless = [r for r in records if r.result.checkpoint_folder and r.number not in keep]
    if not useless:
        return list(records)
    numbers = {record.number for record in useless}
    setup.state.without_checkpoints = sorted(numbers.union(setup.state.without_checkpoints))
    setup.save_state()
    for record in useless:
        folder = trial_folder(setup.out_folder, record.number, record.result.attempt)
        try:
            setup.launcher.discard_checkpoint(folder)
        except StoreError as error:
            text = f"The checkpoint of trial {record.number} stays: {error.problem}"
            setup.note(text, warning=True)
    return without_checkpoints(records, numbers)


def without_checkpoints(
    records: Iterable[TrialRecord], numbers: Collection[int]
) -> list[TrialRecord]:
    """Return records in which some trials have no checkpoint any more.

    Args:
        records: All trials so far.
        numbers: Trials whose checkpoints were deleted.
    """
    return [
        replace(record, result=record.result.model_copy(update={"checkpoint_folder": None}))
        if record.number in numbers
        else record
        for record in records
    ]
