"""The settings of an S3 bucket: from its address, a settings file, the environment.

The address has priority, then the file, then the environment. An address must not contain keys or
secrets, and no value that could be one is repeated in an error.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult
from urllib.parse import unquote
from urllib.parse import urlsplit

from pydantic import BaseModel
from pydantic import ConfigDict
from pydantic import Field
from pydantic import SecretStr
from pydantic import ValidationError

from xautolm_core.errors import ConfigError
from xautolm_core.objects.keys import check_prefix
from xautolm_core.objects.s3_credentials import CONTAINER_VARIABLES
from xautolm_core.objects.s3_credentials import WEB_IDENTITY_VARIABLE
from xautolm_core.objects.s3_credentials import CredentialChain
from xautolm_core.objects.s3_credentials import MountedKeys
from xautolm_core.objects.s3_credentials import given_keys
from xautolm_core.objects.s3_credentials import platform_keys
from xautolm_core.validation import first_problem

SETTINGS_VARIABLE = "XAUTOLM_S3_SETTINGS"
DEFAULT_ENDPOINT = "https://s3.amazonaws.com"
RETRY_SECONDS = 60.0
TIMEOUT_SECONDS = 30.0

# Our own names first, then those of other S3 tools.
_VARIABLES = {
    "endpoint": ("XAUTOLM_S3_ENDPOINT", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
    "region": ("XAUTOLM_S3_REGION", "AWS_REGION", "AWS_DEFAULT_REGION"),
    "ca_bundle": ("XAUTOLM_S3_CA_BUNDLE", "AWS_CA_BUNDLE", "SSL_CERT_FILE"),
    "path_style": ("XAUTOLM_S3_PATH_STYLE",),
    "credentials_file": ("XAUTOLM_S3_CREDENTIALS_FILE", "AWS_SHARED_CREDENTIALS_FILE"),
    "profile": ("XAUTOLM_S3_PROFILE", "AWS_PROFILE"),
    "iam": ("XAUTOLM_S3_IAM",),
    "sts_endpoint": ("XAUTOLM_S3_STS_ENDPOINT", "AWS_ENDPOINT_URL_STS"),
    "retry_seconds": ("XAUTOLM_S3_RETRY_SECONDS",),
    "timeout_seconds": ("XAUTOLM_S3_TIMEOUT_SECONDS",),
}
# The keys of one family belong together: a token of one never goes with a key of the other.
_KEY_VARIABLES = (
    ("XAUTOLM_S3_ACCESS_KEY", "XAUTOLM_S3_SECRET_KEY", "XAUTOLM_S3_SESSION_TOKEN"),
    ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
)
_SECRET_WORDS = ("key", "secret", "token", "password", "signature", "credential")
# Names that servers accept, some of them old ones with capitals and underscores.
_BUCKET = re.compile(r"(?!.*(?:\.\.|\.-|-\.))[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]")
_IP_ADDRESS = re.compile(r"\d+(\.\d+){3}")
_RESERVED_ENDS = ("-s3alias", "--ol-s3")


class _Layer(BaseModel):
    """The settings of one source; None where it has none."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    endpoint: str | None = None
    region: str | None = Field(default=None, pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$")
    ca_bundle: Path | None = None
    path_style: bool | None = None
    credentials_file: Path | None = None
    profile: str | None = None
    iam: bool | None = None
    sts_endpoint: str | None = None
    retry_seconds: float | None = Field(default=None, ge=0, le=3600, allow_inf_nan=False)
    timeout_seconds: float | None = Field(default=None, ge=0.1, le=3600, allow_inf_nan=False)


class _FileLayer(_Layer):
    """A settings file may hold keys too."""

    access_key: SecretStr | None = None
    secret_key: SecretStr | None = None
    session_token: SecretStr | None = None


@dataclass(frozen=True)
class S3Settings:
    """Everything needed to reach the objects below a prefix of a bucket.

    Attributes:
        bucket: Name of the bucket; it must exist.
        prefix: Prefix of all keys; may be empty.
        credentials: Provider of the keys, called for every request.
        endpoint: ``http(s)://host[:port]``.
        region: Region; the server is asked if None.
        ca_bundle: PEM file of the authorities to verify the server's certificate with, in place of
            the default ones.
        path_style: Whether the bucket is in the path (True) or in the host name (False); None for
            the path, except at AWS.
        retry_seconds: Time limit of retries of transient faults.
        timeout_seconds: Timeout of the next bytes of an answer.
    """

    bucket: str
    prefix: str
    credentials: CredentialChain
    endpoint: str = DEFAULT_ENDPOINT
    region: str | None = None
    ca_bundle: Path | None = None
    path_style: bool | None = None
    retry_seconds: float = RETRY_SECONDS
    timeout_seconds: float = TIMEOUT_SECONDS


def read_s3_settings(uri: str, environment: Mapping[str, str] | None = None) -> S3Settings:
    """Return the settings of an ``s3://bucket[/prefix][?setting=value&...]`` address.

    Args:
        uri: The address. Its settings are ``endpoint``, ``region``, ``ca_bundle``, ``path_style``,
            ``credentials_file``, ``profile``, ``iam``, ``sts_endpoint``, ``retry_seconds``,
            ``timeout_seconds``, and ``settings``, the name of a YAML file with any of these.
        environment: Variables such as ``XAUTOLM_S3_ENDPOINT``; those of the process if None.

    Raises:
        ConfigError: Something is malformed or unknown, or there are no credentials.
        MissingExtraError: The ``minio`` package is not installed.
        StoreError: The prefix is unsafe.
    """
    variables = os.environ if environment is None else environment
    parts = _split(uri)
    query = _query(parts)
    file = query.pop("settings", None) or variables.get(SETTINGS_VARIABLE)
    layers = [_layer(query, "the address's setting")]
    if file:
        layers.append(_file_layer(Path(file).expanduser()))
    layers.append(_environment_layer(variables))
    found = _merged(layers)
    endpoint = _endpoint(found.pop("endpoint", DEFAULT_ENDPOINT), "endpoint")
    if "sts_endpoint" in found:
        found["sts_endpoint"] = _endpoint(found["sts_endpoint"], "sts_endpoint", path=True)
    chain = _credentials(layers, found, variables)
    if not chain.asks_platform:
        chain.retrieve()  # report mistakes now; the platform is asked with the first request
    return S3Settings(
        bucket=parts.netloc,
        prefix=check_prefix(parts.path.strip("/")),
        credentials=chain,
        endpoint=endpoint,
        **{k: v for k, v in found.items() if k in S3Settings.__dataclass_fields__},
    )


def join_s3_uri(uri: str, name: str) -> str:
    """Return the address of something below an address, which may carry settings."""
    address, mark, query = uri.partition("?")
    return f"{address.rstrip('/')}/{name}{mark}{query}"


def _split(uri: str) -> SplitResult:
    try:
        parts = urlsplit(uri)
        well_formed = parts.scheme == "s3" and _BUCKET.fullmatch(parts.netloc)
    except ValueError:
        well_formed = None
    if not well_formed or parts.fragment:
        raise ConfigError(
            "That is not an S3 address",
            hint="Write s3://bucket/prefix, without credentials; a bucket's name has 3 to 63 "
            "letters, digits, '-' and single '.'",
        )
    if _IP_ADDRESS.fullmatch(parts.netloc) or parts.netloc.endswith(_RESERVED_ENDS):
        raise ConfigError(
            "The S3 address has a host in the place of the bucket, or a name that S3 reserves",
            hint="Write s3://bucket/prefix?endpoint=https://host:9000",
        )
    return parts


def _query(parts: SplitResult) -> dict[str, str]:
    known = [*_Layer.model_fields, "settings"]
    hint = f"Known settings: {', '.join(sorted(known))}"
    items = [item.partition("=") for item in parts.query.split("&")] if parts.query else []
    pairs = [(unquote(name), unquote(value)) for name, _, value in items]
    if not all(value for _, value in pairs):
        raise ConfigError(
            "The settings in the S3 address are malformed or empty",
            hint="Write s3://bucket/prefix?endpoint=https://host:9000&region=us-east-1",
        )
    for name, _ in pairs:
        if name not in known and any(word in name.lower() for word in _SECRET_WORDS):
            raise ConfigError(
                "The S3 address holds a key or a secret",
                hint="Remove it; give credentials in the environment or as credentials_file=PATH",
            )
        if name not in known:
            shown = repr(name) if re.fullmatch(r"[a-z_]{1,24}", name) else "a name"
            raise ConfigError(f"The S3 address has {shown} that is not a setting", hint=hint)
    if len(dict(pairs)) != len(pairs):
        raise ConfigError("The S3 address gives a setting twice", hint="Leave one of them out")
    return dict(pairs)


def _layer(values: Mapping[str, Any], place: str, model: type[_Layer] = _Layer) -> _Layer:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = first_problem(error)
        name = first.dotted
        if first.kind == "extra_forbidden":
            known = ", ".join(sorted(model.model_fields))
            problem, hint = f"{place} {name[:40]} is unknown", f"Known settings: {known}"
        else:
            problem, hint = f"{place} {name} is wrong: {first.message}", "Correct it"
    # Outside the handler, so that no chained exception contains the values.
    raise ConfigError(f"S3 settings: {problem}", hint=hint)


def _environment_layer(variables: Mapping[str, str]) -> _Layer:
    values: dict[str, str] = {}
    for setting, names in _VARIABLES.items():
        name = next((name for name in names if variables.get(name)), None)
        if name is not None:
            values[setting] = variables[name]
            _layer({setting: variables[name]}, f"{name}, that is")
    return _layer(values, "the environment's")


def _file_layer(path: Path) -> _FileLayer:
    import yaml

    try:
        with path.open(encoding="utf-8") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = yaml.safe_load(file)
    except OSError as error:
        raise ConfigError(
            f"Cannot read the S3 settings in {path}: {error.strerror}",
            hint=f"Name a readable file (settings=, {SETTINGS_VARIABLE})",
        ) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise ConfigError(f"{path}{line}: not YAML", hint="Write 'setting: value'") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{path} holds no S3 settings", hint="Write 'setting: value' lines")
    layer = _layer({str(k): v for k, v in content.items()}, f"in {path},", _FileLayer)
    assert isinstance(layer, _FileLayer)
    secrets_inside = layer.secret_key is not None or layer.session_token is not None
    if secrets_inside and mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigError(
            f"{path} holds a secret and can be read by other users",
            hint=f"Run: chmod 600 {path}",
        )
    paths = {
        name: path.parent / value.expanduser()
        for name in ("ca_bundle", "credentials_file")
        if (value := getattr(layer, name)) is not None
    }
    return layer.model_copy(update=paths)


def _merged(layers: Sequence[_Layer]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for layer in layers:
        for name in _Layer.model_fields:
            value = getattr(layer, name)
            if value is not None:
                merged.setdefault(name, value)
    return merged


def _credentials(
    layers: Sequence[_Layer], found: Mapping[str, Any], variables: Mapping[str, str]
) -> CredentialChain:
    providers: list[Any] = []
    for layer in layers:
        if isinstance(layer, _FileLayer):
            values = (layer.access_key, layer.secret_key, layer.session_token)
            plain = [v.get_secret_value() if v else None for v in values]
            providers.append(given_keys(*plain, names=("access_key", "secret_key")))
        if layer is layers[-1]:
            for names in _KEY_VARIABLES:
                keys = (variables.get(name) or None for name in names)
                providers.append(given_keys(*keys, names=names))
        if layer.credentials_file is not None:
            path = layer.credentials_file.expanduser()
            providers.append(MountedKeys(path, found.get("profile", "default")))
    marks = (WEB_IDENTITY_VARIABLE, *CONTAINER_VARIABLES)
    platform = None
    if found.get("iam", any(variables.get(name) for name in marks)):
        platform = platform_keys(
            sts_endpoint=found.get("sts_endpoint"),
            region=found.get("region"),
            ca_bundle=found.get("ca_bundle"),
        )
    return CredentialChain([one for one in providers if one is not None], platform)


def _endpoint(value: str, setting: str, *, path: bool = False) -> str:
    try:
        parts = urlsplit(value)
        usable = (
            parts.scheme in {"http", "https"}
            and parts.hostname
            and (parts.port is None or parts.port > 0)
            and not (parts.query or parts.fragment or "@" in parts.netloc)
            and (path or parts.path in {"", "/"})
        )
    except ValueError:
        usable = False
    if not usable:
        raise ConfigError(
            f"The S3 {setting} is not an http(s) URL without credentials and path",
            hint="Write it like https://minio.example.org:9000",
        )
    return value.rstrip("/")
