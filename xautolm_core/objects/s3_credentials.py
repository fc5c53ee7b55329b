"""Where the credentials of an S3 server come from: keys, mounted files, or the platform (IAM).

Nothing of a credential ever stands in a ``repr`` or in an error.
"""

from __future__ import annotations

import configparser
import os
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from typing import Any
from typing import Protocol
from urllib.parse import urlsplit
from urllib.parse import urlunsplit

from xautolm_core.errors import ConfigError

LONGEST_FILE_BYTES = 65_536
IAM_CONNECT_SECONDS = 3.0
IAM_READ_SECONDS = 10.0
WEB_IDENTITY_VARIABLE = "AWS_WEB_IDENTITY_TOKEN_FILE"
CONTAINER_VARIABLES = (
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)

# Names of files and of settings, in lower case and without '-' and '_'.
_ACCESS_KEY_NAMES = ("accesskey", "accesskeyid", "awsaccesskeyid")
_SECRET_KEY_NAMES = ("secretkey", "secretaccesskey", "awssecretaccesskey")
_SESSION_TOKEN_NAMES = ("sessiontoken", "awssessiontoken")


@dataclass(frozen=True)
class Keys:
    """A pair of keys, and the token of temporary ones.

    Raises:
        ConfigError: A key is empty, or holds characters that no HTTP header may hold.
    """

    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        # Checked here, because the HTTP library would print what it refuses.
        for name, value in (("access key", self.access_key), ("token", self.session_token or "-")):
            if not re.fullmatch(r"[\x21-\x7e]+", value):
                raise ConfigError(
                    f"The {name} of the S3 server is empty or holds a blank or a special character",
                    hint="Copy it again, without line breaks and quotes",
                )
        if not self.secret_key:
            raise ConfigError("The secret key of the S3 server is empty", hint="Copy it again")


class CredentialSource(Protocol):
    """One place where credentials may be."""

    def read(self) -> Keys | None:
        """Return the current keys, or None if there are none at this place.

        Raises:
            ConfigError: There is something, but it cannot be used.
        """
        ...


class FixedKeys:
    """Keys that were given as such (by the environment, or in a settings file).

    Args:
        access_key: Access key; None where there is none.
        secret_key: Secret key.
        session_token: Token of temporary keys.
        names: What the access key and the secret key are called where they were looked for.
    """

    def __init__(
        self,
        access_key: str | None,
        secret_key: str | None,
        session_token: str | None,
        *,
        names: Sequence[str],
    ) -> None:
        self._values = (access_key, secret_key, session_token)
        self._names = tuple(names)

    def __repr__(self) -> str:
        return f"FixedKeys({self._names[0]}, {self._names[1]})"

    def read(self) -> Keys | None:
        """Return the keys, or None if there is neither.

        Raises:
            ConfigError: There is only one of them, or it cannot be used.
        """
        access, secret, token = self._values
        if access is None and secret is None:
            return None
        if access is None or secret is None:
            raise ConfigError(
                "The credentials of the S3 server are missing a half",
                hint=f"Set {self._names[0] if access is None else self._names[1]} too",
            )
        return Keys(access, secret, token)


class MountedKeys:
    """Keys in a file or a folder; read again whenever that changes, so that they may be rotated.

    Args:
        path: A folder with one file per key, as Kubernetes mounts a secret (``accesskey`` and
            ``secretkey``, ``access_key`` and ``secret_key``, or the ``AWS_*`` names, in any case),
            or an AWS credentials file (INI).
        profile: Section of the credentials file.
    """

    def __init__(self, path: Path, profile: str = "default") -> None:
        self.path = path
        self.profile = profile
        self._stamp: object = None
        self._keys: Keys | None = None

    def __repr__(self) -> str:
        return f"MountedKeys({str(self.path)!r})"

    def read(self) -> Keys | None:
        """Return the current keys, or None if the file or folder is empty.

        Raises:
            ConfigError: There is no such file, or it cannot be used.
        """
        try:
            stamp = self._current_stamp()
            if stamp != self._stamp:
                self._keys, self._stamp = self._load(), stamp
        except (OSError, ConfigError) as error:
            if self._keys is not None:
                return self._keys  # seen half-way through a rotation
            if isinstance(error, ConfigError):
                raise
            raise ConfigError(
                f"Cannot read the S3 credentials in {self.path}: {error.strerror}",
                hint="Name a readable file or a mounted folder as credentials_file",
            ) from error
        return self._keys

    def _files(self) -> list[Path]:
        if not self.path.is_dir():
            return [self.path]
        # Kubernetes swaps the link ..data: all files are taken from one side of the swap.
        swapped = self.path / "..data"
        folder = swapped.resolve() if swapped.is_symlink() else self.path
        return sorted(p for p in folder.iterdir() if not p.name.startswith("..") and p.is_file())

    def _current_stamp(self) -> object:
        states = [(path, path.stat()) for path in self._files()]
        return [(path, s.st_ino, s.st_mtime_ns, s.st_size) for path, s in states]

    def _load(self) -> Keys | None:
        if self.path.is_dir():
            values = {_plain(p.name): _text(p) for p in self._files() if _is_key_name(p.name)}
        else:
            values = self._ini_values()
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
        return Keys(access, secret, token)

    def _ini_values(self) -> dict[str, str]:
        text = _text(self.path)
        parser = configparser.ConfigParser(interpolation=None)
        try:
            parser.read_string(text)
            section = parser[self.profile] if text else {}
        except (configparser.Error, KeyError):
            # The parser's own message would quote the line.
            raise ConfigError(
                f"{self.path} is no AWS credentials file with a section [{self.profile}]",
                hint="Write [default], aws_access_key_id = ... and aws_secret_access_key = ...",
            ) from None
        return {_plain(name): value.strip() for name, value in section.items()}


