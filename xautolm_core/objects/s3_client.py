"""The ``minio`` client for given settings, and what its faults mean."""

from __future__ import annotations

import os
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from xautolm_core.errors import ConfigError
from xautolm_core.errors import MissingExtraError
from xautolm_core.errors import StoreError
from xautolm_core.objects.contract import StorageUnavailableError
from xautolm_core.objects.s3_settings import S3Settings

CONNECT_SECONDS = 5.0
CONNECTIONS = 32

_TRANSIENT_STATUS = {408, 425, 429, 500, 502, 503, 504}
_TRANSIENT_CODES = {
    "BandwidthLimitExceeded",
    "InternalError",
    "RequestLimitExceeded",
    "RequestTimeout",
    "ServerBusy",
    "ServiceUnavailable",
    "SlowDown",
    "SlowDownRead",
    "SlowDownWrite",
    "Throttling",
    "ThrottlingException",
    "TooManyRequests",
    "XMinioServerNotInitialized",
}
_HINTS = {
    "AccessDenied": "Give the user the right to read and write this bucket",
    "ExpiredToken": "Renew the session token",
    "InvalidAccessKeyId": "Check XAUTOLM_S3_ACCESS_KEY or the credentials file",
    "NoSuchBucket": "Create the bucket first, or correct its name",
    "RequestTimeTooSkewed": "Set this machine's clock",
    "SignatureDoesNotMatch": "Check XAUTOLM_S3_SECRET_KEY or the credentials file",
    "SSLCertVerificationError": "Name the server's certificate authority with ca_bundle=FILE.pem",
}
# What is wrong with the storage as a whole, not with one object of it.
_UNAVAILABLE_CODES = set(_HINTS) - {"AccessDenied"}


class PartlyDeletedError(Exception):
    """Some objects of one request could not be deleted.

    Args:
        codes: Why, for each of them.
    """

    def __init__(self, codes: Sequence[str]) -> None:
        # Those that may still go are tried again first; then the rest is what is told.
        self.code = next((code for code in codes if code in _TRANSIENT_CODES), codes[0])
        super().__init__(f"{len(codes)} objects, such as for {self.code}")


def new_client(settings: S3Settings) -> Any:
    """Return a client that makes each request once: repeating is left to the caller.

    Raises:
        ConfigError: The region or the CA bundle cannot be used.
        MissingExtraError: The ``minio`` package is not installed.
    """
    try:
        import urllib3
        from minio import Minio
    except ImportError as error:
        raise MissingExtraError("s3", "Reading and writing s3:// addresses") from error
    parts = urlsplit(settings.endpoint)
    secure = parts.scheme == "https"
    timeout = urllib3.Timeout(
        connect=min(CONNECT_SECONDS, settings.timeout_seconds), read=settings.timeout_seconds
    )
    pool = urllib3.PoolManager(
        maxsize=CONNECTIONS,
        timeout=timeout,
        retries=False,
        ssl_context=tls_context(settings.ca_bundle) if secure else None,
    )
    try:
        client = Minio(
            parts.netloc,
            credentials=settings.credentials,
            region=settings.region,
            secure=secure,
            http_client=pool,
        )
    except ValueError as error:
        raise ConfigError(
            f"The S3 endpoint or region cannot be used: {error}", hint="Correct it"
        ) from error
    if settings.path_style is True:
        client.disable_virtual_style_endpoint()
    elif settings.path_style is False:
        client.enable_virtual_style_endpoint()
    return client


def tls_context(ca_bundle: Path | None) -> ssl.SSLContext:
    """Return what certificates are checked with: the bundle, or the usual authorities.

    Raises:
        ConfigError: The bundle cannot be read.
    """
    import certifi

    try:
        return ssl.create_default_context(cafile=os.fspath(ca_bundle or certifi.where()))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"Cannot read the certificates in {ca_bundle}: {type(error).__name__}",
            hint="Name a PEM file as ca_bundle (XAUTOLM_S3_CA_BUNDLE)",
        ) from error


def client_errors() -> tuple[type[Exception], ...]:
    """Return what the client raises when a request fails."""
    from xml.etree.ElementTree import ParseError

    import urllib3
    from minio.error import MinioException

    return (
        MinioException,
        PartlyDeletedError,
        urllib3.exceptions.HTTPError,
        ParseError,
        OSError,
        ValueError,
    )


def is_transient(error: Exception) -> bool:
    """Whether a failed request may succeed when it is made again."""
    from xml.etree.ElementTree import ParseError

    import urllib3
    from minio.error import MinioException

    if isinstance(error, PartlyDeletedError):
        return error.code in _TRANSIENT_CODES
    if isinstance(error, MinioException):
        status = _status(error)
        return status in _TRANSIENT_STATUS or getattr(error, "code", None) in _TRANSIENT_CODES
    if _certificate_fault(error) is not None or isinstance(
        error, urllib3.exceptions.LocationParseError
    ):
        return False
    return isinstance(error, (urllib3.exceptions.HTTPError, ParseError, OSError))


def fault_code(error: Exception) -> str:
    """Return a fault's code, or its class, or the status: never the text, which may hold anything.

    The text of an S3 error holds host and request ids, that of urllib3 the whole request.
    """
    code = getattr(error, "code", None)
    if isinstance(code, str) and code:
        return code[:60]
    status = _status(error)
    if status:
        return f"HTTP status {status}"
    return type(_certificate_fault(error) or error).__name__


def store_error(problem: str, error: Exception) -> StoreError:
    """Return what a user is told of a failed request.

    Args:
        problem: What could not be done, and where.
        error: What the client raised.
    """
    import urllib3

    code = fault_code(error)
    hint = _HINTS.get(code, "Check endpoint, bucket and network")
    unreachable = isinstance(error, (urllib3.exceptions.HTTPError, OSError))
    kind = StorageUnavailableError if unreachable or code in _UNAVAILABLE_CODES else StoreError
    return kind(f"{problem}: {code}", hint=hint)


def safe_cause(error: Exception) -> Exception | None:
    """Return the fault if a traceback may show it; what quotes a server's page may not."""
    import urllib3
    from minio.error import S3Error

    shown = (PartlyDeletedError, S3Error, urllib3.exceptions.HTTPError, OSError)
    return error if isinstance(error, shown) else None


def _status(error: Exception) -> int:
    from minio.error import InvalidResponseError
    from minio.error import S3Error
    from minio.error import ServerError

    if isinstance(error, S3Error):
        return int(getattr(error.response, "status", 0))
    if isinstance(error, ServerError):
        return int(error.status_code)
    if isinstance(error, InvalidResponseError):
        # The client has no public name for it.
        return int(getattr(error, "_code", 0))
    return 0


def _certificate_fault(error: BaseException) -> BaseException | None:
    """Return the certificate error that a fault is or wraps."""
    for candidate in (error, *error.args, error.__cause__, error.__context__):
        if isinstance(candidate, ssl.SSLCertVerificationError):
            return candidate
    return None
