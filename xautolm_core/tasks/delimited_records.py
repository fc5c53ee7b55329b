"""Delimited text files (CSV, TSV): where the records begin, and their cells as one reads them."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from typing import NamedTuple

from xautolm_core.tasks.columns import are_column_names
from xautolm_core.tasks.text_files import open_text

DELIMITERS = (",", ";", "\t", "|")
# The parser refuses longer cells, so that a quote that is never closed does not fill the memory.
_MAX_CELL_CHARACTERS = 1 << 26
# What Excel writes into the first line of a file to name the delimiter.
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?', re.IGNORECASE)
_QUOTED_PART = re.compile(r'"[^"]*"?')
# Halves of surrogate pairs cannot come from UTF-8: they stand for line ends that end no record.
_KEPT = {"\r": "\udc0d", "\n": "\udc0a"}
# A backslash before anything but a quote, with the quote if there is one.
_BEFORE_QUOTE = re.compile(r'\\("?)')


@dataclass(frozen=True)
class Layout:
    """What stands around the records of a file.

    Attributes:
        path: The file.
        delimiter: What stands between two cells.
        skipped_lines: Lines before the first record: of comments, blank, or naming the delimiter.
        comment_lines: The numbers of those that are comments, from 1.
    """

    path: Path
    delimiter: str
    skipped_lines: int = 0
    comment_lines: tuple[int, ...] = ()


@dataclass(frozen=True)
class DelimitedReading:
    r"""One way of taking a file's quotes, backslashes and line ends.

    Attributes:
        quoted: Whether a quote at the beginning of a cell opens it; doubled ones stand for one.
        escapes: Whether a backslash takes what follows it as it is: never, always, or (if
            ``"quotes"``) only a quote, while other backslashes are text.
        line_end: What ends a record: ``"\n"`` or ``"\r"`` alone, or both and ``"\r\n"`` if empty.
    """

    quoted: bool
    escapes: Literal["", "all", "quotes"] = ""
    line_end: str = ""


class MisfitError(Exception):
    """A file does not follow a reading.

    Args:
        problem: What is wrong, with row and line.
        hint: How to correct the file.
        line: The line where it begins, from 1.
        about_quotes: Whether it is a quote that cannot be read, or else the number of cells.
    """

    def __init__(self, problem: str, *, hint: str, line: int, about_quotes: bool) -> None:
        super().__init__(problem)
        self.problem = problem
        self.hint = hint
        self.line = line
        self.about_quotes = about_quotes


class DelimitedRecord(NamedTuple):
    """One record of a file.

    Attributes:
        begin: Its first line, from 1.
        end: Its last line.
        cells: Its cells, as many as the first record has.
    """

    begin: int
    end: int
    cells: list[str]


def find_layout(path: Path, *, tabs: bool = False, with_comments: bool = True) -> Layout:
    """Find the first record and the delimiter.

    Args:
        path: A file of UTF-8 text.
        tabs: Whether the file's name says that tabs stand between the cells.
        with_comments: Whether lines that begin with ``#`` above the first record are comments.
    """
    delimiter = None
    skipped = 0
    comments: list[tuple[int, str]] = []
    header = ""
    with open_text(path) as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            separator = _SEPARATOR_LINE.fullmatch(line.rstrip("\r\n"))
            if separator and delimiter is None and not comments:
                delimiter, skipped = separator[1], number
            elif with_comments and line.startswith("#"):
                comments.append((number, line))
            else:
                header = line
                break
    if comments and not header:
        header = comments[0][1]
        comments = []
    delimiter = delimiter or _delimiter(header, tabs)
    if comments and _may_be_header(comments[-1][1], header, delimiter):
        comments.pop()
    numbers = tuple(number for number, _ in comments)
    return Layout(path, delimiter, numbers[-1] if numbers else skipped, numbers)


def _delimiter(header: str, tabs: bool) -> str:
    """Return the delimiter that a line uses, outside of quotes if it can be."""
    if tabs and "\t" in header:
        return "\t"
    outside = _QUOTED_PART.sub("", header)
    best = max(DELIMITERS, key=outside.count)
    return best if best in outside else max(DELIMITERS, key=header.count)


def _may_be_header(comment: str, following: str, delimiter: str) -> bool:
    """Whether a line that begins with ``#`` has the cells of a record, and no names follow it."""
    csv.field_size_limit(_MAX_CELL_CHARACTERS)
    cells, after = (next(csv.reader([line], delimiter=delimiter)) for line in (comment, following))
    return len(cells) == len(after) and not are_column_names(after)


def read_records(layout: Layout, reading: DelimitedReading) -> Iterator[DelimitedRecord]:
    """Yield the records of a file, the column names first, blank lines left out.

    A blank line in a file of one column is a record with an empty cell.

    Raises:
        MisfitError: The file does not follow the reading.
    """
    header_line = width = rows = 0
    for begin, end, cells in _raw_records(layout, reading):
        if len(cells) == width > 0:
            rows += 1
            yield DelimitedRecord(begin, end, cells)
        elif width == 0:
            if any(cell.strip() for cell in cells):
                header_line, width = begin, len(cells)
                yield DelimitedRecord(begin, end, cells)
        elif width == 1 and not cells:
            rows += 1
            yield DelimitedRecord(begin, end, [""])
        elif len(cells) > 1 or "".join(cells).strip(" \t"):
            raise _ragged(layout, begin, cells, rows + 1, (header_line, width))