class PlatformKeys:
    """Keys that the platform lends: web identity (IRSA, MinIO STS), ECS and EKS, or EC2.

    Args:
        sts_endpoint: Where web identity tokens are changed for keys; AWS if None.
        region: Region whose STS is asked.
        ca_bundle: PEM file of the authorities that certificates are checked with.
    """

    def __init__(
        self, *, sts_endpoint: str | None, region: str | None, ca_bundle: Path | None
    ) -> None:
        self._sts_endpoint = sts_endpoint
        self._region = region
        self._ca_bundle = ca_bundle
        self._lock = threading.Lock()
        self._provider: Any = None

    def __repr__(self) -> str:
        return "PlatformKeys()"

    def read(self) -> Keys:
        """Return the current keys, asking the platform for new ones shortly before they expire.

        Raises:
            ConfigError: The platform lends none.
        """
        import urllib3

        with self._lock:
            try:
                if self._provider is None:
                    self._provider = self._new_provider()
                lent = self._provider.retrieve()
            except urllib3.exceptions.HTTPError:
                raise
            except (ValueError, KeyError, OSError, SyntaxError) as error:
                # No cause: its text may hold the token that was offered.
                raise ConfigError(
                    f"The platform lends no S3 credentials: {type(error).__name__}",
                    hint="Check the role of this pod or machine, or give keys",
                ) from None
        return Keys(lent.access_key, lent.secret_key, lent.session_token or None)

    def _new_provider(self) -> Any:
        import urllib3
        from minio.credentials import IamAwsProvider

        class FormPool(urllib3.PoolManager):
            """Sends a POST's parameters in its body: the token must not stand in a URL."""

            def urlopen(self, method: str, url: str, *args: Any, **options: Any) -> Any:
                parts = urlsplit(url)
                if method == "POST" and parts.query:
                    options["body"] = parts.query
                    options["headers"] = {"Content-Type": "application/x-www-form-urlencoded"}
                    url = urlunsplit(parts._replace(query=""))
                return super().urlopen(method, url, *args, **options)

        from xautolm_core.objects.s3_client import tls_context

        return IamAwsProvider(
            # Of the three ways, only web identity goes to an STS server.
            custom_endpoint=self._sts_endpoint if os.environ.get(WEB_IDENTITY_VARIABLE) else None,
            region=self._region,
            http_client=FormPool(
                ssl_context=tls_context(self._ca_bundle),
                timeout=urllib3.Timeout(connect=IAM_CONNECT_SECONDS, read=IAM_READ_SECONDS),
                retries=urllib3.Retry(
                    total=2,
                    backoff_factor=0.2,
                    status_forcelist=[429, 500, 502, 503, 504],
                    allowed_methods=None,
                ),
            ),
        )


class CredentialChain:
    """The first of several sources that has keys; asked for every request.

    It is what ``minio`` calls a provider.
    """

    def __init__(self, sources: Sequence[CredentialSource]) -> None:
        self.sources = tuple(sources)

    def __repr__(self) -> str:
        return f"CredentialChain({', '.join(type(s).__name__ for s in self.sources)})"

    def keys(self) -> Keys:
        """Return the current keys.

        Raises:
            ConfigError: No source has any, or one cannot be used.
        """
        for source in self.sources:
            keys = source.read()
            if keys is not None:
                return keys
        raise ConfigError(
            "The credentials of the S3 server are missing",
            hint="Set XAUTOLM_S3_ACCESS_KEY and XAUTOLM_S3_SECRET_KEY (or the AWS_* variables), "
            "or name a file or mounted folder in XAUTOLM_S3_CREDENTIALS_FILE",
        )

    def retrieve(self) -> Any:
        """Return the current keys in the client's own form."""
        from minio.credentials import Credentials

        keys = self.keys()
        return Credentials(keys.access_key, keys.secret_key, keys.session_token)


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")


def _is_key_name(name: str) -> bool:
    return _plain(name) in (*_ACCESS_KEY_NAMES, *_SECRET_KEY_NAMES, *_SESSION_TOKEN_NAMES)


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
