"""The stores that a search reads in addition to its own: ``--read-store``, ``$XAUTOLM_STORES``."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from urllib.parse import urlsplit

from pydantic import BaseModel
from pydantic import ConfigDict
from pydantic import Field
from pydantic import ValidationError
from pydantic import field_validator

from xautolm_core.errors import ConfigError
from xautolm_core.objects.addresses import check_slashes
from xautolm_core.objects.addresses import scheme_of
from xautolm_core.objects.open import STORAGES
from xautolm_core.search.contract import ReadStore
from xautolm_core.validation import first_problem

STORES_VARIABLE = "XAUTOLM_STORES"
OPTION = "--read-store"

_NAMED = re.compile(r"(?P<name>[A-Za-z][A-Za-z0-9_-]*)=(?P<rest>.*)", re.DOTALL)
_TRUSTED = re.compile(r"(?P<rest>.*)@(?P<trust>-?(?:\d+(?:\.\d*)?|\.\d+)(?:e-?\d+)?)", re.DOTALL)
_ODD_TRUST = re.compile(r"(?P<rest>.*)@(?P<trust>\d+,\d+|nan|inf|high|low|medium|none)", re.DOTALL)
_UNNAMEABLE = re.compile(r"[^A-Za-z0-9_-]+")
_MAX_NAME = 32


class _FileEntry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    store: str = Field(min_length=1)
    trust: float = 0.5


class _StoresFile(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    own: str | None = Field(default=None, min_length=1)
    read: Mapping[str, _FileEntry] = Field(default_factory=dict)

    @field_validator("read", mode="before")
    @classmethod
    def _with_addresses_alone(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {k: {"store": v} if isinstance(v, str) else v for k, v in value.items()}


@dataclass(frozen=True)
class Stores:
    """The content of the file of stores.

    Attributes:
        own: The store to write to, if the file names one.
        read: Stores that are only read.
    """

    own: str | None = None
    read: tuple[ReadStore, ...] = ()


def stores_of_environment() -> Stores:
    """Read the file named by ``$XAUTOLM_STORES``; empty if the variable is not set.

    Relative folders in it start from the file's folder.

    Raises:
        ConfigError: It cannot be read, or something in it is wrong.
    """
    from xautolm_core import yaml_document

    named = os.environ.get(STORES_VARIABLE)
    if not named:
        return Stores()
    path = Path(named).expanduser()
    try:
        document = yaml_document.read(path)
    except FileNotFoundError:
        raise ConfigError(
            f"${STORES_VARIABLE}: there is no file {path}", hint="Correct or unset the variable"
        ) from None
    try:
        content = _StoresFile.model_validate({} if document.data is None else document.data)
    except ValidationError as error:
        first = first_problem(error)
        raise document.error(first.place, first.message, "See docs/sharing.md") from None
    read = []
    for name, entry in content.read.items():
        where = _located(entry.store, path.parent)
        read.append(_checked(str(path), {"name": name, "store": where, "trust": entry.trust}))
    own = None if content.own is None else _located(content.own, path.parent)
    return Stores(own, tuple(read))


def read_stores(given: Sequence[str]) -> tuple[ReadStore, ...]:
    """Return the stores to read: those of the file, and those of the options.

    An option replaces a store of the same name in the file.

    Args:
        given: ``[NAME=]URI[@TRUST]`` each.

    Raises:
        ConfigError: One of them is malformed, or two have the same name or address.
    """
    options: list[ReadStore] = []
    for text in given:
        options.append(parse_read_store(text, taken=[one.name for one in options]))
    names = [one.name for one in options]
    if len(set(names)) < len(names):
        raise ConfigError(f"{OPTION}: two stores have the same name", hint="Name each differently")
    kept = [one for one in stores_of_environment().read if one.name not in names]
    found = (*kept, *options)
    addresses = [_same_address(one.store) for one in found]
    if len(set(addresses)) < len(addresses):
        raise ConfigError(f"{OPTION}: a store is given twice", hint="Give each store once")
    return found


def parse_read_store(text: str, *, taken: Sequence[str] = ()) -> ReadStore:
    """Return the store of ``[NAME=]URI[@TRUST]``.

    What stands after the last ``@`` is the trust only if it is a number, and what stands before the
    first ``=`` is the name only if it is a plain word: neither is mistaken in an address with
    settings (``s3://bucket/memory?endpoint=https://host:9000``).

    Args:
        text: What the user wrote.
        taken: Names of other stores, to be avoided by a default name.

    Raises:
        ConfigError: It is malformed, or the trust is not in (0, 1].
    """
    values: dict[str, Any] = {}
    rest = text.strip()
    if match := _NAMED.fullmatch(rest):
        values["name"], rest = match["name"], match["rest"]
    if match := _TRUSTED.fullmatch(rest):
        values["trust"], rest = float(match["trust"]), match["rest"]
    values["store"] = _located(rest, Path.cwd()) if rest else rest
    scheme = scheme_of(rest)
    if scheme and scheme not in STORAGES:
        raise ConfigError(
            f"{OPTION}: a store cannot be at a {scheme}:// address",
            hint="Use a folder or s3://bucket/prefix",
        )
    if "trust" not in values and (match := _ODD_TRUST.fullmatch(rest)):
        raise ConfigError(
            f"{OPTION}: {match['trust']!r} is not a trust",
            hint="Trust is a number of more than 0 and at most 1, as in team=s3://team/memory@0.5",
        )
    values.setdefault("name", _name_of(rest, taken))
    return _checked(OPTION, values)


def _checked(place: str, values: Mapping[str, Any]) -> ReadStore:
    try:
        return ReadStore.model_validate(values)
    except ValidationError as error:
        first = first_problem(error)
    hints = {
        "name": "A name has up to 32 letters, digits, '_' and '-', begins with a letter, "
        "and is not 'own'",
        "trust": "Trust is more than 0 and at most 1, as in team=s3://team/memory@0.5",
        "store": "Write [NAME=]URI[@TRUST], as in team=s3://team/memory@0.5",
    }
    raise ConfigError(
        f"{place}: {first.field} of a store: {first.message}", hint=hints[first.field]
    )


def _same_address(address: str) -> str:
    """Return the normal form of an address."""
    if "://" not in address:
        return str(Path(address).resolve())
    parts = urlsplit(address)
    if parts.scheme == "file":
        return str(Path(unquote(parts.path)).resolve())
    return parts._replace(path=parts.path.rstrip("/")).geturl()


def _located(address: str, base: Path) -> str:
    """Return an address that stays right when the working directory changes."""
    check_slashes(address, "A store's address")
    return address if "://" in address else str((base / Path(address).expanduser()).absolute())


def _name_of(address: str, taken: Sequence[str]) -> str:
    """Return a name made of the last part of an address, different from others."""
    path = urlsplit(address).path if "://" in address else address
    bare = _UNNAMEABLE.sub("-", path.rstrip("/").rpartition("/")[2]).strip("-_")
    name = (bare if bare[:1].isalpha() else f"store-{bare}".rstrip("-"))[:_MAX_NAME]
    number, candidate = 2, name if name != "own" else "store-own"
    while candidate in taken:
        mark = f"-{number}"
        candidate, number = f"{name[: _MAX_NAME - len(mark)]}{mark}", number + 1
    return candidate
