"""Opens an object storage by its address."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from xautolm_core.errors import ConfigError
from xautolm_core.objects.addresses import check_slashes
from xautolm_core.objects.addresses import folder_of_address
from xautolm_core.objects.contract import ObjectStorage
from xautolm_core.objects.folder import FolderObjects


def open_objects(address: str) -> ObjectStorage:
    """Return the objects at an address. Nothing is created or asked for.

    Args:
        address: A folder, ``file:///folder``, or ``s3://bucket/prefix`` (extra ``s3``; endpoint and
            credentials: see ``read_s3_settings``).

    Raises:
        ConfigError: The address is malformed, or credentials are missing.
        StoreError: The prefix is unsafe.
    """
    check_slashes(address, "The address of the objects")
    scheme = urlsplit(address).scheme if "://" in address else ""
    if scheme == "s3":
        from xautolm_core.objects.s3 import S3Objects

        return S3Objects.from_uri(address)
    if scheme == "file":
        folder = folder_of_address(address)
        if folder is None:
            raise ConfigError(
                f"{address} does not name a folder of this machine",
                hint="Write three slashes: file:///folder",
            )
        return FolderObjects(folder)
    if scheme or not address.strip():
        raise ConfigError(
            f"Objects cannot be at {f'a {scheme}:// address' if scheme else 'an empty address'}",
            hint="Use a folder or s3://bucket/prefix",
        )
    return FolderObjects(Path(address))
