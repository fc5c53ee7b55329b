"""What a tenant allows its experiences to contain, beyond what everybody's may."""

from __future__ import annotations

from pydantic import BaseModel
from pydantic import ConfigDict
from pydantic import ValidationError

from xautolm_core.errors import StoreError
from xautolm_core.experience.keys import check_tenant
from xautolm_core.objects.contract import ObjectStorage
from xautolm_core.validation import first_problem

TENANTS = "tenants/"


class TenantPolicy(BaseModel):
    """A tenant's rules for what is written. Nothing that is forbidden to all can be allowed here.

    Attributes:
        allow_class_names: Whether names of the task's classes may stand in the names of scores and
            features (``f1/refund``); without it only their indices may (``f1/3``).
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    allow_class_names: bool = False


def policy_key(tenant: str) -> str:
    """Return the key of a tenant's policy: ``tenants/<tenant>.json``.

    Raises:
        StoreError: The tenant's name cannot stand in a key.
    """
    return f"{TENANTS}{check_tenant(tenant)}.json"


def read_policy(storage: ObjectStorage, tenant: str) -> TenantPolicy:
    """Return a tenant's policy in a store; the strictest one if there is none.

    Raises:
        StoreError: It is malformed, or the storage cannot be read.
    """
    key = policy_key(tenant)
    try:
        return decode_policy(key, storage.get(key))
    except KeyError:
        return TenantPolicy()


def decode_policy(key: str, data: bytes) -> TenantPolicy:
    """Return the policy that an object holds.

    Raises:
        StoreError: It is malformed, or not at the key of a tenant's policy.
    """
    if policy_key(key.removeprefix(TENANTS).removesuffix(".json")) != key:
        raise StoreError(f"{key} is not a tenant's policy", hint="Remove the object")
    try:
        return TenantPolicy.model_validate_json(data)
    except ValidationError as error:
        first = first_problem(error)
        raise StoreError(
            f"{key}: {first.dotted or 'it'}: {first.message}",
            hint='Write {"allow_class_names": true}, or remove the object',
        ) from None


def write_policy(storage: ObjectStorage, tenant: str, policy: TenantPolicy) -> None:
    """Keep a tenant's policy in a store.

    Raises:
        StoreError: It cannot be written.
    """
    storage.put(policy_key(tenant), policy.model_dump_json().encode())
