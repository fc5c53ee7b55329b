"""Opens an experience store by its address."""

from __future__ import annotations

from pathlib import Path

from xautolm_core.errors import StoreError
from xautolm_core.experience.folder import FolderStore
from xautolm_core.experience.keys import PLACES
from xautolm_core.experience.policy import TENANTS
from xautolm_core.experience.store import ObjectExperienceStore
from xautolm_core.objects.addresses import check_slashes
from xautolm_core.objects.addresses import folder_of_address
from xautolm_core.objects.addresses import scheme_of
from xautolm_core.objects.open import STORAGES
from xautolm_core.objects.open import open_objects


def open_store(uri_or_path: str, *, create: bool = True) -> ObjectExperienceStore:
    """Return the experience store at an address.

    Args:
        uri_or_path: A folder, ``file:///folder``, or ``s3://bucket/prefix`` (extra ``s3``; endpoint
            and credentials: see ``read_s3_settings``), or an address of a plug-in's scheme.
        create: Create a folder that does not exist, and make sure that it can be written to.

    Raises:
        StoreError: There is no such store, or it cannot be used.
        ConfigError: Credentials are missing or the address is malformed.
    """
    check_slashes(uri_or_path, "The store's address")
    scheme = scheme_of(uri_or_path)
    if not uri_or_path.strip():
        raise StoreError("The store's address is empty", hint="Give a folder: --store FOLDER")
    if scheme == "":
        return FolderStore(Path(uri_or_path), create=create)
    if scheme == "file":
        folder = folder_of_address(uri_or_path)
        if folder is None:
            raise StoreError(
                f"{uri_or_path} does not name a folder of this machine",
                hint="Write three slashes: file:///folder",
            )
        return FolderStore(folder, create=create)
    if scheme in STORAGES:
        return ObjectExperienceStore(open_objects(uri_or_path))
    raise StoreError(
        f"A store cannot be at a {scheme}:// address", hint="Use a folder or s3://bucket/prefix"
    )


def open_existing(uri_or_path: str) -> ObjectExperienceStore:
    """Return the experience store at an address, where something of a store has to lie.

    An empty folder is a store with nothing in it; an empty prefix of a bucket is none, as prefixes
    are there only with something below them.

    Args:
        uri_or_path: See ``open_store``.

    Raises:
        StoreError: There is none, or it cannot be used.
        ConfigError: Credentials are missing or the address is malformed.
    """
    opened = open_store(uri_or_path, create=False)
    storage = opened.storage
    if any(next(iter(storage.list(place)), None) for place in (*PLACES, TENANTS)):
        return opened
    if isinstance(opened, FolderStore):
        if _is_empty(opened.root):
            return opened
        shown = str(opened.root)
    else:
        shown = getattr(storage, "address", "that address")
    raise StoreError(
        f"There is no experience store at {shown}: nothing there is an object of one",
        hint="Give the folder or address that a search was run with (--store)",
    )


def _is_empty(folder: Path) -> bool:
    try:
        return not any(folder.iterdir())
    except OSError as error:
        raise StoreError(
            f"Cannot list {folder}: {error.strerror or error}",
            hint="Check that this user may read the folder",
        ) from error
