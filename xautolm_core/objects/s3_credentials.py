"""The credentials of an S3 server: providers of the ``minio`` client, in a chain.

``StaticProvider`` has given keys, ``IamAwsProvider`` those that the platform provides (web
identities, containers, EC2), and ``ChainedProvider`` takes the first that has some. This module
adds what the client lacks:

- ``EnvAWSProvider`` silently skips half a pair, and mixes keys of different names:
  ``given_keys`` takes names and values, and refuses a half.
- ``AWSConfigProvider`` reads no mounted folder, fails where a secret key has a ``%``, quotes the
  lines of a damaged file, and fails on a file that is read half-way through a rotation:
  ``MountedKeys`` does none of it.
- ``IamAwsProvider`` puts the pod's token in a URL: ``_TokenInBody`` sends it in the body.
- ``ChainedProvider`` fetches expiring keys once in each thread, and does not report what is
  missing: ``CredentialChain`` fetches once, and no ``repr`` or error of it holds a credential.
"""

from __future__ import annotations

import configparser
import os
import re
import threading
from collections.abc import Mapping
from collections.abc import Sequence
from datetime import UTC
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any
from urllib.parse import urlsplit
from urllib.parse import urlunsplit

from xautolm_core.errors import ConfigError
from xautolm_core.errors import MissingExtraError
from xautolm_core.objects.retry import TRANSIENT_STATUS
from xautolm_core.objects.s3_pool import connection_pool

if TYPE_CHECKING:
    from urllib3 import PoolManager

LONGEST_FILE_BYTES = 65_536
PLATFORM_SECONDS = 10.0
"""Timeout of the platform's answer."""

WEB_IDENTITY_VARIABLE = "AWS_WEB_IDENTITY_TOKEN_FILE"
CONTAINER_VARIABLES = (
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)

# Names of files and of settings, in lower case and without '-' and '_'.
_ACCESS_KEY_NAMES = ("accesskey", "accesskeyid", "awsaccesskeyid")
_SECRET_KEY_NAMES = ("secretkey", "secretaccesskey", "awssecretaccesskey")
_SESSION_TOKEN_NAMES = ("sessiontoken", "awssessiontoken")


def minio_credentials() -> Any:
    """Return the module of the client's providers.

    Raises:
        MissingExtraError: The ``minio`` package is not installed.
    """
    try:
        from minio import credentials
    except ImportError as error:
        raise MissingExtraError("s3", "Reading and writing s3:// addresses") from error
    return credentials


def given_keys(
    access_key: str | None, secret_key: str | None, token: str | None, *, names: Sequence[str]
) -> Any:
    """Return a provider of given keys, or None if there are none.

    Args:
        access_key: Access key; None without one.
        secret_key: Secret key.
        token: Token of temporary keys.
        names: Names of the access key and the secret key in their source, for messages.

    Raises:
        ConfigError: There is only one of them, or it cannot be used.
    """
    if access_key is None and secret_key is None:
        return None
    if access_key is None or secret_key is None:
        raise ConfigError(
            "The credentials of the S3 server are incomplete",
            hint=f"Set {names[0] if access_key is None else names[1]} too",
        )
    _check(access_key, secret_key, token)
    return minio_credentials().StaticProvider(access_key, secret_key, token)


class MountedKeys:
    """A provider of keys in a file or a folder; read for every request, as they may be rotated.

    Args:
        path: A folder with one file per key, as Kubernetes mounts a secret (``accesskey`` and
            ``secretkey``, ``access_key`` and ``secret_key``, or the ``AWS_*`` names, in any case),
            or an AWS credentials file (INI).
        profile: Section of the credentials file.
    """

    def __init__(self, path: Path, profile: str = "default") -> None:
        self.path = path
        self.profile = profile
        self._last: tuple[str, str, str | None] | None = None

    def retrieve(self) -> Any:
        """Return the current keys, expired at once, so that a chain does not cache them.

        Raises:
            ConfigError: There is no such file, or it cannot be used.
            ValueError: The file or folder was always empty: a chain tries its next provider.
        """
        try:
            # An empty one may be in the middle of a rotation, too: it is truncated, then rewritten.
            self._last = self._read() or self._last
        except (OSError, ConfigError) as error:
            if self._last is None:  # else it is in the middle of a rotation
                if isinstance(error, ConfigError):
                    raise
                raise ConfigError(
                    f"Cannot read the S3 credentials in {self.path}: {error.strerror}",
                    hint="Name a readable file or a mounted folder as credentials_file",
                ) from error
        if self._last is None:
            raise ValueError("there are no keys")
        return minio_credentials().Credentials(*self._last, expiration=datetime.now(UTC))

    def _read(self) -> tuple[str, str, str | None] | None:
        values = self._folder_values() if self.path.is_dir() else self._ini_values()
        access, secret, token = (
            next((values[name] for name in names if values.get(name)), None)
            for names in (_ACCESS_KEY_NAMES, _SECRET_KEY_NAMES, _SESSION_TOKEN_NAMES)
        )
        if access is None and secret is None:
            return None
        if access is None or secret is None:
            missing = "access key" if access is None else "secret key"
            raise ConfigError(
                f"The S3 credentials in {self.path} have no {missing}",
                hint="Give files accesskey and secretkey, or aws_access_key_id and "
                "aws_secret_access_key in an INI file",
            )
        _check(access, secret, token)
        return access, secret, token

    def _folder_values(self) -> Mapping[str, str]:
        # Kubernetes swaps the link ..data: all files are taken from one side of the swap.
        swapped = self.path / "..data"
        folder = swapped.resolve() if swapped.is_symlink() else self.path
        names = {*_ACCESS_KEY_NAMES, *_SECRET_KEY_NAMES, *_SESSION_TOKEN_NAMES}
        files = {_plain(p.name): p for p in sorted(folder.iterdir()) if _plain(p.name) in names}
        return {name: _text(file) for name, file in files.items() if file.is_file()}

    def _ini_values(self) -> Mapping[str, str]:
        text = _text(self.path)
        parser = configparser.ConfigParser(interpolation=None)
        try:
            parser.read_string(text)
            section = parser[self.profile] if text else {}
        except (configparser.Error, KeyError):
            # The parser's own message would quote the line.
            raise ConfigError(
                f"{self.path} is not an AWS credentials file with a section [{self.profile}]",
                hint="Write [default], aws_access_key_id = ... and aws_secret_access_key = ...",
            ) from None
        return {_plain(name): value.strip() for name, value in section.items()}


