"""What every experience store must do. A backend's test subclasses ``ExperienceStoreContract``."""

from __future__ import annotations

from tests.experience.contract.appending import AppendingContract
from tests.experience.contract.at_once import AtOnceContract
from tests.experience.contract.compacting import CompactingContract
from tests.experience.contract.corruption import CorruptionContract
from tests.experience.contract.forgetting import ForgettingContract
from tests.experience.contract.newer import NewerContract
from tests.experience.contract.transferring import TransferringContract
from tests.experience.contract.unreadable import UnreadableContract
from tests.experience.contract.verifying import VerifyingContract


class ExperienceStoreContract(
    AppendingContract,
    CompactingContract,
    CorruptionContract,
    VerifyingContract,
    ForgettingContract,
    TransferringContract,
    UnreadableContract,
    NewerContract,
    AtOnceContract,
):
    """Subclasses give the fixtures ``storage`` (empty) and ``address`` (of the same storage)."""
