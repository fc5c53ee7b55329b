"""Finds one experience by its id, or by the beginning of it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from xautolm_core.errors import StoreError
from xautolm_core.experience.codec import CorruptObjectError
from xautolm_core.experience.codec import experience_of
from xautolm_core.experience.columns import Row
from xautolm_core.experience.columns import from_table
from xautolm_core.experience.keys import mark_of_key
from xautolm_core.experience.merging import order_of
from xautolm_core.experience.reader import StoreReader
from xautolm_core.experience.segment import fixed_bytes
from xautolm_core.experience.state import State
from xautolm_core.records.experience import Experience

SHORTEST_PREFIX = 4
_HEXADECIMAL = re.compile(r"[0-9a-f]{1,32}")
_DIGITS_IN_MARK = 20


def find_experience(reader: StoreReader, prefix: str) -> Experience | None:
    """Return the experience whose id is or begins with a text; None if there is none.

    Raises:
        StoreError: Several ids begin so, or the storage cannot be read.
    """
    if len(prefix) < SHORTEST_PREFIX or not _HEXADECIMAL.fullmatch(prefix):
        return None

    def find(state: State) -> list[Row]:
        return [*_in_segments(reader, state, prefix), *_in_tail(reader, state, prefix)]

    found: dict[str, Experience] = {}
    for row in sorted(reader.settled(find), key=order_of):
        try:
            found.setdefault(row.payload.id, experience_of(row.payload))
        except CorruptObjectError as error:
            reader.damage.report(row.key, str(error))
    if len(found) > 1:
        some = ", ".join(sorted(found)[:3])
        raise StoreError(
            f"{len(found)} experiences begin with {prefix!r}: {some}",
            hint="Give more characters of the id",
        )
    return next(iter(found.values()), None)


def _in_segments(reader: StoreReader, state: State, prefix: str) -> Iterator[Row]:
    """Yield the rows with such an id; nothing but ids is read of the other row groups."""
    import numpy as np

    whole = bytes.fromhex(prefix[: len(prefix) // 2 * 2])
    for entry in state.segments:
        segment = reader.open(entry)
        for group in reader.readable_groups(segment):
            identities = fixed_bytes(reader.read(segment, group, ["id"])["id"])
            begin_so = (identities[:, : len(whole)] == np.frombuffer(whole, np.uint8)).all(axis=1)
            rows = [
                i
                for i in np.flatnonzero(begin_so)
                if identities[i].tobytes().hex().startswith(prefix)
                and identities[i].tobytes() not in state.hidden
            ]
            if rows:
                table = reader.read(segment, group).take(rows)
                yield from reader.rows(segment, group, table)


def _in_tail(reader: StoreReader, state: State, prefix: str) -> Iterator[Row]:
    keys = [key for key in state.tail if _may_begin(key, prefix)]
    for row in from_table(reader.tail(keys, state).table):
        if row.payload.id.startswith(prefix):
            yield row


def _may_begin(key: str, prefix: str) -> bool:
    mark = mark_of_key(key)
    if mark is None:
        return True
    shared = min(len(prefix), _DIGITS_IN_MARK)
    return mark[6:].hex()[:shared] == prefix[:shared]
