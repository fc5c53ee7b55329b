"""Which reading of a delimited text file is right: with quotes or not, with escapes or not.

The readings that are tried are all that the usual writers write. There is no warning only if
all of them that fit agree; if they differ in texts, one is taken, with a warning; if they
differ in the number of rows, or rows may hide in a text, the file is refused.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

from xautolm_core.errors import DataError
from xautolm_core.tasks.delimited_records import Backslashes
from xautolm_core.tasks.delimited_records import DelimitedReading
from xautolm_core.tasks.delimited_records import DelimitedRecord
from xautolm_core.tasks.delimited_records import Layout
from xautolm_core.tasks.delimited_records import MisfitError
from xautolm_core.tasks.delimited_records import find_backslashes
from xautolm_core.tasks.delimited_records import read_records
from xautolm_core.tasks.quoting import Quoting
from xautolm_core.tasks.text_files import ByteCounts

_LINE_END = re.compile("\r\n|\r|\n")
_LINE_END_NAMES = {"\n": "LF", "\r": "CR"}
# Where all cells of so many rows, and of so large a share of the rows, stand in quotes, the
# quotes are not part of the texts.
_ROWS_SURELY_QUOTED = 20
_SHARE_SURELY_QUOTED = 0.9
_MAX_LONG_RECORDS = 1_000
_SAY_QUOTING = "say which with --quoting quoted or --quoting none"


@dataclass(frozen=True)
class DelimitedChoice:
    """How a file is read.

    Attributes:
        reading: The reading.
        warnings: What would be different in others that fit as well.
    """

    reading: DelimitedReading
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Survey:
    """What a file holds in one reading.

    Attributes:
        reading: The reading.
        rows: Number of rows, without the column names.
        digest: Equal to that of another reading only if all cells are.
        wrapped_cells: Number of cells that keep the quotes around them.
        is_plausible: Whether a writer may have meant it.
        long_records: Records of several lines, each of which has the cells of a whole record.
        misfit: Where the file does not follow the reading, or None if it does.
    """

    reading: DelimitedReading
    rows: int
    digest: int
    wrapped_cells: int
    is_plausible: bool
    long_records: tuple[DelimitedRecord, ...]
    misfit: MisfitError | None


def choose_reading(layout: Layout, quoting: Quoting, counts: ByteCounts) -> DelimitedChoice:
    """Choose how a file is read.

    Args:
        layout: The file and its delimiter.
        quoting: The user's setting for its quotes.
        counts: How many bytes of each kind the file has.

    Returns:
        The reading. A file with a wrong number of cells in a row may still not follow it, if it is
        the only one that can be meant.

    Raises:
        DataError: No reading fits, or rows could be lost.
    """
    backslashes = find_backslashes(layout) if counts.backslashes else Backslashes(False, False)
    readings = _readings(layout, quoting, counts, backslashes)
    if len(readings) == 1 and not readings[0].quoted:
        return DelimitedChoice(readings[0])
    surveys = [_survey(layout, reading) for reading in readings]
    if quoting is not Quoting.NONE and counts.quotes and counts.backslashes:
        fits = any(s.misfit is None and s.reading.quoted for s in surveys)
        if not fits and not backslashes.may_escape:
            surveys.insert(0, _survey(layout, DelimitedReading(quoted=True, escapes="quotes")))
    fitting = [s for s in surveys if s.misfit is None]
    if quoting is Quoting.AUTO:
        fitting = [s for s in fitting if s.is_plausible]
    if not fitting:
        error = refusal(layout, _furthest(surveys, quoted=True), _furthest(surveys, quoted=False))
        if quoting is Quoting.QUOTED:
            error.hint += "; where quotes are text, give --quoting none"
        raise error
    chosen = fitting[0]
    others = {(s.rows, s.digest): s for s in reversed(fitting)}
    del others[chosen.rows, chosen.digest]
    for other in others.values():
        if other.rows != chosen.rows:
            raise _two_ways(layout, chosen, other)
    warnings = [_difference(layout, chosen, other) for other in others.values()]
    warnings += _hidden_rows(layout, chosen, quoting)
    if quoting is Quoting.AUTO and not chosen.reading.quoted:
        warnings += _unquoted(layout, chosen, surveys)
    return DelimitedChoice(chosen.reading, tuple(warnings))


def _readings(
    layout: Layout, quoting: Quoting, counts: ByteCounts, backslashes: Backslashes
) -> list[DelimitedReading]:
    """Return the readings that can be meant, the likeliest first."""
    line_ends = [""]
    lf_alone, cr_alone = counts.lf - counts.crlf, counts.cr - counts.crlf
    if not layout.skipped_lines and counts.cr and counts.lf:
        line_ends += ["\n"] if lf_alone else []
        line_ends += ["\r"] if cr_alone else []
    readings: list[DelimitedReading] = []
    for line_end in line_ends:
        for quoted in (True, False):
            if quoted and (quoting is Quoting.NONE or not counts.quotes):
                continue
            if not quoted and quoting is Quoting.QUOTED and counts.quotes:
                continue
            ways = [DelimitedReading(quoted=quoted, line_end=line_end)]
            if backslashes.may_escape:
                ways.append(DelimitedReading(quoted=quoted, escapes="all", line_end=line_end))
            readings += ways[::-1] if backslashes.before_quotes and quoted else ways
    return readings


def _survey(layout: Layout, reading: DelimitedReading) -> _Survey:
    """Read a file in one way, and keep what distinguishes it from others."""
    rows = digest = wrapped_cells = wrapped_rows = 0
    names: list[str] = []
    long_records: list[DelimitedRecord] = []
    misfit = None
    try:
        for record in read_records(layout, reading):
            cells = record.cells
            digest = hash((digest, *cells))
            if not names:
                names = cells
                continue
            rows += 1
            if not reading.quoted:
                wrapped = sum(map(_is_wrapped, cells))
                wrapped_cells += wrapped
                wrapped_rows += wrapped == len(cells)
            elif (
                record.end > record.begin
                and len(long_records) < _MAX_LONG_RECORDS
                and _raw_lines(record, layout.delimiter) is not None
            ):
                long_records.append(record)
    except MisfitError as error:
        misfit = error
    plausible = True
    if reading.line_end:
        plausible = not any(_LINE_END.search(name) for name in names)
    if names and not reading.quoted:
        least = max(_ROWS_SURELY_QUOTED, _SHARE_SURELY_QUOTED * rows)
        surely_quoted = wrapped_rows >= least
        plausible = plausible and not (surely_quoted or all(map(_is_wrapped, names)))
    return _Survey(reading, rows, digest, wrapped_cells, plausible, tuple(long_records), misfit)


def _is_wrapped(cell: str) -> bool:
    """Whether a cell keeps quotes around it."""
    return len(cell) > 1 and cell[0] == '"' == cell[-1]


def _raw_lines(record: DelimitedRecord, delimiter: str) -> list[list[str]] | None:
    """Return a record's lines as records of their own, or None if one cannot be."""
    if len(record.cells) == 1:
        return None
    lines = [line.split(delimiter) for line in _LINE_END.split(delimiter.join(record.cells))]
    return lines if all(len(line) == len(record.cells) for line in lines) else None


