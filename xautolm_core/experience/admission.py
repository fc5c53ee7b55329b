"""What may be written into a store: whose experiences, and what of them."""

from __future__ import annotations

from xautolm_core.errors import StoreError
from xautolm_core.experience.codec import is_identity
from xautolm_core.experience.credentials import Surroundings
from xautolm_core.experience.keys import check_tenant
from xautolm_core.experience.policy import TenantPolicy
from xautolm_core.experience.policy import read_policy
from xautolm_core.experience.rules import Rules
from xautolm_core.experience.scrub import scrub_experience
from xautolm_core.objects.contract import ObjectStorage
from xautolm_core.records.experience import Experience


class Admission:
    """Decides what is written into one store. The policy of each tenant is read once.

    Args:
        storage: Of the store.
        tenant: If given, only this tenant's experiences are written.
    """

    def __init__(self, storage: ObjectStorage, tenant: str | None) -> None:
        self._storage = storage
        self._tenant = tenant
        self._policies: dict[str, TenantPolicy] = {}

    def policy(self, tenant: str) -> TenantPolicy:
        """Return what a tenant allows in this store.

        Raises:
            StoreError: Its policy is malformed, or cannot be read.
        """
        known = self._policies.get(tenant)
        if known is None:
            known = self._policies[tenant] = read_policy(self._storage, tenant)
        return known

    def require(self, tenant: str) -> None:
        """Make sure that a tenant's experiences can be written here, before there are any.

        Raises:
            StoreError: They could not: its name is not usable, looks like a credential or is
                another one than the store was opened for; or its policy is malformed.
        """
        self._check_tenant(tenant)
        check_tenant(tenant)
        if not Rules(Surroundings.of_this_process()).is_tenant(tenant):
            raise StoreError(
                "The tenant's name looks like a credential", hint="Give the tenant another name"
            )
        self.policy(tenant)

    def admit(self, experience: Experience, surroundings: Surroundings | None = None) -> Experience:
        """Return an experience without what must not be in it (see ``scrub``).

        Args:
            experience: As it came.
            surroundings: Those of this process; looked up if None.

        Raises:
            StoreError: It belongs to another tenant, or cannot be written at all.
        """
        self._check_tenant(experience.tenant)
        if not is_identity(experience.id):
            raise StoreError(
                f"{experience.id[:40]!r} is not an id of an experience",
                hint="Make it with experience_id(search_id, trial_number, attempt)",
            )
        return scrub_experience(experience, self.policy(experience.tenant), surroundings)

    def _check_tenant(self, tenant: str) -> None:
        if self._tenant is not None and tenant != self._tenant:
            raise StoreError(
                f"This store was opened for tenant {self._tenant!r}, the experience is of "
                f"{tenant!r}",
                hint="Open the store for the tenant that runs the search",
            )
