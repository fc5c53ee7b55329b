"""Makes a store where there is none, and finds out what its keys may do."""

from __future__ import annotations

from dataclasses import dataclass

from xautolm_core.errors import StoreError
from xautolm_core.experience.compaction import storage_now
from xautolm_core.experience.policy import TenantPolicy
from xautolm_core.experience.policy import policy_key
from xautolm_core.experience.policy import write_policy
from xautolm_core.objects.contract import ObjectStorage
from xautolm_core.objects.contract import StorageUnavailableError

_TRIED = "clock/deletable.json"


@dataclass(frozen=True)
class StoreBeginning:
    """What was found and made of a store.

    Attributes:
        wrote_policy: Whether the tenant had no policy, and has the strictest one now.
        may_delete: Whether objects may be deleted, which compacting and forgetting need.
    """

    wrote_policy: bool
    may_delete: bool


def begin_store(storage: ObjectStorage, tenant: str) -> StoreBeginning:
    """Make a store of a storage, or look at the one that is there; repeating it changes nothing.

    Objects are written, listed, read and deleted, so that a missing right is known now. Without
    the right to delete a store is of use all the same.

    Args:
        storage: Where it is, or is to be.
        tenant: Whose policy is written, unless there is one.

    Raises:
        StoreError: Something cannot be written, listed or read, or the tenant's name is no key.
    """
    key = policy_key(tenant)
    storage_now(storage)
    try:
        storage.get(key)
    except KeyError:
        wrote_policy = True
        write_policy(storage, tenant, TenantPolicy())
    else:
        wrote_policy = False
    return StoreBeginning(wrote_policy, _may_delete(storage))


def _may_delete(storage: ObjectStorage) -> bool:
    storage.put(_TRIED, b"{}\n")
    try:
        storage.delete(_TRIED)
    except StorageUnavailableError:
        raise
    except StoreError:
        return False
    return True
