"""The identity of a task's content, whatever the order of its rows."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xautolm_core.tasks.task import Split
    from xautolm_core.tasks.task import SplitName

_ROW_BYTES = 16
_MODULUS = 1 << (8 * _ROW_BYTES)


def fingerprint(given_splits: Mapping[SplitName, Split], names: Sequence[str]) -> str:
    """Digest the content of a task.

    The digests of the rows are summed, so that their order does not matter but repetitions do.
    Splits that were given are told apart; those cut from the training rows by a seed are not, so
    another seed leaves the fingerprint as it is.

    Args:
        given_splits: Split name to rows; rows of cut splits stand under ``train``.
        names: Class names.

    Returns:
        64 hexadecimal digits.
    """
    total = hashlib.sha256(b"xautolm task 1")
    for name in sorted(names):
        _add(total, name.encode())
    label_bytes = [name.encode() + b"\0" for name in names]
    for split in sorted(given_splits):
        rows = given_splits[split]
        row_sum = _sum_of_digests(rows, label_bytes)
        _add(total, split.encode())
        _add(total, f"{len(rows.labels)} {row_sum:x}".encode())
    return total.hexdigest()


def _sum_of_digests(rows: Split, label_bytes: Sequence[bytes]) -> int:
    """Sum 128-bit digests of the rows. The lengths keep text and second text apart."""
    row_sum = 0
    blake2b = hashlib.blake2b
    texts = rows.texts.to_pylist()
    pairs = rows.text_pairs.to_pylist() if rows.text_pairs is not None else None
    for row, (text, label) in enumerate(zip(texts, rows.labels.tolist(), strict=True)):
        content = text.encode("utf-8", "surrogatepass")
        if pairs is not None:
            second = pairs[row].encode("utf-8", "surrogatepass")
            content = b"%d:%b%b" % (len(content), content, second)
        digest = blake2b(label_bytes[label] + content, digest_size=_ROW_BYTES).digest()
        row_sum += int.from_bytes(digest, "little")
    return row_sum % _MODULUS


def _add(total: hashlib._Hash, part: bytes) -> None:
    """Feed a part with its length, so that parts cannot run into each other."""
    total.update(len(part).to_bytes(8, "little"))
    total.update(part)
