"""A model that a package brings in another format than safetensors: which file, and what it is."""

from __future__ import annotations

import hashlib
import json
from abc import ABC
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any
from typing import ClassVar

from xautolm_core.errors import SpaceError
from xautolm_core.space.download import cache_folder

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class ModelParts:
    """What a model's folder is made from, beside its config.

    Attributes:
        weights: The weights under the names that transformers gives them; float32.
        tokenizer: Name and content of the tokenizer's files.
    """

    weights: Mapping[str, np.ndarray]
    tokenizer: Mapping[str, bytes]


@dataclass(frozen=True)
class PackagedFile(ABC):
    """A file of known content in a package, and how it becomes a model's folder.

    Attributes:
        package: The package that brings the weights, as it is imported.
        file: The file below it.
        sha256: Of the file (hex).
        size_bytes: Of the file.
        config: Config of the model.
        tokenizer_digest: SHA-256 (hex) over the files of its tokenizer.
        format_version: Changes where the same file is to become another folder.
    """

    package: str
    file: str
    sha256: str
    size_bytes: int
    config: Mapping[str, Any]
    tokenizer_digest: str

    format_version: ClassVar[int] = 1

    @property
    def folder(self) -> Path:
        """Where this user's cache has the result."""
        parts = [self.format_version, self.sha256, self.tokenizer_digest, dict(self.config)]
        key = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
        return cache_folder() / "converted" / f"{Path(self.file).stem}-{key}"

    @property
    @abstractmethod
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Name and shape of each weight of the model."""

    @abstractmethod
    def read(self, package: Path) -> ModelParts:
        """Return weights and tokenizer.

        Args:
            package: Folder of the package.

        Raises:
            SpaceError: The package has another file than is known, or its tokenizer is not there.
            MissingExtraError: What reads the file is not installed.
            OSError: A file cannot be read.
        """

    def read_checked(self, package: Path) -> bytes:
        """Return the file's content, which is the very one that is known.

        Raises:
            SpaceError: It is not.
            OSError: It cannot be read.
        """
        path = package / self.file
        size = path.stat().st_size
        content = path.read_bytes() if size == self.size_bytes else b""
        if hashlib.sha256(content).hexdigest() != self.sha256:
            raise SpaceError(
                f"{self.file} of package {self.package} is not the file that is known"
                f" ({size} bytes; SHA-256 {self.sha256[:12]}... and {self.size_bytes} bytes"
                " are expected), so it is not read",
                hint="Install the version that constraints.txt names",
            )
        return content
