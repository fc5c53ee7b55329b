"""The identity of a task's content, whatever the order of its rows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xautolm_core.tasks.task import Split
    from xautolm_core.tasks.task import SplitName

_ROW_BYTES = 16
_MODULUS = 1 << (8 * _ROW_BYTES)


def fingerprint(given_splits: Mapping[SplitName, Split], names: Sequence[str]) -> str:
    """Digest the content of a classification task.

    Args:
        given_splits: Split name to rows; rows of cut splits stand under ``train``.
        names: Class names.

    Returns:
        64 hexadecimal digits.
    """
    label_bytes = [name.encode() + b"\0" for name in names]
    return digest_of_content(
        b"xautolm task 1",
        sorted(names),
        {split: _contents(rows, label_bytes) for split, rows in given_splits.items()},
    )


def digest_of_content(
    kind: bytes, names: Sequence[str], given_splits: Mapping[SplitName, Iterable[bytes]]
) -> str:
    """Digest the content of a task.

    The digests of the rows are summed, so that their order does not matter but repetitions do.
    Splits that were given are told apart; those cut from the training rows by a seed are not, so
    another seed leaves the fingerprint as it is.

    Args:
        kind: What tells kinds of tasks apart.
        names: Names that belong to the task, such as its classes.
        given_splits: Split name to what is in each row.

    Returns:
        64 hexadecimal digits.
    """
    total = hashlib.sha256(kind)
    for name in names:
        _add(total, name.encode())
    for split in sorted(given_splits):
        rows = row_sum = 0
        for content in given_splits[split]:
            rows += 1
            digest = hashlib.blake2b(content, digest_size=_ROW_BYTES).digest()
            row_sum += int.from_bytes(digest, "little")
        _add(total, split.encode())
        _add(total, f"{rows} {row_sum % _MODULUS:x}".encode())
    return total.hexdigest()


def _contents(rows: Split, label_bytes: Sequence[bytes]) -> Iterator[bytes]:
    """Yield class and texts of each row. The lengths keep text and second text apart."""
    texts = rows.texts.to_pylist()
    pairs = rows.text_pairs.to_pylist() if rows.text_pairs is not None else None
    for row, (text, label) in enumerate(zip(texts, rows.labels.tolist(), strict=True)):
        content = text.encode("utf-8", "surrogatepass")
        if pairs is not None:
            second = pairs[row].encode("utf-8", "surrogatepass")
            content = b"%d:%b%b" % (len(content), content, second)
        yield label_bytes[label] + content


def joined_texts(texts: Iterable[str]) -> bytes:
    """Return texts as the content of a row, the lengths keeping them apart."""
    parts = [text.encode("utf-8", "surrogatepass") for text in texts]
    return b"".join(b"%d:%b" % (len(part), part) for part in parts)


def _add(total: hashlib._Hash, part: bytes) -> None:
    """Feed a part with its length, so that parts cannot run into each other."""
    total.update(len(part).to_bytes(8, "little"))
    total.update(part)
