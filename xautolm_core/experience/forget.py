"""Forgetting: the experiences of a task or a tenant are taken out of everything.

What remains is anonymous: that there was an attempt, how it ended, its seconds and joules.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xautolm_core.experience.accounting import accounts_of
from xautolm_core.experience.accounting import without_tenant
from xautolm_core.experience.columns import from_table
from xautolm_core.experience.columns import to_table
from xautolm_core.experience.contract import ExperienceFilter
from xautolm_core.experience.contract import Fault
from xautolm_core.experience.keys import EXPERIENCES
from xautolm_core.experience.keys import check_tenant
from xautolm_core.experience.marks import each_id_once
from xautolm_core.experience.purge import purge_forgotten
from xautolm_core.experience.reader import StoreReader
from xautolm_core.experience.scanning import matching_rows
from xautolm_core.experience.segment import join_tables
from xautolm_core.experience.state import State
from xautolm_core.experience.tombstone import encode_tombstone
from xautolm_core.experience.writing import without_ids

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class ForgetReport:
    """What was forgotten.

    Attributes:
        experiences: How many experiences, not counting those that had been forgotten before.
        rewritten_segments: Segments that were written again without them.
        deleted_objects: Single objects that were deleted.
        left: Objects that may hold something of it and are broken, cannot be read, or are listed
            and not there. They stay: broken ones may be deleted by hand. Once others can be read,
            forget again.
    """

    experiences: int
    rewritten_segments: int
    deleted_objects: int
    left: tuple[Fault, ...]


def forget(
    reader: StoreReader, *, task_fingerprint: str | None = None, tenant: str | None = None
) -> ForgetReport:
    """Forget all experiences of a task or of a tenant, from now on and in all files.

    Killed at any step, it is completed when it is run again, or at the next compaction.

    Args:
        reader: Of the store.
        task_fingerprint: Of the task.
        tenant: Name of the tenant.

    Raises:
        ValueError: Not exactly one of both is given.
        StoreError: The storage cannot be read or written.
    """
    if (task_fingerprint is None) == (tenant is None):
        raise ValueError("give either a task's fingerprint or a tenant")
    if tenant is not None:
        check_tenant(tenant)
    wanted = ExperienceFilter(tenant=tenant, task_fingerprint=task_fingerprint)
    count, corrupt = reader.settled(lambda state: _write_tombstone(reader, state, wanted))
    purge = purge_forgotten(reader)
    if tenant is not None:
        # Deleted unread by now. One that is still listed may come back, so it is reported.
        theirs = f"{EXPERIENCES}{tenant}/"
        listed = {info.key for info in reader.storage.list(theirs)}
        corrupt = [f for f in corrupt if not f.key.startswith(theirs) or f.key in listed]
    told = {fault.key for fault in corrupt}
    return ForgetReport(
        experiences=count,
        rewritten_segments=purge.rewritten_segments,
        deleted_objects=purge.deleted_objects,
        left=(*corrupt, *(fault for fault in purge.left if fault.key not in told)),
    )


def _write_tombstone(
    reader: StoreReader, state: State, wanted: ExperienceFilter
) -> tuple[int, list[Fault]]:
    """Write ids and accounts of what is to be forgotten; return how many, and what is broken.

    What cannot be read, or is listed and not there, does not keep the rest from being forgotten.
    But its owner is unknown, so it counts as left: it could be shown once it is there again.
    """
    tables = [without_ids(table, state.hidden) for table in _matching(reader, state, wanted)]
    table = each_id_once(join_tables(tables))
    accounts = accounts_of(table)
    if wanted.tenant is not None:
        # Without any experience too: there may be a policy, or something corrupt.
        named = encode_tombstone(without_tenant(accounts), tenant=wanted.tenant)
        reader.storage.put(*named)
    elif table.num_rows:
        reader.storage.put(*encode_tombstone(accounts))
    theirs = EXPERIENCES if wanted.tenant is None else f"{EXPERIENCES}{wanted.tenant}/"
    suspects = {info.key for info in state.singles if info.key.startswith(theirs)}
    suspects.update(state.written_at)
    return table.num_rows, [f for f in reader.damage.faults if f.key in suspects]


def _matching(reader: StoreReader, state: State, wanted: ExperienceFilter) -> Iterator[pa.Table]:
    """Yield the rows asked for of every segment and of the tail."""
    for segment in state.segments:
        for table in reader.tables(segment):
            yield _exactly(matching_rows(table, wanted), wanted)
    yield _exactly(matching_rows(reader.tail(state.tail, state).table, wanted), wanted)


def _exactly(table: pa.Table, wanted: ExperienceFilter) -> pa.Table:
    """Return the rows asked for where ``matching_rows`` left some open: null columns."""
    name = "tenant" if wanted.tenant is not None else "task_fingerprint"
    if not table[name].null_count:
        return table
    value = getattr(wanted, name)
    return to_table(row for row in from_table(table) if _content(row.payload.text, name) == value)


def _content(text: str, name: str) -> object:
    return json.loads(text).get(name)