def _parting(
    layout: Layout, one: DelimitedReading, other: DelimitedReading
) -> tuple[int, DelimitedRecord]:
    """Return in how many records two readings differ, and the first of them as the one has it."""
    differing = 0
    first = last = DelimitedRecord(1, 1, [])
    for mine, yours in itertools.zip_longest(
        read_records(layout, one), read_records(layout, other)
    ):
        last = mine or last
        if mine is None or yours is None or mine.cells != yours.cells:
            first = first if differing else last
            differing += 1
    return differing, first


def _words(reading: DelimitedReading) -> str:
    """Name a reading."""
    words = "as quoted" if reading.quoted else "as unquoted"
    if reading.escapes:
        words += " with backslashes as escapes"
    if reading.line_end:
        words += f" with lines that end in {_LINE_END_NAMES[reading.line_end]} alone"
    return words


def _two_ways(layout: Layout, chosen: _Survey, other: _Survey) -> DataError:
    """Say that two readings have different numbers of rows."""
    _, first = _parting(layout, chosen.reading, other.reading)
    where = f"line {first.begin}"
    hint = "Write the file again with inner quotes doubled and one kind of line end"
    if chosen.reading.quoted != other.reading.quoted:
        if first.end > first.begin:
            where += f": a quote opens a text that ends in line {first.end}"
        hint = f"Close that quote if it was forgotten, or {_SAY_QUOTING}"
    return DataError(
        f"{layout.path}, {where}: {_words(chosen.reading)} the file has {chosen.rows:,} rows,"
        f" {_words(other.reading)} {other.rows:,}",
        hint=hint,
    )


