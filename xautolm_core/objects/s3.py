"""Objects in an S3 bucket, through the ``minio`` client (extra ``s3``)."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from collections.abc import Mapping
from datetime import UTC
from typing import Any
from urllib.parse import urlsplit

from xautolm_core.errors import ConfigError
from xautolm_core.errors import MissingExtraError
from xautolm_core.errors import StoreError
from xautolm_core.objects.contract import ObjectInfo
from xautolm_core.objects.keys import check_key
from xautolm_core.objects.keys import check_prefix

CONNECT_SECONDS = 5.0
READ_SECONDS = 60.0
ATTEMPTS = 3

_ENDPOINT_VARIABLES = ("XAUTOLM_S3_ENDPOINT", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
_ACCESS_KEY_VARIABLES = ("XAUTOLM_S3_ACCESS_KEY", "AWS_ACCESS_KEY_ID")
_SECRET_KEY_VARIABLES = ("XAUTOLM_S3_SECRET_KEY", "AWS_SECRET_ACCESS_KEY")
_SESSION_TOKEN_VARIABLES = ("XAUTOLM_S3_SESSION_TOKEN", "AWS_SESSION_TOKEN")
_REGION_VARIABLES = ("XAUTOLM_S3_REGION", "AWS_REGION", "AWS_DEFAULT_REGION")


class S3Objects:
    """``ObjectStorage`` over a bucket. Credentials never stand in its ``repr`` or in an error.

    Args:
        bucket: Name of the bucket; it must exist.
        prefix: All keys live below this prefix of the bucket.
        endpoint: ``http(s)://host[:port]``.
        access_key: Access key.
        secret_key: Secret key.
        session_token: Token of temporary credentials.
        region: Region; the server is asked if None.

    Raises:
        ConfigError: The endpoint is no URL, or credentials are missing.
        MissingExtraError: The ``minio`` package is not installed.
    """

    def __init__(
        self,
        bucket: str,
        prefix: str = "",
        *,
        endpoint: str,
        access_key: str,
        secret_key: str,
        session_token: str | None = None,
        region: str | None = None,
    ) -> None:
        self.bucket = bucket
        self.prefix = check_prefix(prefix.strip("/"))
        self.endpoint = endpoint
        self._client = _client(endpoint, access_key, secret_key, session_token, region)

    @classmethod
    def from_uri(cls, uri: str, environment: Mapping[str, str] | None = None) -> S3Objects:
        """Return the objects below ``s3://bucket[/prefix]``.

        Endpoint and credentials come from the environment: ``XAUTOLM_S3_ENDPOINT``,
        ``XAUTOLM_S3_ACCESS_KEY`` and ``XAUTOLM_S3_SECRET_KEY``, or the usual ``AWS_*`` variables.

        Raises:
            ConfigError: The URI is malformed, or a variable is missing.
        """
        variables = os.environ if environment is None else environment
        parts = urlsplit(uri)
        if parts.scheme != "s3" or not parts.netloc or "@" in parts.netloc:
            raise ConfigError(
                "That is no S3 address", hint="Write s3://bucket/prefix, without credentials"
            )
        region = _first(variables, _REGION_VARIABLES)
        endpoint = _first(variables, _ENDPOINT_VARIABLES) or "https://s3.amazonaws.com"
        return cls(
            parts.netloc,
            parts.path,
            endpoint=endpoint,
            access_key=_required(variables, _ACCESS_KEY_VARIABLES),
            secret_key=_required(variables, _SECRET_KEY_VARIABLES),
            session_token=_first(variables, _SESSION_TOKEN_VARIABLES),
            region=region,
        )

    def __repr__(self) -> str:
        return f"S3Objects({self.address!r})"

    @property
    def address(self) -> str:
        """The ``s3://`` address of the root."""
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    def put(self, key: str, data: bytes) -> None:
        """Write an object, replacing what was there.

        Raises:
            StoreError: It cannot be written.
        """
        try:
            self._client.put_object(self.bucket, self._name(key), io.BytesIO(data), len(data))
        except _client_errors() as error:
            raise self._fault("write", key, error) from error

    def get(self, key: str) -> bytes:
        """Return an object's content.

        Raises:
            KeyError: There is no such object.
            StoreError: It cannot be read.
        """
        try:
            response = self._client.get_object(self.bucket, self._name(key))
            try:
                return bytes(response.read())
            finally:
                response.close()
                response.release_conn()
        except _client_errors() as error:
            if getattr(error, "code", "") in {"NoSuchKey", "NoSuchObject"}:
                raise KeyError(key) from None
            raise self._fault("read", key, error) from error

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Yield the objects whose key begins with the prefix, ordered by key.

        Raises:
            StoreError: The bucket cannot be listed.
        """
        root = f"{self.prefix}/" if self.prefix else ""
        check_prefix(prefix)
        try:
            for item in self._client.list_objects(
                self.bucket, prefix=f"{root}{prefix}", recursive=True
            ):
                name = item.object_name or ""
                if item.is_dir or name.endswith("/") or item.last_modified is None:
                    continue
                yield ObjectInfo(
                    key=name.removeprefix(root),
                    size_bytes=item.size or 0,
                    modified_at=item.last_modified.astimezone(UTC),
                )
        except _client_errors() as error:
            raise self._fault("list", prefix, error) from error

    def delete(self, key: str) -> None:
        """Remove an object; removing one that is not there is no error.

        Raises:
            StoreError: It cannot be removed.
        """
        try:
            self._client.remove_object(self.bucket, self._name(key))
        except _client_errors() as error:
            raise self._fault("delete", key, error) from error

    def _name(self, key: str) -> str:
        check_key(key)
        return f"{self.prefix}/{key}" if self.prefix else key

    def _fault(self, action: str, key: str, error: Exception) -> StoreError:
        # The text of an S3Error holds host and request ids, that of urllib3 the whole request:
        # the code, or the class of the fault, says enough.
        code = getattr(error, "code", None) or type(error).__name__
        return StoreError(
            f"Cannot {action} {self.address}/{key} at {_host(self.endpoint)}: {code}",
            hint=_HINTS.get(code, "Check endpoint, bucket and network"),
        )


_HINTS = {
    "AccessDenied": "Give the user the right to read and write this bucket",
    "InvalidAccessKeyId": "Check XAUTOLM_S3_ACCESS_KEY",
    "SignatureDoesNotMatch": "Check XAUTOLM_S3_SECRET_KEY",
    "NoSuchBucket": "Create the bucket first, or correct its name",
    "RequestTimeTooSkewed": "Set this machine's clock",
}


def _client(
    endpoint: str, access_key: str, secret_key: str, session_token: str | None, region: str | None
) -> Any:
    try:
        import urllib3
        from minio import Minio
    except ImportError as error:
        raise MissingExtraError("s3", "Reading and writing s3:// addresses") from error
    parts = urlsplit(endpoint)
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
        raise ConfigError(
            "The S3 endpoint is no http(s) URL without credentials",
            hint="Write it like https://minio.example.org:9000",
        )
    pool = urllib3.PoolManager(
        timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS),
        retries=urllib3.Retry(
            total=ATTEMPTS, backoff_factor=0.2, status_forcelist=[500, 502, 503, 504]
        ),
    )
    return Minio(
        parts.netloc,
        access_key=access_key,
        secret_key=secret_key,
        session_token=session_token,
        region=region,
        secure=parts.scheme == "https",
        http_client=pool,
    )


def _client_errors() -> tuple[type[Exception], ...]:
    import urllib3
    from minio.error import MinioException

    return (MinioException, urllib3.exceptions.HTTPError, OSError, ValueError)


def _host(endpoint: str) -> str:
    return urlsplit(endpoint).hostname or "the server"


def _first(variables: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    return next((variables[name] for name in names if variables.get(name)), None)


def _required(variables: Mapping[str, str], names: tuple[str, ...]) -> str:
    value = _first(variables, names)
    if value is None:
        raise ConfigError(
            "The credentials of the S3 server are missing",
            hint=f"Set the environment variable {names[0]} (or {names[1]})",
        )
    return value
