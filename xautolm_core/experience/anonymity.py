"""Takes the name of a forgotten tenant out of all that is not an experience.

The tombstone says whose experiences were forgotten until this is done, so that it survives a kill.
"""

from __future__ import annotations

from collections.abc import Iterable

from xautolm_core.experience.accounting import without_tenant
from xautolm_core.experience.codec import CorruptObjectError
from xautolm_core.experience.codec import decode
from xautolm_core.experience.keys import EXPERIENCES
from xautolm_core.experience.keys import FORGOTTEN
from xautolm_core.experience.keys import QUARANTINE
from xautolm_core.experience.policy import policy_key
from xautolm_core.experience.reader import StoreReader
from xautolm_core.experience.segment import join_tables
from xautolm_core.experience.tombstone import decode_tombstone
from xautolm_core.experience.tombstone import encode_tombstone
from xautolm_core.experience.tombstone import read_tombstone
from xautolm_core.objects.contract import StorageUnavailableError


def forget_names(reader: StoreReader, tombstones: Iterable[str]) -> bool:
    """Do for all tenants whose names still stand in tombstones what is left to do.

    Args:
        reader: Of the store.
        tombstones: Keys of those that may have a name.

    Returns:
        Whether there was any. The tombstones are others then.

    Raises:
        StoreError: The storage cannot be read or written.
    """
    is_found = False
    for key in tombstones:
        try:
            table, tenant = read_tombstone(key, reader.storage.get(key))
        except (KeyError, CorruptObjectError):
            continue
        if tenant is None:
            continue
        is_found = True
        _forget_name(reader, tenant)
        _delete_unreadable(reader, tenant)
        reader.storage.delete(policy_key(tenant))
        # Last of all the name itself: until then the next one knows what is to be done.
        if table.num_rows:
            reader.storage.put(*encode_tombstone(table))
        reader.storage.delete(key)
    return is_found


def _forget_name(reader: StoreReader, tenant: str) -> None:
    """Take a tenant's name out of the accounts of tasks that were forgotten before."""
    import pyarrow.compute as pc

    for info in list(reader.storage.list(FORGOTTEN)):
        try:
            table = decode_tombstone(info.key, reader.storage.get(info.key))
        except KeyError:
            continue
        except CorruptObjectError as error:
            reader.damage.report(info.key, str(error))
            continue
        is_theirs = pc.fill_null(pc.equal(table["tenant"].cast("string"), tenant), False)
        if pc.any(is_theirs).as_py():
            parts = [without_tenant(table.filter(is_theirs)), table.filter(pc.invert(is_theirs))]
            reader.storage.put(*encode_tombstone(join_tables(parts)))
            reader.storage.delete(info.key)


def _delete_unreadable(reader: StoreReader, tenant: str) -> None:
    """Delete what lies below a tenant's name and cannot be read: corrupt, refused, or not there.

    A listed object that is not there may have yet to appear: deleted now, it never will.
    """
    below = f"{EXPERIENCES}{tenant}/"
    doomed = [info.key for info in reader.storage.list(f"{QUARANTINE}{below}")]
    left = {info.key for info in reader.storage.list(below)}
    for key, data in reader.storage.get_many(sorted(left)):
        if isinstance(data, StorageUnavailableError):
            raise data
        try:
            if isinstance(data, bytes):
                decode(data)
                left.discard(key)
        except CorruptObjectError:
            continue
    reader.storage.delete_many([*doomed, *sorted(left)])