def _difference(layout: Layout, chosen: _Survey, other: _Survey) -> str:
    """Warn of another reading that fits as well."""
    differing, first = _parting(layout, chosen.reading, other.reading)
    rows = "1 row" if differing == 1 else f"{differing:,} rows"
    text = (
        f"{layout.path} was read {_words(chosen.reading)}; {_words(other.reading)}, {rows} would"
        f" be different (the first in line {first.begin})"
    )
    if chosen.reading.quoted and not other.reading.quoted:
        text += ": if the quotes belong to the texts, give --quoting none"
    return text


def _unquoted(layout: Layout, chosen: _Survey, surveys: Sequence[_Survey]) -> list[str]:
    """Warn of the quote because of which a file was read as unquoted."""
    misfit = _furthest(surveys, quoted=True)
    if misfit is None:
        return []
    kept = f", {chosen.wrapped_cells:,} cells with quotes around them" * bool(chosen.wrapped_cells)
    return [
        f"{layout.path}, {misfit.problem}: the file was read as unquoted, its quotes are part of"
        f" the texts{kept}; --quoting none confirms that"
    ]


def _hidden_rows(layout: Layout, chosen: _Survey, quoting: Quoting) -> list[str]:
    """Refuse, or warn if the user said that texts are quoted, texts that hold rows of the file.

    Lines with as many cells as a record look like rows if one of their cells is also that of
    another record in the same column, as classes are.
    """
    wanted: dict[tuple[int, str], list[DelimitedRecord]] = {}
    for record in chosen.long_records:
        for key in _inner_cells(record, layout.delimiter):
            wanted.setdefault(key, []).append(record)
    if not wanted:
        return []
    found: list[DelimitedRecord] = []
    for other in itertools.islice(read_records(layout, chosen.reading), 1, None):
        for key in enumerate(other.cells):
            found += [record for record in wanted.get(key, ()) if record.begin != other.begin]
    if not found:
        return []
    first = min(found, key=lambda record: record.begin)
    lines = len(_raw_lines(first, layout.delimiter) or ())
    problem = (
        f"{layout.path}, line {first.begin}: a quote opens a text that ends in line {first.end} and"
        f" holds what looks like {lines} rows of the file"
    )
    if quoting is Quoting.QUOTED:
        return [problem]
    raise DataError(
        problem,
        hint="Close that quote if it was forgotten; if the text is meant so, give --quoting quoted",
    )


def _inner_cells(record: DelimitedRecord, delimiter: str) -> list[tuple[int, str]]:
    """Return column and content of the cells that a record's lines would have as records.

    Cells that are the record's own in any case are left out.
    """
    long = [column for column, cell in enumerate(record.cells) if _LINE_END.search(cell)]
    lines = _raw_lines(record, delimiter) or []
    last = len(lines) - 1
    return [
        (column, cell)
        for number, line in enumerate(lines)
        for column, cell in enumerate(line)
        if cell.strip()
        and (number > 0 or column >= long[0])
        and (number < last or column <= long[-1])
    ]


def _furthest(surveys: Sequence[_Survey], *, quoted: bool) -> MisfitError | None:
    """Return where the reading that came furthest, of those with quotes or without, broke off."""
    misfits = [
        survey.misfit
        for survey in surveys
        if survey.misfit and survey.reading.quoted == quoted and not survey.reading.line_end
    ]
    return max(misfits, key=lambda misfit: misfit.line, default=None)


def refusal(layout: Layout, quoted: MisfitError | None, unquoted: MisfitError | None) -> DataError:
    """Say why a file follows no reading.

    Args:
        layout: The file and its delimiter.
        quoted: Where it does not follow the readings with quotes, None if none was tried.
        unquoted: Where it does not follow those without.
    """
    misfit = quoted or unquoted
    assert misfit is not None
    problem = f"{layout.path}, {misfit.problem}"
    if misfit.about_quotes and unquoted is not None:
        problem += f"; without quoting, {unquoted.problem}"
    elif unquoted is not None and unquoted.line > misfit.line:
        problem = f"{layout.path}, {unquoted.problem}"
    return DataError(problem, hint=misfit.hint)
