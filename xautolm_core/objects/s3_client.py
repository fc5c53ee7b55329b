"""The ``minio`` client for given settings, and the meaning of its faults."""

from __future__ import annotations

import re
import ssl
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from xautolm_core.errors import ConfigError
from xautolm_core.errors import StoreError
from xautolm_core.objects.contract import StorageUnavailableError
from xautolm_core.objects.retry import TRANSIENT_STATUS
from xautolm_core.objects.s3_pool import connection_pool
from xautolm_core.objects.s3_settings import S3Settings

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
# Faults of the region where the server names the expected one.
_REGION_CODES = {
    "AuthorizationHeaderMalformed",
    "IllegalLocationConstraintException",
    "PermanentRedirect",
    "Redirect",
    "TemporaryRedirect",
}
_REDIRECTING_STATUS = {301, 307, 400}
_REGION = r"([A-Za-z0-9][A-Za-z0-9_-]{0,62})"
_REGION_TOLD = re.compile(rf"<Region>\s*{_REGION}\s*</Region>|expecting '{_REGION}'")
# The answer of MinIO's console to an S3 request.
_CONSOLE_WORDS = "API port"
_USUAL_PORTS = {None, 80, 443, 9000}
# Faults of the storage as a whole, not of a single object.
_UNAVAILABLE_CODES = (set(_HINTS) | _REGION_CODES) - {"AccessDenied"}


class PartlyDeletedError(Exception):
    """Some objects of one request could not be deleted.

    Args:
        codes: Error code of each of them.
    """

    def __init__(self, codes: Sequence[str]) -> None:
        # Transient faults are retried first; then the others are reported.
        self.code = next((code for code in codes if code in _TRANSIENT_CODES), codes[0])
        super().__init__(f"{len(codes)} objects, such as for {self.code}")


def new_client(settings: S3Settings) -> Any:
    """Return a client that makes each request once: retries are left to the caller.

    Raises:
        ConfigError: The region or the CA bundle cannot be used.
    """
    from minio import Minio

    parts = urlsplit(settings.endpoint)
    secure = parts.scheme == "https"
    try:
        client = Minio(
            parts.netloc,
            credentials=settings.credentials,
            region=settings.region,
            secure=secure,
            http_client=connection_pool(
                read_seconds=settings.timeout_seconds,
                ca_bundle=settings.ca_bundle,
                secure=secure,
            ),
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


def client_errors() -> tuple[type[Exception], ...]:
    """Return the exceptions that the client raises when a request fails."""
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
    """Whether a failed request may succeed when it is repeated."""
    from xml.etree.ElementTree import ParseError

    import urllib3
    from minio.error import MinioException

    if isinstance(error, PartlyDeletedError):
        return error.code in _TRANSIENT_CODES
    if isinstance(error, MinioException):
        status = _status(error)
        return status in TRANSIENT_STATUS or getattr(error, "code", None) in _TRANSIENT_CODES
    if _certificate_fault(error) is not None or isinstance(
        error, urllib3.exceptions.LocationParseError
    ):
        return False
    return isinstance(error, (urllib3.exceptions.HTTPError, ParseError, OSError))


def fault_code(error: Exception) -> str:
    """Return a fault's code, or its class, or the status: never the text, which may hold secrets.

    The text of an S3 error holds host and request ids, that of urllib3 the whole request.
    """
    code = getattr(error, "code", None)
    if isinstance(code, str) and code:
        return code[:60]
    status = _status(error)
    if status:
        return f"HTTP status {status}"
    return type(_certificate_fault(error) or error).__name__


def store_error(problem: str, error: Exception, endpoint: str) -> StoreError:
    """Return the error for a failed request.

    Args:
        problem: The failed operation, and its place.
        error: The client's exception.
        endpoint: ``http(s)://host[:port]`` of the server.
    """
    import urllib3

    code = fault_code(error)
    unreachable = isinstance(error, (urllib3.exceptions.HTTPError, OSError))
    kind = StorageUnavailableError if unreachable or code in _UNAVAILABLE_CODES else StoreError
    return kind(f"{problem}: {code}", hint=_hint(error, code, urlsplit(endpoint).port))


def _hint(error: Exception, code: str, port: int | None) -> str:
    """Return the hint for a failed request."""
    region = _told_region(error)
    if region and (code in _REGION_CODES or _status(error) in _REDIRECTING_STATUS):
        return f"The server expects the region '{region}': give region={region} (XAUTOLM_S3_REGION)"
    if code in _REGION_CODES:
        return "Give the bucket's region and endpoint: region=NAME (XAUTOLM_S3_REGION)"
    named = "this endpoint" if port is None else f"port {port}"
    way_out = "name the port of the S3 API (MinIO's is 9000)"
    if _CONSOLE_WORDS in str(getattr(error, "message", "")):
        return f"Behind {named} is a web console: {way_out}"
    if _is_page(error):
        return f"Behind {named} is what answers with web pages, such as a console: {way_out}"
    hint = _HINTS.get(code, "Check endpoint, bucket and network")
    if code == "AccessDenied" and port not in _USUAL_PORTS:
        hint += f"; or, if behind {named} is a web console, {way_out}"
    return hint


def _told_region(error: Exception) -> str | None:
    """Return the region that a server asks for, and nothing else of its answer."""
    from minio.error import S3Error

    if not isinstance(error, S3Error) or error.response is None:
        return None
    header = error.response.headers.get("x-amz-bucket-region") or ""
    if re.fullmatch(_REGION, header):
        return str(header)
    body = (error.response.data or b"").decode("utf-8", "replace")
    told = _REGION_TOLD.search(body)
    return (told[1] or told[2]) if told else None


def _is_page(error: Exception) -> bool:
    """Whether a server refused with a web page; gateways answer for one that fails as well."""
    from minio.error import InvalidResponseError

    # The client has no public name for it.
    kind = str(getattr(error, "_content_type", "") or "")
    refused = isinstance(error, InvalidResponseError) and _status(error) < 500
    return refused and kind.startswith("text/html")


def safe_cause(error: Exception) -> Exception | None:
    """Return the fault if a traceback may show it; None if it quotes a server's page."""
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
