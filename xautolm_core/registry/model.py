"""A registered model, and how it is read."""

from __future__ import annotations

from dataclasses import dataclass

from xautolm_core.errors import StoreError
from xautolm_core.objects.contract import ObjectStorage
from xautolm_core.registry.documents import StoredVersion
from xautolm_core.registry.documents import damaged
from xautolm_core.registry.documents import unseal
from xautolm_core.registry.layout import RECORDS
from xautolm_core.registry.layout import is_version
from xautolm_core.registry.layout import record_key
from xautolm_core.registry.layout import task_key
from xautolm_core.registry.record import ModelRecord


@dataclass(frozen=True)
class RegisteredModel:
    """One version of a task's model. It never changes.

    Attributes:
        registry: Address of the registry.
        stored: Its stored document.
    """

    registry: str
    stored: StoredVersion

    def __str__(self) -> str:
        return f"Version {self.version} of task {self.task_name!r}"

    @property
    def version(self) -> str:
        """Its id: the time of training, and a digest of the model's identity."""
        return self.stored.version

    @property
    def task_name(self) -> str:
        """Name of the task."""
        return self.stored.task_name

    @property
    def record(self) -> ModelRecord:
        """Origin, scores and cost of the model."""
        return self.stored.record

    @property
    def digest(self) -> str:
        """SHA-256 (hex) over names, sizes and digests of its files."""
        return self.stored.files.digest

    @property
    def uri(self) -> str:
        """Address of its record; settings in the registry's address stay at the end."""
        address, mark, settings = self.registry, "", ""
        if "://" in address:
            address, mark, settings = address.partition("?")
        key = record_key(self.task_name, self.version)
        return f"{address.rstrip('/')}/{key}{mark}{settings}"


def parse_model(data: bytes, registry: str, task_name: str, version: str) -> RegisteredModel:
    """Read a version's record.

    Raises:
        DamagedVersionError: It is damaged, or belongs to another version.
    """
    name = f"Version {version} of task {task_name!r}"
    stored = unseal(data, StoredVersion, name)
    if (stored.task_name, stored.version) != (task_name, version):
        raise damaged(name, "its record belongs to another version")
    return RegisteredModel(registry, stored)


def read_models(
    storage: ObjectStorage, registry: str, task_name: str
) -> dict[str, RegisteredModel | str]:
    """Return version to its model, or to the problem of its record, oldest first.

    Of one model that two processes registered at once, each with a record of its own, the first
    counts.

    Raises:
        StoreError: The registry as a whole cannot be read.
    """
    prefix = f"{RECORDS}/{task_key(task_name)}/"
    versions = {
        info.key: version
        for info in storage.list(prefix)
        if is_version(version := info.key.removeprefix(prefix).removesuffix(".json"))
    }
    read: dict[str, RegisteredModel | str] = {}
    for key, data in storage.get_many(versions):
        version = versions[key]
        try:
            if isinstance(data, StoreError):
                raise data
            read[version] = parse_model(data, registry, task_name, version)
        except StoreError as error:
            read[version] = error.problem
    found: dict[str, RegisteredModel | str] = {}
    identities: set[str] = set()
    for version, model in sorted(read.items()):
        identity = version.rpartition("-")[2]
        if identity not in identities:
            found[version] = model
        if isinstance(model, RegisteredModel):
            identities.add(identity)
    return found
