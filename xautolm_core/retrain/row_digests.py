"""Digests of the rows that a model has seen, without their texts.

A registered model carries one digest for each text (or pair of texts) that its search has seen, so
that a later comparison can leave these rows out. Classes are not part of the digest: a text that
was learnt with one class is not fresh with another.

A digest of a short text can be reversed by trying texts. Therefore it is a keyed BLAKE2b of 32
bits: the key is salted by model, so that no table of digests fits two models, and 32 bits are less
than the texts have, so that each digest stands for countless texts and none can be computed back.
The price: one fresh row in ``2**32 / n`` is taken for one of ``n`` seen rows, and left out. Whoever
can read the registry may still test a guess, with few false answers; where that matters, the key
also needs the secret in ``$XAUTOLM_ROW_KEY``, without which digests reveal nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel
from pydantic import ConfigDict
from pydantic import Field
from pydantic import ValidationError

from xautolm_core.errors import ConfigError
from xautolm_core.errors import StoreError

if TYPE_CHECKING:
    from xautolm_core.tasks.task import Split

SECRET_VARIABLE = "XAUTOLM_ROW_KEY"  # noqa: S105 - the name of a variable
_LEAST_SECRET = 16
_DIGEST_BYTES = 4
_SALT_BYTES = 16
_TYPE = np.dtype("<u4")


class _Header(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: int = Field(default=1, ge=1, le=1)
    salt: str = Field(pattern=r"^[0-9a-f]{32}$")
    has_secret: bool
    check: str = Field(pattern=r"^[0-9a-f]{16}$")
    rows: int = Field(ge=0)


@dataclass(frozen=True)
class SeenRows:
    """Digests of rows.

    Attributes:
        key: Key of the digests, 32 bytes.
        header: Header of the digests' file.
        digests: Sorted, each once, uint32.
    """

    key: bytes
    header: _Header
    digests: np.ndarray

    def __len__(self) -> int:
        """Return the number of different digests."""
        return len(self.digests)

    def contains(self, split: Split) -> np.ndarray:
        """Return for each row of a split whether it is one of these, bool."""
        return np.isin(_digests(row_contents(split), self.key), self.digests)

    def to_bytes(self) -> bytes:
        """Return the content of the digests' file: a line of JSON, then the digests."""
        return self.header.model_dump_json().encode() + b"\n" + self.digests.tobytes()


def digest_rows(splits: Iterable[Split], environment: Mapping[str, str] = os.environ) -> SeenRows:
    """Return the digests of all rows of some splits, with a salt of their own.

    Args:
        splits: The splits.
        environment: Where ``$XAUTOLM_ROW_KEY`` is looked up.

    Raises:
        ConfigError: The secret is too short.
    """
    secret = _secret(environment)
    salt = secrets.token_bytes(_SALT_BYTES)
    key = _key(salt, secret)
    parts = [_digests(row_contents(split), key) for split in splits]
    digests = np.unique(np.concatenate(parts)) if parts else np.empty(0, dtype=_TYPE)
    header = _Header(
        salt=salt.hex(), has_secret=secret is not None, check=_check(key), rows=len(digests)
    )
    return SeenRows(key, header, digests)


def read_seen_rows(data: bytes, environment: Mapping[str, str] = os.environ) -> SeenRows:
    """Read what ``SeenRows.to_bytes`` has written.

    Raises:
        ConfigError: The digests need a secret that is not given, or another one.
        StoreError: They are damaged.
    """
    line, _, rest = data.partition(b"\n")
    try:
        header = _Header.model_validate(json.loads(line))
        if len(rest) != header.rows * _DIGEST_BYTES:
            raise ValueError("other length")
    except (ValidationError, ValueError) as error:
        raise StoreError(
            "The digests of the rows that a model has seen are damaged",
            hint="Register the model again",
        ) from error
    secret = _secret(environment) if header.has_secret else None
    key = _key(bytes.fromhex(header.salt), secret)
    if _check(key) != header.check:
        raise ConfigError(
            f"The rows of the model were digested with another secret than ${SECRET_VARIABLE}",
            hint=f"Set ${SECRET_VARIABLE} as it was when the model was registered",
        )
    return SeenRows(key, header, np.frombuffer(rest, dtype=_TYPE))


def row_contents(split: Split) -> Iterator[bytes]:
    """Yield what identifies each row: its text; of a pair both, the length keeping them apart."""
    pairs = None if split.text_pairs is None else _values(split.text_pairs)
    for text in _values(split.texts):
        content = text.encode("utf-8", "surrogatepass")
        if pairs is not None:
            second = next(pairs).encode("utf-8", "surrogatepass")
            content = b"%d:%b%b" % (len(content), content, second)
        yield content


def _values(column: object) -> Iterator[str]:
    for chunk in column.chunks:  # type: ignore[attr-defined]
        yield from chunk.to_pylist()


def _digests(contents: Iterable[bytes], key: bytes) -> np.ndarray:
    blake2b = hashlib.blake2b
    joined = b"".join(blake2b(c, key=key, digest_size=_DIGEST_BYTES).digest() for c in contents)
    return np.frombuffer(joined, dtype=_TYPE)


def _secret(environment: Mapping[str, str]) -> bytes | None:
    value = environment.get(SECRET_VARIABLE, "")
    if not value:
        return None
    if len(value) < _LEAST_SECRET:
        raise ConfigError(
            f"${SECRET_VARIABLE} has only {len(value)} characters",
            hint=f"Give a random secret of at least {_LEAST_SECRET} characters",
        )
    return value.encode()


def _key(salt: bytes, secret: bytes | None) -> bytes:
    return hashlib.blake2b(
        secret or b"", salt=salt, digest_size=32, person=b"xautolm rows"
    ).digest()


def _check(key: bytes) -> str:
    return hashlib.blake2b(b"check", key=key, digest_size=8).hexdigest()
