"""A registry of models over any object storage."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from pathlib import PurePosixPath

from xautolm_core.errors import ConfigError
from xautolm_core.objects.bundle import files_below
from xautolm_core.objects.bundle import send_bundle
from xautolm_core.objects.bundle_fetch import DamagedBundleError
from xautolm_core.objects.bundle_fetch import fetch_bundle
from xautolm_core.objects.bundle_fetch import read_manifest
from xautolm_core.objects.contract import ObjectStorage
from xautolm_core.objects.open import open_objects
from xautolm_core.registry.documents import DamagedVersionError
from xautolm_core.registry.documents import Promotion
from xautolm_core.registry.documents import StoredVersion
from xautolm_core.registry.documents import damaged
from xautolm_core.registry.documents import seal
from xautolm_core.registry.documents import unseal
from xautolm_core.registry.layout import RECORDS
from xautolm_core.registry.layout import is_version
from xautolm_core.registry.layout import model_identity
from xautolm_core.registry.layout import models_place
from xautolm_core.registry.layout import record_key
from xautolm_core.registry.layout import rows_key
from xautolm_core.registry.layout import task_key
from xautolm_core.registry.layout import version_id
from xautolm_core.registry.model import RegisteredModel
from xautolm_core.registry.model import parse_model
from xautolm_core.registry.model import read_models
from xautolm_core.registry.promotions import all_promotions
from xautolm_core.registry.promotions import newest_promotion
from xautolm_core.registry.promotions import write_promotion
from xautolm_core.registry.record import ModelRecord

WEIGHTS_SUFFIX = ".safetensors"
ALLOWED_SUFFIXES = frozenset({WEIGHTS_SUFFIX, ".json", ".jinja", ".md", ".model", ".txt"})
"""``.model`` is a vocabulary of SentencePiece (a protocol buffer)."""


def model_files(folder: Path) -> list[str]:
    """Return the names of a model's files below a folder.

    Raises:
        ConfigError: There is no folder, no weights, or a file that is not allowed in a model.
    """
    if not folder.is_dir():
        raise ConfigError(
            f"{folder} is not a folder with a model", hint="Give RUN/model of a finished search"
        )
    names = files_below(folder)
    check_names(names, str(folder))
    return names


def check_names(names: Iterable[str], where: str) -> None:
    """Check that the files are those of a model, by their names.

    Raises:
        ConfigError: They are not.
    """
    suffixes = {name: PurePosixPath(name).suffix.lower() for name in names}
    for name, suffix in suffixes.items():
        if suffix not in ALLOWED_SUFFIXES:
            raise ConfigError(
                f"{where} holds {name!r}, which is not a file of a registered model",
                hint=f"Remove it: files end in {', '.join(sorted(ALLOWED_SUFFIXES))}",
            )
    if WEIGHTS_SUFFIX not in suffixes.values():
        raise ConfigError(
            f"{where} holds no weights (a file that ends in {WEIGHTS_SUFFIX})",
            hint="Give RUN/model of a finished search",
        )


def require_replaceable(folder: Path) -> None:
    """Check that a folder holds nothing but a model, so that it can be replaced.

    Raises:
        ConfigError: There is something else in it.
    """
    if not folder.exists():
        return
    try:
        if folder.is_dir() and not any(folder.iterdir()):
            return
        model_files(folder)
    except (OSError, ConfigError) as error:
        raise ConfigError(
            f"{folder} exists and holds more than a model",
            hint="Give an empty folder",
        ) from error


class ModelRegistry:
    """Models under the names of their tasks, in versions, one of them the champion.

    Objects are immutable and complete before another one refers to them; neither locks nor
    conditional writes are needed. Any number of processes may use one registry.

    Args:
        storage: Its object storage.
        address: Its address, for people and programs.
    """

    def __init__(self, storage: ObjectStorage, address: str) -> None:
        self._storage = storage
        self.address = address

    @classmethod
    def open(cls, address: str) -> ModelRegistry:
        """Return the registry at an address: a folder, ``file:///folder``, ``s3://bucket/prefix``.

        Nothing is created or read.

        Raises:
            ConfigError: The address is malformed, or credentials are missing.
        """
        return cls(open_objects(address), address)

    def register(
        self,
        task_name: str,
        model_folder: Path,
        record: ModelRecord,
        *,
        seen_rows: bytes | None = None,
    ) -> RegisteredModel:
        """Add a model.

        The same files of the same trial of the same search are one version, however often they are
        registered; the first record stays. It may be killed at any moment and run again.

        Args:
            task_name: The task's name, the same at each retraining.
            model_folder: The model: safetensors, configuration, tokenizer, card.
            record: Origin, scores and cost of the model.
            seen_rows: Digests of the rows that the search has seen, as ``retrain`` makes them.

        Raises:
            ConfigError: The folder holds no model, or files that are not allowed in a model.
            StoreError: A file cannot be read, or an object cannot be written.
        """
        folder = model_folder.resolve()
        names = model_files(folder)
        files = send_bundle(self._storage, models_place(task_name), folder, names)
        identity = model_identity(record.search_id, record.trial, files.digest)
        version = self._version_of(task_name, identity) or version_id(record.created_at, identity)
        key = record_key(task_name, version)
        try:
            return parse_model(self._storage.get(key), self.address, task_name, version)
        except KeyError:
            pass
        rows_sha256 = None
        if seen_rows is not None:
            rows_sha256 = hashlib.sha256(seen_rows).hexdigest()
            self._storage.put(rows_key(task_name, version, rows_sha256), seen_rows)
        stored = StoredVersion(
            version=version,
            task_name=task_name,
            record=record,
            files=files,
            rows_sha256=rows_sha256,
        )
        self._storage.put(key, seal(stored))
        return RegisteredModel(self.address, stored)

    def tasks(self) -> list[str]:
        """Return the names of the tasks that have a readable version, in order.

        Raises:
            StoreError: The registry cannot be read.
        """
        names: dict[str, str] = {}
        for info in self._storage.list(f"{RECORDS}/"):
            folder = info.key.split("/")[1]
            if folder in names:
                continue
            try:
                stored = unseal(self._storage.get(info.key), StoredVersion, info.key)
            except (KeyError, DamagedVersionError):
                continue
            if task_key(stored.task_name) == folder:
                names[folder] = stored.task_name
        return sorted(names.values())

    def versions(self, task_name: str) -> list[RegisteredModel]:
        """Return the versions of a task's model, oldest first; damaged ones are left out.

        Raises:
            StoreError: The registry cannot be read.
        """
        return [found for found in self._read(task_name).values() if not isinstance(found, str)]

    def damaged_versions(self, task_name: str) -> dict[str, str]:
        """Return what ``versions`` leaves out: version to what is wrong with its record.

        Raises:
            StoreError: The registry cannot be read.
        """
        found = self._read(task_name)
        return {version: what for version, what in found.items() if isinstance(what, str)}

    def version(self, task_name: str, version: str) -> RegisteredModel:
        """Return one version.

        Raises:
            ConfigError: There is no such version.
            DamagedVersionError: Its record is damaged.
            StoreError: It cannot be read.
        """
        try:
            data = self._storage.get(record_key(task_name, version))
        except KeyError:
            raise ConfigError(
                f"Task {task_name!r} has no version {version} in {self.address}",
                hint="List the versions with: xautolm models list REGISTRY",
            ) from None
        return parse_model(data, self.address, task_name, version)

    def champion(self, task_name: str) -> RegisteredModel | None:
        """Return the version that was promoted last, or None if none was.

        Raises:
            DamagedVersionError: The newest promotion, or what it names, is damaged or gone.
            StoreError: The registry cannot be read.
        """
        promotion = newest_promotion(self._storage, task_name)
        if promotion is None:
            return None
        name = f"Champion {promotion.version} of task {task_name!r}"
        if not is_version(promotion.version):
            raise damaged(name, "its version is malformed")
        try:
            data = self._storage.get(record_key(task_name, promotion.version))
        except KeyError:
            raise damaged(name, "its record is missing") from None
        return parse_model(data, self.address, task_name, promotion.version)

    def require_champion(self, task_name: str) -> RegisteredModel:
        """Return the champion, as ``champion`` does.

        Raises:
            ConfigError: There is none.
            StoreError: The registry cannot be read, or the champion is damaged.
        """
        champion = self.champion(task_name)
        if champion is None:
            raise ConfigError(
                f"Task {task_name!r} has no champion in {self.address}",
                hint="Name a version (xautolm models list shows them), or promote one",
            )
        return champion

    def promotions(self, task_name: str) -> list[Promotion]:
        """Return all promotions of a task, oldest first.

        Raises:
            StoreError: One cannot be read, or is damaged.
        """
        return all_promotions(self._storage, task_name)

    def promote(
        self, model: RegisteredModel, *, replaces: str | None = None, reason: str = ""
    ) -> Promotion:
        """Make a version the champion. Its files must exist.

        Args:
            model: The version.
            replaces: The champion that it was compared with.
            reason: Reason, in words.

        Raises:
            DamagedVersionError: Objects of the version are missing.
            StoreError: The registry cannot be read or written.
        """
        self._check_files(model)
        return write_promotion(
            self._storage, model.task_name, model.version, replaces=replaces, reason=reason
        )

    def fetch(self, model: RegisteredModel, folder: Path) -> Path:
        """Make a folder hold exactly the files of a version; return it.

        Another model in it is replaced.

        Raises:
            ConfigError: The folder holds something else.
            DamagedVersionError: Files are missing, changed, or not those of a model.
            StoreError: They cannot be read, or the folder cannot be written.
        """
        require_replaceable(folder)
        self._check_files(model)
        try:
            fetch_bundle(self._storage, model.stored.files, folder)
        except DamagedBundleError as error:
            raise damaged(str(model), error.problem) from error
        return folder

    def seen_rows(self, model: RegisteredModel) -> bytes | None:
        """Return the digests of the rows that a version has seen, or None if they are not known.

        Raises:
            DamagedVersionError: They are missing, or changed.
            StoreError: They cannot be read.
        """
        sha256 = model.stored.rows_sha256
        if sha256 is None:
            return None
        try:
            data = self._storage.get(rows_key(model.task_name, model.version, sha256))
        except KeyError:
            raise damaged(str(model), "the digests of its rows are missing") from None
        if hashlib.sha256(data).hexdigest() != sha256:
            raise damaged(str(model), "the digests of its rows have changed")
        return data

    def _check_files(self, model: RegisteredModel) -> None:
        try:
            manifest = read_manifest(self._storage, model.stored.files)
            check_names([file.name for file in manifest.files], str(model))
        except (DamagedBundleError, ConfigError) as error:
            raise damaged(str(model), error.problem) from error

    def _read(self, task_name: str) -> dict[str, RegisteredModel | str]:
        return read_models(self._storage, self.address, task_name)

    def _version_of(self, task_name: str, identity: str) -> str | None:
        for version, found in self._read(task_name).items():
            if version.endswith(f"-{identity}") and not isinstance(found, str):
                return version
        return None
