"""Parse addresses before they are opened: a folder of this machine, or a server."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote
from urllib.parse import urlsplit

from xautolm_core.errors import ConfigError

# With one slash too few it would be a relative folder, created in the current directory.
_LACKS_A_SLASH = re.compile(r"(?:s3|file|https?):(?!//)", re.IGNORECASE)
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)


def scheme_of(address: str) -> str:
    """Return the scheme of an address, in lower case; empty for a folder."""
    found = _SCHEME.match(address)
    return "" if found is None else found[1].lower()


def is_s3_address(address: str) -> bool:
    """Whether it begins with ``s3://``; it may still be malformed."""
    return scheme_of(address) == "s3"


def folder_of_address(address: str) -> Path | None:
    """Return the folder of a ``file://`` address; None if it is not on this machine."""
    parts = urlsplit(address)
    if parts.netloc not in {"", "localhost"} or not parts.path:
        return None
    return Path(unquote(parts.path))


def check_slashes(address: str, what: str) -> str:
    """Return an address of objects, unless it is a mistyped ``s3://`` or ``file://``.

    It is not repeated in the error, as there may be a secret in it.

    Args:
        address: A folder, or an address with a scheme.
        what: Name of the address, for the message: ``The store's address``.

    Raises:
        ConfigError: It is mistyped.
    """
    lacks = _LACKS_A_SLASH.match(address)
    if lacks is not None:
        scheme = lacks[0].lower()
        raise ConfigError(
            f"{what} begins with {scheme} and has not two slashes after it",
            hint=f"Write {'file:///folder' if scheme == 'file:' else 's3://bucket/prefix'}, "
            "or ./ before the name of a folder",
        )
    return address