def _ragged(
    layout: Layout, line: int, cells: Sequence[str], row: int, header: tuple[int, int]
) -> MisfitError:
    """Say that a row has a wrong number of cells; the header is given by line and number."""
    named = "a tab" if layout.delimiter == "\t" else f"'{layout.delimiter}'"
    hint = f"Put texts that contain {named}, quotes or line breaks into double quotes"
    if any(cell.startswith(" ") and cell.lstrip(" ").startswith('"') for cell in cells):
        hint = f"In line {line} a quote follows a space and opens no text: remove the space"
    elif cells[0].startswith("#"):
        hint = f"Remove line {line} if it is a comment: those stand above the column names. {hint}"
    fields = "1 field" if len(cells) == 1 else f"{len(cells)} fields"
    problem = f"row {row} (line {line}) has {fields}, the header has {header[1]}"
    if row == header[1] == 1:
        problem = (
            f"line {header[0]} has 1 field and was taken for the column names, but line {line} has"
            f" {fields}"
        )
        hint = f"Remove what stands above the column names, or begin it with #. {hint}"
    return MisfitError(problem, hint=hint, line=line, about_quotes=False)


def _raw_records(layout: Layout, reading: DelimitedReading) -> Iterator[tuple[int, int, list[str]]]:
    """Yield first line, last line and cells of each record, whatever their number."""
    csv.field_size_limit(_MAX_CELL_CHARACTERS)
    skipped = layout.skipped_lines
    begin = skipped + 1
    with open_text(layout.path, reading.line_end) as file:
        for _ in range(skipped):
            file.readline()
        parser = csv.reader(
            _prepared(file, reading),
            delimiter=layout.delimiter,
            quotechar='"' if reading.quoted else None,
            quoting=csv.QUOTE_MINIMAL if reading.quoted else csv.QUOTE_NONE,
            escapechar="\\" if reading.escapes else None,
            strict=True,
        )
        try:
            for cells in parser:
                end = skipped + parser.line_num
                yield begin, end, _restored(cells) if reading.line_end else cells
                begin = end + 1
        except csv.Error as error:
            raise _broken(begin, skipped + parser.line_num, str(error)) from error


def _broken(begin: int, end: int, error: str) -> MisfitError:
    """Say what the parser found wrong in a record."""
    if "end of data" in error:
        problem = f"line {begin}: the quote that opens a cell is never closed"
    elif "field limit" in error:
        problem = (
            f"line {begin}: a cell is longer than {_MAX_CELL_CHARACTERS:,} characters, as if the"
            " quote that opens it were never closed"
        )
    elif "expected after" in error:
        place = "text follows" if end == begin else f"text follows in line {end}"
        problem = f"line {begin}: a quote opens a cell, but after the quote that closes it {place}"
    else:
        problem = f"line {end}: {error}"
    hint = "Close that quote, or double it if it belongs to the text, or remove it"
    return MisfitError(problem, hint=hint, line=begin, about_quotes=True)


def _prepared(file: Iterable[str], reading: DelimitedReading) -> Iterable[str]:
    """Hide from the parser what the reading takes as text: line ends, backslashes."""
    lines = file
    if reading.line_end:
        lines = _with_other_line_end_kept(lines, reading.line_end)
    if reading.escapes == "quotes":
        lines = (
            _BEFORE_QUOTE.sub(lambda found: found[0] if found[1] else r"\\", line)
            if "\\" in line
            else line
            for line in lines
        )
    return lines


def _with_other_line_end_kept(lines: Iterable[str], line_end: str) -> Iterator[str]:
    """Replace the line end that ends no record by what stands for it."""
    other = "\r" if line_end == "\n" else "\n"
    for line in lines:
        yield line.replace(other, _KEPT[other])


def _restored(cells: Sequence[str]) -> list[str]:
    """Put the line ends that were kept from the parser back."""
    return [cell.replace("\udc0d", "\r").replace("\udc0a", "\n") for cell in cells]


class Backslashes(NamedTuple):
    """What the backslashes of a file may be.

    Attributes:
        may_escape: Whether each stands before what a writer escapes. Who escapes by backslashes
            escapes them as well, so that one before a letter shows that all of them are text.
        before_quotes: Whether one of them escapes a quote then.
    """

    may_escape: bool
    before_quotes: bool


def find_backslashes(layout: Layout) -> Backslashes:
    """Look at what follows the backslashes of a file."""
    escaped = re.escape('\\"\r\n' + layout.delimiter)
    only_escapes = re.compile(rf"(?:[^\\]++|\\[{escaped}])*+")
    escaped_quote = re.compile(r'(?:[^\\]++|\\[^"])*+\\"', re.DOTALL)
    before_quotes = False
    with open_text(layout.path) as lines:
        for line in lines:
            if "\\" in line:
                if not only_escapes.fullmatch(line):
                    return Backslashes(False, False)
                before_quotes = before_quotes or escaped_quote.match(line) is not None
    return Backslashes(True, before_quotes)
