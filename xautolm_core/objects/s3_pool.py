"""HTTP connections: urllib3's pool, as the ``minio`` client uses it.

The client's default pool waits five minutes for an answer, retries failures five times, holds ten
connections and supports only the default authorities; this one replaces it.
"""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

from xautolm_core.errors import ConfigError

if TYPE_CHECKING:
    from urllib3 import PoolManager

CONNECT_SECONDS = 5.0
CONNECTIONS = 32


def connection_pool(
    *, read_seconds: float, ca_bundle: Path | None = None, secure: bool = True
) -> PoolManager:
    """Return a pool that makes each request once: retries are left to the caller.

    Args:
        read_seconds: Timeout of the next bytes of an answer.
        ca_bundle: PEM file of the authorities to verify certificates with, in place of the default
            ones.
        secure: Whether HTTPS is used.

    Raises:
        ConfigError: The bundle cannot be read.
    """
    import urllib3

    return urllib3.PoolManager(
        maxsize=CONNECTIONS,
        timeout=urllib3.Timeout(connect=min(CONNECT_SECONDS, read_seconds), read=read_seconds),
        retries=False,
        ssl_context=_tls_context(ca_bundle) if secure else None,
    )


def _tls_context(ca_bundle: Path | None) -> ssl.SSLContext:
    import certifi

    try:
        return ssl.create_default_context(cafile=os.fspath(ca_bundle or certifi.where()))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"Cannot read the certificates in {ca_bundle}: {type(error).__name__}",
            hint="Name a PEM file as ca_bundle (XAUTOLM_S3_CA_BUNDLE)",
        ) from error
