"""Loading a task: read, check, encode the classes, cut the missing splits."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from xautolm_core.errors import DataError
from xautolm_core.tasks.columns import Columns
from xautolm_core.tasks.columns import find_columns
from xautolm_core.tasks.columns import require_column
from xautolm_core.tasks.fingerprint import Rows
from xautolm_core.tasks.fingerprint import fingerprint
from xautolm_core.tasks.labels import MISSING
from xautolm_core.tasks.labels import read_labels
from xautolm_core.tasks.locate import read_splits
from xautolm_core.tasks.spec import TaskSpec
from xautolm_core.tasks.splitting import cut_splits
from xautolm_core.tasks.tables import Table
from xautolm_core.tasks.task import SPLIT_NAMES
from xautolm_core.tasks.task import Split
from xautolm_core.tasks.task import SplitName
from xautolm_core.tasks.task import Task
from xautolm_core.tasks.texts import MAX_CHARACTERS
from xautolm_core.tasks.texts import check_texts
from xautolm_core.tasks.texts import rows_phrase

_CLASSES_NAMED = 5


@dataclass(frozen=True)
class _CheckedSplit:
    """A given split whose rows can all be used."""

    source: str
    rows: Rows
    warnings: tuple[str, ...]


def load_task(spec: TaskSpec) -> Task:
    """Read a task's data and check them.

    Args:
        spec: The task's description.

    Returns:
        The task with all three splits.

    Raises:
        DataError: If the data cannot be used; nothing is written in any case.
    """
    tables = dict(read_splits(spec))
    columns = find_columns(
        tables["train"], text=spec.text, text_pair=spec.text_pair, label=spec.label
    )
    warnings = _leave_out_unlabelled(tables, columns)
    for table in tables.values():
        for column, option in _wanted(columns):
            require_column(table, column, option)
    labels = read_labels(tables, columns.label, spec.labels)
    warnings += labels.warnings
    indices = dict(labels.indices)
    for split in tables:
        if split != "train":
            indices[split] = _unknown_in_train(
                tables, split, indices, labels.names, spec.drop_invalid
            )
    checked: dict[SplitName, _CheckedSplit] = {}
    for split in SPLIT_NAMES:
        if split in tables:
            checked[split] = _check_split(
                tables[split], columns, indices[split], drop_invalid=spec.drop_invalid
            )
            warnings += checked[split].warnings
    given = {split: part.rows for split, part in checked.items()}
    names = labels.names if spec.labels is not None else _used(labels.names, given)
    if len(names) < len(labels.names):
        given = _renumber(given, labels.names, names)
    warnings += _check_classes(given, names, checked["train"].source, columns.label)
    warnings += _duplicates(given)
    return Task(
        name=spec.name or "task",
        type=spec.type,
        fingerprint=fingerprint(given, names),
        labels=names,
        splits=_all_splits(given, spec),
        languages=spec.languages,
        warnings=warnings,
    )


def _wanted(columns: Columns) -> list[tuple[str, str]]:
    """Return the columns that every split must have, with their options."""
    wanted = [(columns.text, "--text"), (columns.label, "--label")]
    if columns.text_pair is not None:
        wanted.append((columns.text_pair, "--text-pair"))
    return wanted


def _leave_out_unlabelled(tables: dict[SplitName, Table], columns: Columns) -> tuple[str, ...]:
    """Remove held-out splits without a single label (benchmarks hide those of their test)."""
    warnings: list[str] = []
    for split in ("validation", "test"):
        table = tables.get(split)
        if table is None:
            continue
        if columns.label in table.columns:
            found = read_labels({split: table}, columns.label, None)
            if not np.all(found.indices[split] == MISSING):
                continue
        elif columns.text not in table.columns:
            continue
        del tables[split]
        warnings.append(f"{table.source} has no labels and is left out; {split} is cut from train")
    return tuple(warnings)


def _unknown_in_train(
    tables: Mapping[SplitName, Table],
    split: SplitName,
    indices: Mapping[SplitName, np.ndarray],
    names: tuple[str, ...],
    drop_invalid: bool,
) -> np.ndarray:
    """Refuse, or mark as missing, the labels of a held-out split that train does not have."""
    known = np.unique(indices["train"])
    unknown = (indices[split] != MISSING) & ~np.isin(indices[split], known)
    rows = np.flatnonzero(unknown)
    if not len(rows):
        return indices[split]
    if drop_invalid:
        return np.where(unknown, np.int32(MISSING), indices[split])
    classes = _quoted([names[i] for i in np.unique(indices[split][rows])])
    raise DataError(
        f"{tables[split].source}: {rows_phrase(rows)} with a class that train does not have:"
        f" {classes}",
        hint="Add rows of it to train, or drop these rows with --drop-invalid",
    )


def _quoted(names: list[str]) -> str:
    """List class names, the first five of them."""
    shown = ", ".join(f"'{textwrap.shorten(name, 60)}'" for name in names[:_CLASSES_NAMED])
    more = len(names) - _CLASSES_NAMED
    return f"{shown} and {more} more" if more > 0 else shown


def _check_split(
    table: Table, columns: Columns, labels: np.ndarray, *, drop_invalid: bool
) -> _CheckedSplit:
    """Find the rows of a split that cannot be used; refuse or drop them."""
    texts = check_texts(table, columns.text)
    faults = [
        ("a missing text", texts.missing),
        ("an empty text", texts.empty),
    ]
    pairs = None
    if columns.text_pair is not None:
        pairs = check_texts(table, columns.text_pair)
        faults.append(("a missing second text", pairs.missing))
        faults.append(("an empty second text", pairs.empty))
    faults.append(("no usable label" if drop_invalid else "no label", labels == MISSING))
    invalid = np.logical_or.reduce([rows for _, rows in faults])
    counted = [
        f"{rows_phrase(found)} with {fault}"
        for fault, rows in faults
        if len(found := np.flatnonzero(rows))
    ]
    warnings: list[str] = []
    if counted and not drop_invalid:
        raise DataError(
            f"{table.source}: {', '.join(counted)}",
            hint="Mend these rows, or leave them out with --drop-invalid",
        )
    if counted:
        warnings.append(f"{table.source}: dropped {int(invalid.sum()):,}: {', '.join(counted)}")
    if invalid.all():
        raise DataError(
            f"{table.source}: no row has both a text and a label",
            hint="Name the right columns with --text COL and --label COL",
        )
    truncated = texts.truncated + (pairs.truncated if pairs else 0)
    if truncated:
        warnings.append(
            f"{table.source}: texts longer than {MAX_CHARACTERS:,} characters were truncated"
            f" to that: {truncated:,}"
        )
    keep = ~invalid
    rows = Rows(
        _filtered(texts.texts, keep),
        _filtered(pairs.texts, keep) if pairs else None,
        labels[keep].astype(np.int32),
    )
    return _CheckedSplit(table.source, rows, tuple(warnings))


def _filtered(column: pa.ChunkedArray, keep: np.ndarray) -> pa.ChunkedArray:
    """Return the rows to keep; the column itself if that is all of them."""
    return column if keep.all() else column.filter(pa.array(keep))


def _used(names: tuple[str, ...], given: Mapping[SplitName, Rows]) -> tuple[str, ...]:
    """Return the classes that still have rows after the invalid ones were dropped."""
    used = np.unique(np.concatenate([rows.labels for rows in given.values()]))
    return tuple(names[i] for i in used)


def _renumber(
    given: Mapping[SplitName, Rows], old: tuple[str, ...], new: tuple[str, ...]
) -> dict[SplitName, Rows]:
    """Let the class indices point into the new names."""
    lookup = np.array([new.index(n) if n in new else MISSING for n in old], dtype=np.int32)
    return {
        split: Rows(rows.texts, rows.text_pairs, lookup[rows.labels])
        for split, rows in given.items()
    }


def _check_classes(
    given: Mapping[SplitName, Rows], names: tuple[str, ...], source: str, column: str
) -> tuple[str, ...]:
    """Refuse a single class and classes with a single row; warn of classes with two."""
    counts = np.bincount(given["train"].labels, minlength=len(names))
    present = np.flatnonzero(counts)
    if len(present) < 2:
        raise DataError(
            f"{source}: column '{column}' has only one class, '{names[present[0]]}'",
            hint="Give texts of at least two classes, or name another column with --label COL",
        )
    all_given = len(given) == len(SPLIT_NAMES)
    single = [names[i] for i in np.flatnonzero(counts == 1)]
    if single and not all_given:
        what = "class" if len(single) == 1 else f"{len(single)} classes"
        raise DataError(
            f"{source}: {what} with one row only: {_quoted(single)}",
            hint="Add rows of it, merge it with another class, or remove the row",
        )
    few = [names[i] for i in np.flatnonzero((counts > 0) & (counts <= 2))]
    absent = [names[i] for i in np.flatnonzero(counts == 0)]
    warnings = []
    if few:
        warnings.append(
            f"{source}: at most two training rows of {_quoted(few)}: scores of such classes are"
            " left to chance"
        )
    if absent:
        warnings.append(f"{source}: no rows of the listed {_quoted(absent)}")
    return tuple(warnings)


def _duplicates(given: Mapping[SplitName, Rows]) -> tuple[str, ...]:
    """Warn of rows of one given split that stand in an earlier one as well."""
    warnings: list[str] = []
    seen: dict[str, set[object]] = {}
    for split, rows in given.items():
        if len(given) == 1:
            break
        contents: list[object] = rows.texts.to_pylist()
        if rows.text_pairs is not None:
            contents = list(zip(contents, rows.text_pairs.to_pylist(), strict=True))
        for earlier, known in seen.items():
            count = sum(content in known for content in contents)
            if count:
                warnings.append(
                    f"{count:,} of {len(contents):,} {split} rows also stand in {earlier}:"
                    f" scores on {split} will flatter"
                )
        seen[split] = set(contents)
    return tuple(warnings)


def _all_splits(given: Mapping[SplitName, Rows], spec: TaskSpec) -> dict[SplitName, Split]:
    """Return all three splits, those not given cut from the training rows."""
    missing = [split for split in SPLIT_NAMES if split not in given]
    splits = {split: Split(r.texts, r.text_pairs, r.labels) for split, r in given.items()}
    if missing:
        pool = given["train"]
        for split, rows in cut_splits(pool.labels, missing, spec.splits, spec.seed).items():
            taken = pa.array(rows)
            splits[split] = Split(
                pool.texts.take(taken),
                pool.text_pairs.take(taken) if pool.text_pairs is not None else None,
                pool.labels[rows],
            )
    return {split: splits[split] for split in SPLIT_NAMES}
