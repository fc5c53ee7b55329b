"""Which column holds the text and which the class."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Sequence
from dataclasses import dataclass

from xautolm_core.errors import DataError
from xautolm_core.tasks.column_content import has_few_values
from xautolm_core.tasks.column_content import holds
from xautolm_core.tasks.column_content import is_text
from xautolm_core.tasks.tables import Table
from xautolm_core.tasks.tables import holds_bytes
from xautolm_core.tasks.tables import require_utf8
from xautolm_core.validation import did_you_mean

# Names in the order of their strength: several of the same strength are ambiguous.
_TEXT_NAMES: tuple[tuple[str, ...], ...] = (
    ("text",),
    ("sentence", "texts"),
    (
        "content",
        "review",
        "review_text",
        "reviewtext",
        "comment",
        "comment_text",
        "tweet",
        "message",
        "utterance",
        "document",
        "post",
        "article",
        "statement",
        "question",
        "query",
        "abstract",
        "headline",
        "title",
        "description",
        "body",
        "input",
        "prompt",
        "passage",
        "docstring",
        "sms",
    ),
)
_LABEL_NAMES: tuple[tuple[str, ...], ...] = (
    ("label",),
    ("labels",),
    (
        "class",
        "category",
        "target",
        "sentiment",
        "emotion",
        "intent",
        "topic",
        "polarity",
        "stance",
        "rating",
        "stars",
        "verdict",
        "tag",
        "y",
        "label_name",
        "class_name",
        "coarse_label",
        "gold_label",
    ),
)
_PAIR_NAMES: tuple[tuple[str, str], ...] = (
    ("sentence1", "sentence2"),
    ("sentence_1", "sentence_2"),
    ("sentence_a", "sentence_b"),
    ("premise", "hypothesis"),
    ("question1", "question2"),
    ("question_1", "question_2"),
    ("text1", "text2"),
    ("text_1", "text_2"),
    ("text_a", "text_b"),
    ("text", "text_pair"),
    ("question", "sentence"),
    ("question", "passage"),
    ("query", "passage"),
    ("query", "document"),
    ("claim", "evidence"),
)
_MAX_LISTED = 12
_OPTIONS = "Say which with --text COL and --label COL (and --text-pair COL for a second text)"


@dataclass(frozen=True)
class Columns:
    """The names of the columns that matter."""

    text: str
    text_pair: str | None
    label: str


def are_column_names(cells: Sequence[str]) -> bool:
    """Whether cells are the usual names of a column of texts and of one of classes."""
    names = {plain_name(cell) for cell in cells}
    texts = {name for tier in (*_TEXT_NAMES, *_PAIR_NAMES) for name in tier}
    labels = {name for tier in _LABEL_NAMES for name in tier}
    return not names.isdisjoint(texts) and not names.isdisjoint(labels)


def find_columns(
    table: Table, *, text: str | None, text_pair: str | None, label: str | None
) -> Columns:
    """Find the columns of text and class: as given, by their names, or by their content.

    Raises:
        DataError: If a given column does not exist, or none or several could be meant.
    """
    for option, given in (("--text", text), ("--text-pair", text_pair), ("--label", label)):
        if given is not None:
            require_column(table, given, option)
    given_names = [n for n in (text, text_pair, label) if n is not None]
    if len(set(given_names)) < len(given_names):
        raise DataError(
            f"{table.source}: the same column is given twice ({', '.join(given_names)})",
            hint="Text and label must be different columns",
        )
    free = [n for n in table.columns if n not in given_names and n not in table.nameless]
    if label is None:
        label = _by_name(table, free, _LABEL_NAMES, "label")
    free = [name for name in free if name != label]
    if text is None and text_pair is None:
        text, text_pair = _pair_by_name(table, free)
    if text is None:
        text = _by_name(table, free, _TEXT_NAMES, "text")
    free = [name for name in free if name not in (text, text_pair)]
    if text is None:
        text = _by_content(table, free, "text", needs_label=label is None)
        free.remove(text)
    if label is None:
        label = _by_content(table, free, "label", needs_label=True)
        _refuse_missing_header(table, label)
    return Columns(text, text_pair, label)


def find_text_columns(
    table: Table, *, ignored: Collection[str] = (), has_pairs: bool = True
) -> tuple[str, str | None]:
    """Find the columns of new texts, which need no classes beside them.

    Args:
        table: Some rows.
        ignored: Columns that hold no texts, such as the classes.
        has_pairs: Whether a second text is looked for.

    Returns:
        The column of the text, and that of the second one if there is any.

    Raises:
        DataError: None or several could be meant.
    """
    unwanted = {*ignored, *table.nameless}
    free = [name for name in table.columns if name not in unwanted]
    text, text_pair = _pair_by_name(table, free) if has_pairs else (None, None)
    # Without types a column's name decides: all its texts may be numbers.
    text = text or _by_name(table, free, _TEXT_NAMES, "text", by_content=not table.untyped)
    try:
        return text or _by_content(table, free, "text", needs_label=True), text_pair
    except DataError:
        named = _by_name(table, free, _TEXT_NAMES, "text", by_content=False)
        if named is None:
            raise
        return named, text_pair  # whoever reads it says what it holds instead of texts


def is_text_name(name: str) -> bool:
    """Whether a column's name is a usual one for texts."""
    names = (*_TEXT_NAMES, *_PAIR_NAMES)
    return any(plain_name(name) in group for group in names)


