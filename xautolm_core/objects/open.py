"""Open an object storage by its address."""

from __future__ import annotations

from pathlib import Path

from xautolm_core.errors import ConfigError
from xautolm_core.objects.addresses import check_slashes
from xautolm_core.objects.addresses import folder_of_address
from xautolm_core.objects.addresses import scheme_of
from xautolm_core.objects.contract import ObjectStorage
from xautolm_core.objects.folder import FolderObjects
from xautolm_core.plugins import Registry

STORAGES = Registry(
    "xautolm.storages",
    "storage",
    {"file": f"{__name__}:open_folder", "s3": "xautolm_core.objects.s3:S3Objects.from_uri"},
)
"""Storages by scheme; each is a function from an address to the storage."""


def open_objects(address: str) -> ObjectStorage:
    """Return the objects at an address. Nothing is created or read.

    Args:
        address: A folder, ``file:///folder``, ``s3://bucket/prefix`` (extra ``s3``; endpoint and
            credentials: see ``read_s3_settings``), or one of a plug-in's scheme.

    Raises:
        ConfigError: The address is malformed, or credentials are missing.
        StoreError: The prefix is unsafe.
    """
    check_slashes(address, "The address of the objects")
    scheme = scheme_of(address)
    if not scheme and address.strip():
        return FolderObjects(Path(address))
    if scheme not in STORAGES:
        others = "".join(f", {one}://" for one in STORAGES.names() if one not in STORAGES.built_in)
        raise ConfigError(
            f"Objects cannot be at {f'a {scheme}:// address' if scheme else 'an empty address'}",
            hint=f"Use a folder or s3://bucket/prefix{others}",
        )
    make = STORAGES.load(scheme)
    with STORAGES.blaming(scheme):
        storage: ObjectStorage = make(address)
    return storage


def open_folder(address: str) -> FolderObjects:
    """Return the objects of a ``file://`` address.

    Raises:
        ConfigError: It does not name a folder of this machine.
    """
    folder = folder_of_address(address)
    if folder is None:
        raise ConfigError(
            f"{address} does not name a folder of this machine",
            hint="Write three slashes: file:///folder",
        )
    return FolderObjects(folder)
