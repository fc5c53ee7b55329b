"""Faults of a disk or a file system, whichever library reports them.

Python's own functions raise ``OSError`` with a number; libraries in Rust and C++ raise errors of
their own, in which only the words of the operating system are left.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

from xautolm_core.errors import StoreError

_NUMBERS = frozenset(
    {
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EIO,
        errno.EROFS,
        errno.EFBIG,
        errno.ESTALE,
        errno.EREMOTEIO,
    }
)
_WORDS = "|".join(re.escape(os.strerror(number)) for number in sorted(_NUMBERS))
_DIGITS = "|".join(str(number) for number in sorted(_NUMBERS))
_TOLD = re.compile(
    rf"(?P<words>{_WORDS})"
    # Rust: "(os error 28)", or "Os { code: 28, kind: StorageFull, ... }".
    rf"|\bos error (?P<number>{_DIGITS})\b|\bOs \{{ code: (?P<code>{_DIGITS})\b"
    # Writers of PyTorch, which keep no words of the system.
    r"|PytorchStreamWriter failed|unexpected pos \d+ vs \d+"
    # SQLite.
    r"|database or disk is full|disk I/O error|attempt to write a readonly database"
    r"|unable to open database file",
    re.IGNORECASE,
)


def storage_fault(error: BaseException) -> str | None:
    """Return the operating system's message of the disk fault that caused an error, else None.

    Its causes count too: an error that was raised while such a fault was handled is one.

    Args:
        error: Error of any library.

    Returns:
        Such as ``No space left on device``.
    """
    for one in _chain(error):
        if isinstance(one, OSError) and one.errno in _NUMBERS:
            return os.strerror(one.errno)
        told = told_storage_fault(str(one))
        if told is not None:
            return told
    return None


def told_storage_fault(message: str) -> str | None:
    """Return the operating system's words for a disk fault in a message, else None.

    Args:
        message: Message of an error of any library.
    """
    found = _TOLD.search(message)
    if found is None:
        return None
    number = found["number"] or found["code"]
    return os.strerror(int(number)) if number else found[0]


def as_store_error(error: BaseException) -> StoreError | None:
    """Return a ``StoreError`` for an error that comes from a disk; None if it does not.

    Args:
        error: An error that was not handled elsewhere.
    """
    words = storage_fault(error)
    if words is None:
        return None
    place = getattr(error, "filename", None)
    problem = f"{place} cannot be read or written: {words}" if place else words
    return StoreError(problem, hint="Make room or fix the permissions there, then run it again")


@contextmanager
def as_os_errors() -> Iterator[None]:
    """Raise the faults of a disk within the block as ``OSError``, whichever library reports them.

    Raises:
        OSError: In place of such an error; others are not changed.
    """
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        words = storage_fault(error)
        if words is None:
            raise
        number = next((one for one in _NUMBERS if os.strerror(one) == words), errno.EIO)
        raise OSError(number, words) from error


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what it was raised from, each once."""
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield one
        one = one.__cause__ or (None if one.__suppress_context__ else one.__context__)