def _refuse_missing_header(table: Table, label: str) -> None:
    """Refuse a CSV file whose first line is a row: its label column is then named like a class."""
    import pyarrow.compute as pc

    if table.untyped and pc.any(pc.equal(table.columns[label], label)).as_py():
        raise DataError(
            f"{table.source}: the first line looks like a row, not like column names"
            f" ('{label}' is also a value of its column)",
            hint="Put a line with the names of the columns first, such as: text,label",
        )


def require_column(table: Table, name: str, option: str) -> None:
    """Refuse a column that the table does not have, or that holds no UTF-8."""
    if name not in table.columns:
        raise DataError(
            f"{table.source} has no column '{name}' (columns: {listed(list(table.columns))})",
            hint=did_you_mean(name, table.columns) or f"Name one of them with {option} COL",
        )
    require_utf8(table, name)


def listed(names: Sequence[str]) -> str:
    """List column names, or what is said of columns, at most a dozen."""
    shown = ", ".join(names[:_MAX_LISTED])
    return shown if len(names) <= _MAX_LISTED else f"{shown}, and {len(names) - _MAX_LISTED} more"


def _by_name(
    table: Table,
    free: Sequence[str],
    tiers: Sequence[Sequence[str]],
    what: str,
    *,
    by_content: bool = True,
) -> str | None:
    """Return the column that is named like a text or a label, the strongest name first.

    Args:
        table: The columns.
        free: Those that may be meant.
        tiers: Names in the order of their strength.
        what: ``text`` or ``label``.
        by_content: Whether a column of texts has to hold texts, too.
    """
    for tier in tiers:
        found = [name for name in free if plain_name(name) in tier]
        if what == "text" and by_content:
            found = [name for name in found if is_text(table, name) or holds_bytes(table, name)]
        if len(found) == 1:
            return found[0]
        if found:
            raise _ambiguous(table, what, found)
    return None


def plain_name(name: str) -> str:
    """Return a column's name in the form of the lists above."""
    return name.strip().lower().replace(" ", "_").replace("-", "_")


def _pair_by_name(table: Table, free: Sequence[str]) -> tuple[str | None, str | None]:
    """Return the two columns that are named like a pair of texts, or two Nones."""
    by_name = {
        plain_name(name): name for name in free if is_text(table, name) or holds_bytes(table, name)
    }
    found = [pair for pair in _PAIR_NAMES if pair[0] in by_name and pair[1] in by_name]
    if len(found) > 1:
        raise _ambiguous(table, "text", [by_name[n] for pair in found for n in pair])
    if not found:
        return None, None
    if "text" in by_name and "text" not in found[0]:
        raise _ambiguous(table, "text", [by_name[n] for n in ("text", *found[0])])
    return by_name[found[0][0]], by_name[found[0][1]]


def _by_content(table: Table, free: Sequence[str], what: str, *, needs_label: bool) -> str:
    """Return the only column that can hold the texts, or the only one that can hold classes."""
    if what == "text":
        found = [name for name in free if is_text(table, name)]
        if needs_label and len(found) > 1:
            found = [name for name in found if not has_few_values(table, name)]
    else:
        found = [name for name in free if has_few_values(table, name)]
    if len(found) != 1:
        raise _ambiguous(table, what, found)
    return found[0]


def _ambiguous(table: Table, what: str, found: Sequence[str]) -> DataError:
    """Say that none or several columns could hold the texts or the classes."""
    if found:
        columns = listed(list(table.columns))
        candidates = listed(list(dict.fromkeys(found)))
        problem = f"the {what} could be any of {candidates} (columns: {columns})"
    else:
        held = listed([f"'{name}' holds {holds(table, name)}" for name in table.columns])
        problem = f"no column can be taken for the {what}: {held}"
    return DataError(f"{table.source}: {problem}", hint=_OPTIONS)
