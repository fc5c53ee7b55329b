"""The texts that ``xautolm predict`` is asked about, and the model that is asked."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from xautolm_core.errors import ConfigError
from xautolm_core.errors import DataError

if TYPE_CHECKING:
    from xautolm_core.tasks.tables import Table

_LINES_SUFFIX = ".txt"
_STANDARD_INPUT = "-"


@dataclass(frozen=True)
class TextRows:
    """Texts to classify, in order.

    Attributes:
        texts: The texts.
        pairs: Their second texts, or None for single texts.
    """

    texts: Sequence[str]
    pairs: Sequence[str] | None = None


def require_model_folder(run: Path) -> Path:
    """Return the folder of the model: of a run, or the folder itself.

    Raises:
        ConfigError: There is no model.
    """
    from xautolm_core.search.contract import BEST_MODEL_FOLDER
    from xautolm_core.search.contract import SEARCH_FILE
    from xautolm_core.trial.contract import MODEL_CARD_FILE

    folder = run.expanduser()
    if not folder.is_dir():
        raise ConfigError(f"{run} is no folder", hint="Give the run folder of a search")
    for candidate in (folder / BEST_MODEL_FOLDER, folder):
        if (candidate / MODEL_CARD_FILE).is_file():
            return candidate
    if (folder / SEARCH_FILE).is_file():
        raise ConfigError(
            f"{run} has no model yet", hint=f"Go on with the search: xautolm search --resume {run}"
        )
    raise ConfigError(f"{run} holds neither a run nor a model", hint="Give the run folder")


def read_texts(
    file: Path | None,
    texts: Sequence[str],
    pairs: Sequence[str],
    *,
    column: str | None,
    pair_column: str | None,
    run: Path,
) -> TextRows:
    """Return the texts of ``--text`` or of a file.

    Args:
        file: A data file, a text file with a text a line, or ``-`` for standard input.
        texts: What ``--text`` gave.
        pairs: What ``--text-pair`` gave.
        column: Column of the text in the file; that of the task or found if None.
        pair_column: Column of the second text, likewise.
        run: The run, which knows the names of the task's columns.

    Raises:
        ConfigError: Both or neither are given, or the numbers of texts differ.
        DataError: The file cannot be used.
    """
    if (file is None) == (not texts):
        raise ConfigError(
            "give either --text or a FILE" + (", not both" if texts else ""),
            hint="For example: xautolm predict RUN --text 'A text to classify'",
        )
    if texts:
        if pairs and len(pairs) != len(texts):
            raise ConfigError(
                f"{len(texts)} times --text but {len(pairs)} times --text-pair",
                hint="Give one --text-pair for each --text",
            )
        return TextRows(list(texts), list(pairs) or None)
    if pairs:
        raise ConfigError("--text-pair belongs to --text", hint="Use --pair-column with a FILE")
    assert file is not None
    if str(file) == _STANDARD_INPUT:
        return TextRows(_lines(sys.stdin.buffer.read(), "standard input"))
    if file.suffix.lower() == _LINES_SUFFIX:
        if not file.is_file():
            raise DataError(f"{file} does not exist", hint="Check the path")
        return TextRows(_lines(file.read_bytes(), str(file)))
    return _read_columns(file, column, pair_column, run)


def _lines(content: bytes, source: str) -> list[str]:
    try:
        lines = [line for line in content.decode("utf-8").splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        raise DataError(
            f"{source} is not UTF-8 (byte {error.start})", hint="Convert it to UTF-8"
        ) from error
    if not lines:
        raise DataError(f"{source} has no text", hint="Give one text a line")
    return lines


def _read_columns(file: Path, column: str | None, pair_column: str | None, run: Path) -> TextRows:
    from xautolm_core.tasks.columns import find_columns
    from xautolm_core.tasks.columns import require_column
    from xautolm_core.tasks.data_files import read_table
    from xautolm_core.tasks.tables import Table

    table = read_table(file)
    known_text, known_pair = _columns_of_run(run)
    if column is not None:
        require_column(table, column, "--column")
    elif known_text in table.columns:
        column = known_text
    if pair_column is not None:
        require_column(table, pair_column, "--pair-column")
    elif known_pair in table.columns:
        pair_column = known_pair
    if column is None:
        # The finder looks for a class as well; new texts need not have one.
        stand_in = "\0class"
        with_class = Table(
            table.source,
            table.rows,
            {**table.columns, stand_in: [""] * table.rows},
            untyped=table.untyped,
        )
        try:
            found = find_columns(with_class, text=None, text_pair=pair_column, label=stand_in)
        except DataError as error:
            raise DataError(error.problem, hint="Name the column with --column COL") from error
        column, pair_column = found.text, found.text_pair
    return TextRows(_strings(table, column), _strings(table, pair_column) if pair_column else None)


def _columns_of_run(run: Path) -> tuple[str | None, str | None]:
    """Return the names of the task's columns, where the user gave them."""
    from xautolm_core.search.contract import SEARCH_FILE

    for folder in (run, run.parent):
        try:
            document = json.loads((folder / SEARCH_FILE).read_text(encoding="utf-8"))
            return document["task"].get("text"), document["task"].get("text_pair")
        except (OSError, ValueError, KeyError, AttributeError):
            continue
    return None, None


def _strings(table: Table, column: str) -> list[str]:
    from xautolm_core.tasks.texts import check_texts

    checked = check_texts(table, column)
    unusable = int((checked.missing | checked.empty).sum())
    if unusable:
        raise DataError(
            f"{table.source}: {unusable} of {table.rows} rows have no text in column '{column}'",
            hint="Leave these rows out of the file",
        )
    return [str(text) for text in checked.texts.to_pylist()]