def platform_keys(*, sts_endpoint: str | None, region: str | None, ca_bundle: Path | None) -> Any:
    """Return a provider of the platform's keys.

    Args:
        sts_endpoint: Server that exchanges web identity tokens for keys; AWS if None.
        region: Region of the STS.
        ca_bundle: PEM file of the authorities to verify certificates with.

    Raises:
        ConfigError: The CA bundle cannot be read.
    """
    return minio_credentials().IamAwsProvider(
        # Of the three ways, only web identity goes to an STS server.
        custom_endpoint=sts_endpoint if os.environ.get(WEB_IDENTITY_VARIABLE) else None,
        region=region,
        http_client=_TokenInBody(
            connection_pool(read_seconds=PLATFORM_SECONDS, ca_bundle=ca_bundle)
        ),
    )


class _TokenInBody:
    """Sends a provider's requests through a pool, the parameters of a POST in its body.

    Args:
        pool: The connections.
    """

    def __init__(self, pool: PoolManager) -> None:
        self._pool = pool

    def urlopen(
        self,
        method: str,
        url: str,
        body: str | bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Return the response to a request.

        Raises:
            urllib3.exceptions.HTTPError: There was none, or a transient one, so that an S3 request
                that waits for the keys is repeated as a whole.
        """
        import urllib3

        parts = urlsplit(url)
        if method == "POST" and parts.query:
            body = parts.query
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            url = urlunsplit(parts._replace(query=""))
        response = self._pool.urlopen(method, url, body=body, headers=headers)
        if response.status in TRANSIENT_STATUS:
            raise urllib3.exceptions.HTTPError(f"HTTP status {response.status} of {parts.hostname}")
        return response


class CredentialChain:
    """The provider of the client for every request: the first of several that has keys.

    Args:
        providers: The providers, in order.
        platform: Provider that asks the platform, tried last; None for none.
    """

    def __init__(self, providers: Sequence[Any], platform: Any = None) -> None:
        self.asks_platform = platform is not None
        self._lock = threading.Lock()
        chain = [*providers, platform] if self.asks_platform else [*providers]
        self._chain = minio_credentials().ChainedProvider(chain)

    def retrieve(self) -> Any:
        """Return the current keys in the client's own form.

        Raises:
            ConfigError: No provider has any, or one cannot be used.
            urllib3.exceptions.HTTPError: The platform does not answer.
        """
        import urllib3

        with self._lock:
            try:
                return self._chain.retrieve()
            except urllib3.exceptions.HTTPError:
                raise
            except (ValueError, KeyError, OSError, SyntaxError):
                pass
        # Outside the handler: the platform's answer may contain the token.
        if self.asks_platform:
            raise ConfigError(
                "The platform provides no S3 credentials",
                hint="Check the role of this pod or machine, or give keys",
            )
        raise ConfigError(
            "The credentials of the S3 server are missing",
            hint="Set XAUTOLM_S3_ACCESS_KEY and XAUTOLM_S3_SECRET_KEY (or the AWS_* variables), "
            "or name a file or mounted folder in XAUTOLM_S3_CREDENTIALS_FILE",
        )


def _check(access_key: str, secret_key: str, token: str | None) -> None:
    # Checked here, because the HTTP library would print what it refuses.
    for name, value in (("access key", access_key), ("token", token or "-")):
        if not re.fullmatch(r"[\x21-\x7e]+", value):
            raise ConfigError(
                f"The {name} of the S3 server is empty or holds a blank or a special character",
                hint="Copy it again, without line breaks and quotes",
            )
    if not secret_key:
        raise ConfigError("The secret key of the S3 server is empty", hint="Copy it again")


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")


def _text(path: Path) -> str:
    with path.open("rb") as file:
        data = file.read(LONGEST_FILE_BYTES + 1)
    try:
        if len(data) > LONGEST_FILE_BYTES:
            raise ValueError
        return data.decode().strip()
    except ValueError:
        raise ConfigError(
            f"{path} holds no S3 credentials: it is too long or no UTF-8 text",
            hint="Name another file as credentials_file",
        ) from None
