"""Writing to the terminal: tables for people, documents for programs."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Any

if TYPE_CHECKING:
    from rich.console import Console

_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_UNDECODED = range(0xDC80, 0xDD00)


def console(*, stderr: bool = False) -> Console:
    """Return a console on standard output or standard error.

    Piped output is as wide as it needs to be, so that no line of it is broken or cut.
    """
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    return Console(
        stderr=stderr, width=None if stream.isatty() else 200, soft_wrap=False, highlight=False
    )


def print_json(document: Any) -> None:
    """Print one strict JSON document to standard output."""
    from xautolm_core.whole_files import to_json

    sys.stdout.write(to_json(document))


def print_table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: Sequence[str] = (),
    title: str = "",
) -> None:
    """Print a table to standard output.

    Args:
        columns: Their titles.
        rows: Their cells, shown as they are (no markup).
        right: Titles of the columns that are aligned to the right.
        title: A line above the table.
    """
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False, title=title or None, title_justify="left")
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(escape(cell) for cell in row))
    console().print(table)


def one_line(text: str) -> str:
    """Return a text on one line; characters that no terminal shows are written as escapes.

    A byte of a file's name that is not UTF-8, which Python keeps as half of a surrogate pair, is
    written as the byte.
    """
    return _UNPRINTABLE.sub(_escape, " ".join(text.split()))


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code in _UNDECODED:
        code -= _UNDECODED.start - 0x80
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}"


def warn(text: str) -> None:
    """Print a warning to standard error, on one line."""
    print(f"warning: {one_line(text)}", file=sys.stderr)
