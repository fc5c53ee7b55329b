"""A folder's files as objects: content-addressed, the manifest last, verified on download.

A bundle lies at ``<prefix>-<digest>/``: ``parts/<digest of a file>-<number>`` hold the files in
parts of limited size, so that neither side needs to hold a large file, and ``manifest.json`` names
files, sizes and digests. It is written last: a bundle with a manifest is complete.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated
from typing import Literal

from pydantic import AfterValidator
from pydantic import BaseModel
from pydantic import ConfigDict
from pydantic import Field
from pydantic import model_validator

from xautolm_core.errors import StoreError
from xautolm_core.objects.contract import ObjectStorage
from xautolm_core.objects.keys import check_key

PART_BYTES = 32 << 20
MANIFEST_NAME = "manifest.json"
_DIGEST = r"^[0-9a-f]{64}$"
_READ_BYTES = 1 << 20


def _plain(name: str) -> str:
    try:
        return check_key(name)
    except StoreError as error:
        raise ValueError(error.problem) from None


PlainPath = Annotated[str, AfterValidator(_plain)]
"""A relative path that cannot leave its folder."""


class BundleReference(BaseModel):
    """Identifies one bundle, by place and content.

    Attributes:
        prefix: Prefix of its objects.
        digest: SHA-256 (hex) over its manifest's files, to verify what is downloaded.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    prefix: PlainPath
    digest: str = Field(pattern=_DIGEST)


class BundleFile(BaseModel):
    """One file of a bundle."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: PlainPath
    size_bytes: int = Field(ge=0)
    sha256: str = Field(pattern=_DIGEST)


class Manifest(BaseModel):
    """The content of a bundle.

    Attributes:
        part_bytes: Size of all parts of a file but the last.
        files: Ordered by name.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: Literal[1] = 1
    part_bytes: int = Field(default=PART_BYTES, gt=0)
    files: tuple[BundleFile, ...]

    @model_validator(mode="after")
    def _check_names(self) -> Manifest:
        names = [file.name for file in self.files]
        if len(set(names)) != len(names):
            raise ValueError("a file is named twice")
        return self

    @property
    def digest(self) -> str:
        """SHA-256 (hex) over the size of parts and names, sizes and digests of the files."""
        files = sorted((f.name, f.size_bytes, f.sha256) for f in self.files)
        return hashlib.sha256(json.dumps([self.part_bytes, files]).encode()).hexdigest()

    def parts_of(self, file: BundleFile) -> int:
        """Return the number of parts of a file; 0 for an empty one."""
        return -(-file.size_bytes // self.part_bytes)


def files_below(folder: Path) -> list[str]:
    """Return the names of all plain files below a folder; links are left out."""
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink()
    )


def describe_files(folder: Path, names: Iterable[str], *, part_bytes: int = PART_BYTES) -> Manifest:
    """Return the manifest of some files of a folder.

    Raises:
        StoreError: One of them cannot be read.
        ValueError: A name is not a plain relative path.
    """
    files = []
    for name in sorted(names):
        size_bytes, digest = _measure(folder / name)
        files.append(BundleFile(name=name, size_bytes=size_bytes, sha256=digest))
    return Manifest(part_bytes=part_bytes, files=tuple(files))


def holds_files(folder: Path, manifest: Manifest) -> bool:
    """Whether a folder has every file of a manifest with the same content."""
    for file in manifest.files:
        path = folder / file.name
        try:
            if path.is_symlink() or path.stat().st_size != file.size_bytes:
                return False
            if _measure(path) != (file.size_bytes, file.sha256):
                return False
        except (OSError, StoreError):
            return False
    return folder.is_dir()


def send_bundle(
    storage: ObjectStorage,
    place: str,
    folder: Path,
    names: Iterable[str],
    *,
    part_bytes: int = PART_BYTES,
) -> BundleReference:
    """Write files of a folder as a bundle, unless it exists.

    It may be killed at any moment, run again, and run by several processes at once, as each object
    has only one possible content.

    Args:
        storage: Target storage.
        place: Begin of its prefix; the digest is appended.
        folder: Folder of the files.
        names: Their names below the folder.
        part_bytes: Size of the parts of a file.

    Raises:
        StoreError: A file cannot be read, or an object cannot be written.
    """
    manifest = describe_files(folder, names, part_bytes=part_bytes)
    reference = BundleReference(prefix=f"{place}-{manifest.digest[:16]}", digest=manifest.digest)
    manifest_key = f"{reference.prefix}/{MANIFEST_NAME}"
    document = manifest.model_dump_json().encode()
    try:
        if storage.get(manifest_key) == document:
            return reference
    except KeyError:
        pass
    for file in manifest.files:
        for number, data in enumerate(_read_parts(folder / file.name, manifest.part_bytes)):
            storage.put(part_key(reference, file, number), data)
    storage.put(manifest_key, document)
    return reference


def is_whole(storage: ObjectStorage, reference: BundleReference) -> bool:
    """Whether a bundle is complete: its manifest is written last, and deleted first.

    Raises:
        StoreError: The storage cannot be read.
    """
    try:
        storage.get(f"{reference.prefix}/{MANIFEST_NAME}")
    except KeyError:
        return False
    return True


def delete_bundle(storage: ObjectStorage, reference: BundleReference) -> None:
    """Delete a bundle, its manifest first; a missing one is not an error.

    Raises:
        StoreError: An object cannot be deleted.
    """
    storage.delete(f"{reference.prefix}/{MANIFEST_NAME}")
    storage.delete_many([info.key for info in storage.list(f"{reference.prefix}/")])


def part_key(reference: BundleReference, file: BundleFile, number: int) -> str:
    """Return the key of one part of a file, counted from 0."""
    return f"{reference.prefix}/parts/{file.sha256}-{number:05d}"


def _measure(path: Path) -> tuple[int, str]:
    digest = hashlib.sha256()
    size_bytes = 0
    for chunk in _read_parts(path, _READ_BYTES):
        digest.update(chunk)
        size_bytes += len(chunk)
    return size_bytes, digest.hexdigest()


def _read_parts(path: Path, part_bytes: int) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            while part := file.read(part_bytes):
                yield part
    except OSError as error:
        raise StoreError(
            f"Cannot read {path}: {error.strerror or error}",
            hint="Check that the file exists and that this user may read it",
        ) from error
