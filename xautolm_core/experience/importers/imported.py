"""What every importer returns, and how its experiences are named."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from xautolm_core.experience.credentials import Surroundings
from xautolm_core.experience.importers.account import Account
from xautolm_core.experience.policy import TenantPolicy
from xautolm_core.experience.scrub import scrub_experience
from xautolm_core.records.experience import Experience
from xautolm_core.records.experience import experience_id

DEFAULT_TENANT = "default"
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_MAX_CHARACTERS = 60


@dataclass(frozen=True)
class Imported:
    """Experiences that could be written, with the account of all that was read."""

    experiences: Sequence[Experience]
    account: Account


def search_id_of(importer: str, name: str, tenant: str) -> str:
    """Return the search that imported experiences belong to, such as ``published-liar``.

    It depends on the source's own name of the search alone, never on a path, so that the same
    records have the same ids from wherever they are imported. A name that had to be changed for
    this stays distinct by a digest. Tenants other than the default one have ids of their own:
    otherwise what one tenant imports would stand for what another one imports.
    """
    safe = _UNSAFE.sub("_", name).strip("._")
    if safe != name or len(safe) > _MAX_CHARACTERS:
        mark = hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:8]
        safe = f"{safe[:_MAX_CHARACTERS]}-{mark}"
    return f"{importer}-{safe}" if tenant == DEFAULT_TENANT else f"{importer}+{tenant}+{safe}"


def finished(experiences: Sequence[Experience], account: Account, policy: TenantPolicy) -> Imported:
    """Return experiences as a store would write them, with their ids; account for all changes.

    Args:
        experiences: In an order that does not depend on how they were read.
        account: Counts what came in, and what the rules of an experience have replaced.
        policy: What their tenant allows.

    Raises:
        StoreError: The tenant's name is none, or looks like a credential.
    """
    clean = []
    around = Surroundings.of_this_process()
    for experience in with_ids(experiences):
        allowed = scrub_experience(experience, policy, around)
        account.note_changes(experience, allowed)
        clean.append(allowed)
    account.add_imported(clean)
    if account.read and not clean:
        account.warnings.append("nothing of it can be kept")
    return Imported(clean, account)


def with_ids(experiences: Sequence[Experience]) -> list[Experience]:
    """Return the experiences with their ids; equal numbers are distinguished as attempts.

    Args:
        experiences: In an order that does not depend on how they were read.
    """
    attempts: dict[tuple[str, int], int] = {}
    numbered = []
    for experience in experiences:
        key = (experience.search_id, experience.trial_number)
        attempt = attempts.get(key, 0)
        attempts[key] = attempt + 1
        identity = experience_id(*key, attempt)
        numbered.append(experience.model_copy(update={"attempt": attempt, "id": identity}))
    return numbered
