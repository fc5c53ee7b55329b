"""The law of delimited files: what was written is read back, or refused, or warned of.

Shared by the test and by ``benchmarks/delimited_files.py``.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

from hypothesis import assume
from hypothesis import strategies as st

from xautolm_core.errors import DataError
from xautolm_core.tasks.csv_table import read_csv

_PIECES = [
    '"', '""', "\\", '\\"', "\\\\", ",", ";", "\t", "|", "\n", "\r\n", "\r", " ", "a", "b", "pos",
    "neg", "a,pos\nb", '"a"', '"a, b"', "nan", "#", "é", "\u2028", "😀", "=", "0", "\x0b", "\0",
]  # fmt: skip
_WRITTEN_TEXT = st.lists(st.sampled_from(_PIECES), max_size=6).map("".join)
_ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
TEXTS = st.one_of(_WRITTEN_TEXT, _WRITTEN_TEXT, _ANY_TEXT)
LABELS = st.one_of(st.sampled_from(["pos", "neg", "1", "", '"pos"']), _WRITTEN_TEXT)
ROWS = st.lists(st.tuples(TEXTS, LABELS), min_size=1, max_size=6)


@dataclass(frozen=True)
class Written:
    """A table and the file that a writer made of it."""

    rows: list[tuple[str, str]]
    content: str


@st.composite
def written_by_csv(draw: st.DrawFn) -> Written:
    """Write a table by the standard library's writer."""
    rows = draw(ROWS)
    quoting = draw(
        st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC, csv.QUOTE_NONE])
    )
    quotechar = draw(st.sampled_from(['"', None])) if quoting == csv.QUOTE_NONE else '"'
    file = io.StringIO()
    writer = csv.writer(
        file,
        delimiter=draw(st.sampled_from(",;\t|")),
        quoting=quoting,
        quotechar=quotechar,
        doublequote=draw(st.booleans()),
        escapechar=draw(st.sampled_from([None, "\\"])),
        lineterminator=draw(st.sampled_from(["\n", "\r\n", "\r"])),
    )
    try:
        writer.writerows([("text", "label"), *rows])
    except csv.Error:
        assume(False)
    return Written(rows, file.getvalue())


@st.composite
def written_by_pandas(draw: st.DrawFn) -> Written:
    """Write a table by pandas."""
    import pandas as pd

    rows = draw(ROWS)
    frame = pd.DataFrame(rows, columns=["text", "label"], dtype=object)
    file = io.StringIO()
    try:
        frame.to_csv(
            file,
            sep=draw(st.sampled_from(",;\t|")),
            index=draw(st.booleans()),
            quoting=draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONE])),
            doublequote=draw(st.booleans()),
            escapechar=draw(st.sampled_from([None, "\\"])),
            lineterminator=draw(st.sampled_from(["\n", "\r\n", "\r"])),
        )
    except csv.Error:
        assume(False)
    return Written(rows, file.getvalue())


@st.composite
def written_by_polars(draw: st.DrawFn) -> Written:
    """Write a table by polars; it must be installed."""
    import polars as pl

    rows = draw(ROWS)
    separator = draw(st.sampled_from(",;\t|"))
    style = draw(st.sampled_from(["necessary", "always", "non_numeric", "never"]))
    line_end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    if style == "never":
        # Without a quote or an escape, no reader could tell these from the ends of cells.
        lost = {separator, "\n", "\r"}
        rows = [tuple("".join(c for c in cell if c not in lost) for cell in row) for row in rows]
    frame = pl.DataFrame(rows, schema=["text", "label"], orient="row")
    content = frame.write_csv(separator=separator, quote_style=style, line_terminator=line_end)
    return Written(rows, content)


def outcome_of(written: Written, path: Path) -> str:
    """Read a file; return how that ended, or fail if a row or a text was lost in silence."""
    path.write_text(written.content, encoding="utf-8", newline="")
    try:
        table = read_csv(path)
    except DataError as error:
        assert "\n" not in str(error)
        assert str(path) in str(error)
        return "refused"
    assert table.rows == len(written.rows), written
    read = list(zip(*(table.columns[name].to_pylist() for name in ("text", "label")), strict=True))
    expected = [tuple(None if c in ("nan", "NaN") else c for c in row) for row in written.rows]
    if read == expected:
        return "read with a warning" if table.warnings else "read"
    assert table.warnings, (written, read)
    return "another text, with a warning"
