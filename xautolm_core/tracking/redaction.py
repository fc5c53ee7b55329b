"""Keeps credentials out of what is said about a tracking server."""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Mapping
from urllib.parse import SplitResult
from urllib.parse import parse_qsl
from urllib.parse import unquote
from urllib.parse import urlsplit

URI_VARIABLE = "MLFLOW_TRACKING_URI"
_SECRET_VARIABLES = ("MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")
_KEY_PATTERN = r"[\w.-]*(?:passw|passphrase|pwd|token|secret|odbc_connect)[\w.-]*"
_SECRET_KEY = re.compile(_KEY_PATTERN, re.IGNORECASE)
_USER = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)[^\s'\"]*@")
_SECRET_VALUE = re.compile(rf"([?&;]{_KEY_PATTERN}=)[^&\s'\"]*", re.IGNORECASE)
_HIDDEN = "***"


def has_credential(uri: str) -> bool:
    """Return whether an address holds a password, a token or the like.

    A user alone is none for a database; for HTTP it may be a token.
    """
    parts = _split(uri)
    if parts is None:
        return "@" in uri
    is_web = parts.scheme in ("http", "https")
    return (
        bool(parts.password)
        or (is_web and "@" in parts.netloc)
        or any(True for _ in _secret_values(parts))
    )


def redacted(text: str, environ: Mapping[str, str]) -> str:
    """Return a text without the credentials of addresses in it, and without the environment's.

    Args:
        text: Such as the message of an error.
        environ: The environment that the client reads its credentials from.
    """
    for secret in sorted(_secrets(environ), key=len, reverse=True):
        text = text.replace(secret, _HIDDEN)
    text = _USER.sub(rf"\1…:{_HIDDEN}@", text)
    return _SECRET_VALUE.sub(rf"\1{_HIDDEN}", text)


def _secrets(environ: Mapping[str, str]) -> set[str]:
    found = {environ.get(name, "").strip() for name in _SECRET_VARIABLES}
    uri = environ.get(URI_VARIABLE, "").strip()
    if has_credential(uri):
        found.add(uri)
        parts = _split(uri)
        if parts is not None:
            # Drivers say it as it is in the address, and decoded.
            found |= {parts.password or "", unquote(parts.password or ""), *_secret_values(parts)}
            if parts.scheme in ("http", "https"):
                found.add(parts.username or "")
    return found - {""}


def _secret_values(parts: SplitResult) -> Iterator[str]:
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if _SECRET_KEY.fullmatch(name):
            yield value


def _split(uri: str) -> SplitResult | None:
    try:
        return urlsplit(uri)
    except ValueError:
        return None
