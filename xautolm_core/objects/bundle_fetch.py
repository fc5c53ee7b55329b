"""Download a bundle into a folder that appears atomically, with verified content."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import tempfile
from pathlib import Path

from pydantic import ValidationError

from xautolm_core.errors import StoreError
from xautolm_core.objects.bundle import MANIFEST_NAME
from xautolm_core.objects.bundle import BundleFile
from xautolm_core.objects.bundle import BundleReference
from xautolm_core.objects.bundle import Manifest
from xautolm_core.objects.bundle import holds_files
from xautolm_core.objects.bundle import part_key
from xautolm_core.objects.contract import ObjectStorage
from xautolm_core.validation import first_problem

_PUBLISH_TRIES = 3


class DamagedBundleError(StoreError):
    """Objects of a bundle are missing or damaged."""


def fetch_bundle(storage: ObjectStorage, reference: BundleReference, target: Path) -> None:
    """Make a folder hold exactly the files of a bundle.

    A folder with the same content is left as it is; any other is replaced. Several processes may do
    this with one target at once, on a shared file system too: each fills a folder of its own and
    renames it, and a later one finds the content already there.

    Args:
        storage: Storage of the bundle.
        reference: The bundle.
        target: The folder; its parents are created.

    Raises:
        DamagedBundleError: The bundle is incomplete, or does not match the reference.
        StoreError: It cannot be read, or the folder cannot be written.
    """
    manifest = read_manifest(storage, reference)
    if holds_files(target, manifest):
        return
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{target.name[:40]}-", dir=target.parent))
        try:
            draft.chmod(0o755)
            for file in manifest.files:
                _fetch_file(storage, reference, manifest, file, draft / file.name)
            _publish(draft, target, manifest)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    except OSError as error:
        raise StoreError(
            f"Cannot write {target}: {error.strerror or error}",
            hint="Choose a folder with space left that this user may write to",
        ) from error


def read_manifest(storage: ObjectStorage, reference: BundleReference) -> Manifest:
    """Return the manifest of a bundle.

    Raises:
        DamagedBundleError: There is none, or it does not match the reference.
        StoreError: It cannot be read.
    """
    key = f"{reference.prefix}/{MANIFEST_NAME}"
    try:
        manifest = Manifest.model_validate_json(storage.get(key))
    except KeyError:
        raise _damaged(reference, f"{key} is missing") from None
    except ValidationError as error:
        reason = first_problem(error).message
        raise _damaged(reference, f"{key} is not a manifest ({reason})") from None
    if manifest.digest != reference.digest:
        raise _damaged(reference, f"{key} names other files than were sent")
    return manifest


def _fetch_file(
    storage: ObjectStorage,
    reference: BundleReference,
    manifest: Manifest,
    file: BundleFile,
    path: Path,
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with path.open("xb") as stream:
        for number in range(manifest.parts_of(file)):
            key = part_key(reference, file, number)
            try:
                data = storage.get(key)
            except KeyError:
                raise _damaged(reference, f"{key} of {file.name} is missing") from None
            digest.update(data)
            stream.write(data)
        size_bytes = stream.tell()
    if (size_bytes, digest.hexdigest()) != (file.size_bytes, file.sha256):
        raise _damaged(reference, f"{file.name} does not match its digest")


def _publish(draft: Path, target: Path, manifest: Manifest) -> None:
    """Give the draft its final name."""
    for tries_left in reversed(range(_PUBLISH_TRIES)):
        try:
            # A rename onto a non-empty folder fails, so nothing is lost.
            draft.rename(target)
            return
        except OSError:
            if holds_files(target, manifest):
                return  # another process was faster
            if not tries_left:
                raise
            # Already removed, if another process found it damaged too.
            with contextlib.suppress(FileNotFoundError):
                _discard(target)


def _discard(target: Path) -> None:
    """Remove a folder, in one step for other processes."""
    with tempfile.TemporaryDirectory(
        prefix=f".{target.name[:40]}-", dir=target.parent, ignore_cleanup_errors=True
    ) as folder:
        target.rename(Path(folder) / "old")


def _damaged(reference: BundleReference, problem: str) -> DamagedBundleError:
    return DamagedBundleError(
        f"The objects below {reference.prefix} are damaged: {problem}",
        hint="Delete them and send them again",
    )
