"""Loading a classification task: check, encode the classes, cut the missing splits."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from xautolm_core.errors import DataError
from xautolm_core.tasks.columns import Columns
from xautolm_core.tasks.columns import find_columns
from xautolm_core.tasks.columns import require_column
from xautolm_core.tasks.fingerprint import fingerprint
from xautolm_core.tasks.labels import MISSING
from xautolm_core.tasks.labels import is_unlabelled
from xautolm_core.tasks.labels import read_labels
from xautolm_core.tasks.look_alikes import look_alike_hint
from xautolm_core.tasks.quality import CheckedRows
from xautolm_core.tasks.quality import find_faults
from xautolm_core.tasks.quality import text_numbers
from xautolm_core.tasks.quality import unlabelled_split
from xautolm_core.tasks.quality import warnings_of
from xautolm_core.tasks.sampling import grouped_partition
from xautolm_core.tasks.spec import SplitFractions
from xautolm_core.tasks.spec import TaskSpec
from xautolm_core.tasks.spec import TaskType
from xautolm_core.tasks.tables import Table
from xautolm_core.tasks.task import SPLIT_NAMES
from xautolm_core.tasks.task import Finding
from xautolm_core.tasks.task import Split
from xautolm_core.tasks.task import SplitName
from xautolm_core.tasks.task import Task
from xautolm_core.tasks.texts import MAX_CHARACTERS
from xautolm_core.tasks.texts import check_texts
from xautolm_core.tasks.texts import name_phrase
from xautolm_core.tasks.texts import names_phrase
from xautolm_core.tasks.texts import rows_phrase

MIN_ROWS = 10


def cut_splits(
    labels: np.ndarray,
    texts: np.ndarray,
    missing: Sequence[SplitName],
    fractions: SplitFractions,
    seed: int,
) -> Mapping[SplitName, np.ndarray]:
    """Divide the training rows into training and the missing splits, stratified by class.

    Rows with equal texts stay on one side: a model that has learnt a text by heart would answer it
    right in a test, too.

    Args:
        labels: Class index of each training row.
        texts: A number for the text of each row, the same for equal texts.
        missing: Which of ``validation`` and ``test`` are to be cut.
        fractions: Their shares of the rows, and their largest size.
        seed: Seed of the split.

    Returns:
        Sorted row indices of ``train`` and of each missing split.

    Raises:
        DataError: If there are too few rows or different texts, or nothing would be left to train
            on.
    """
    rows = len(labels)
    shares = {"validation": fractions.validation, "test": fractions.test}
    wanted = [shares[name] for name in missing]
    if sum(wanted) >= 1:
        raise DataError(
            f"the splits {' and '.join(missing)} would take {sum(wanted):.0%} of the rows",
            hint="Make 'splits: {validation: ..., test: ...}' smaller, together below 1",
        )
    classes, different = len(np.unique(labels)), len(np.unique(texts))
    needed = max(MIN_ROWS, (len(missing) + 1) * classes)
    if different < needed:
        what = f"{rows} rows"
        if different < rows:
            what = f"{different} different texts (in {rows:,} rows)"
        raise DataError(
            f"{what} are too few to cut {' and '.join(missing)} from ({classes} classes)",
            hint=f"Give at least {needed} different texts, or give the splits in files of their"
            " own",
        )
    sizes = [max(min(round(rows * share), fractions.max_rows), classes) for share in wanted]
    parts = grouped_partition(labels, texts, sizes, seed)
    empty = [name for name, part in zip(missing, parts, strict=False) if not len(part)]
    if empty:
        raise DataError(
            f"nothing is left for {' and '.join(empty)}, as equal texts stay on one side of the cut"
            f" ({different} different texts in {rows:,} rows)",
            hint="Give more different texts, or give the splits in files of their own",
        )
    return {"train": parts[-1], **dict(zip(missing, parts[:-1], strict=True))}


def load_classification(spec: TaskSpec, tables: dict[SplitName, Table]) -> Task:
    """Check the data of a classification task.

    Args:
        spec: The task's description.
        tables: Its data; splits without labels are taken out.

    Returns:
        The task with all three splits.

    Raises:
        DataError: If the data cannot be used.
    """
    columns = find_columns(
        tables["train"], text=spec.text, text_pair=spec.text_pair, label=spec.label
    )
    warnings = tuple(warning for table in tables.values() for warning in table.warnings)
    unlabelled = _leave_out_unlabelled(tables, columns, spec.labels)
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
    given: dict[SplitName, CheckedRows] = {}
    for split in SPLIT_NAMES:
        if split in tables:
            given[split], found = _check_split(
                tables[split], columns, indices[split], drop_invalid=spec.drop_invalid
            )
            warnings += found
    names = labels.names if spec.labels is not None else _used(labels.names, given)
    if len(names) < len(labels.names):
        given = _renumber(given, labels.names, names)
    warnings += _check_classes(given, names, columns.label)
    missing = [split for split in SPLIT_NAMES if split not in given]
    splits = _all_splits(given, missing, spec)
    findings = (*unlabelled, *find_faults(splits, names, cut=missing, pool=given["train"]))
    return Task(
        name=spec.name or "task",
        type=TaskType.TEXT_CLASSIFICATION,
        fingerprint=fingerprint({split: part.rows for split, part in given.items()}, names),
        labels=names,
        splits={split: part.rows for split, part in splits.items()},
        languages=spec.languages,
        warnings=(*warnings, *warnings_of(findings)),
        findings=findings,
    )


def _wanted(columns: Columns) -> list[tuple[str, str]]:
    """Return the columns that every split must have, with their options."""
    wanted = [(columns.text, "--text"), (columns.label, "--label")]
    if columns.text_pair is not None:
        wanted.append((columns.text_pair, "--text-pair"))
    return wanted


def _leave_out_unlabelled(
    tables: dict[SplitName, Table], columns: Columns, listed: Sequence[str] | None
) -> tuple[Finding, ...]:
    """Remove held-out splits without a single label (benchmarks hide those of their test)."""
    findings: list[Finding] = []
    for split, table in list(tables.items()):
        if columns.label in table.columns:
            if not is_unlabelled(table, columns.label, listed):
                continue
            why = f"column '{columns.label}' is empty or -1 in each of its {table.rows:,} rows"
        elif columns.text in table.columns:
            why = f"there is no column '{columns.label}'"
        else:
            continue
        if split == "train":
            raise DataError(
                f"{table.source} has no labels: {why}",
                hint="Name the column of the classes with --label COL, or give labelled texts",
            )
        del tables[split]
        findings.append(unlabelled_split(split, table.source, table.rows, why))
    return tuple(findings)


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
    classes = [names[i] for i in np.unique(indices[split][rows])]
    raise DataError(
        f"{tables[split].source}: {rows_phrase(rows)} with a class that train does not have:"
        f" {names_phrase(classes)}",
        hint=look_alike_hint(classes, [names[i] for i in known if i != MISSING])
        or "Add rows of it to train, or drop these rows with --drop-invalid",
    )


def _check_split(
    table: Table, columns: Columns, labels: np.ndarray, *, drop_invalid: bool
) -> tuple[CheckedRows, tuple[str, ...]]:
    """Find the rows of a split that cannot be used; refuse them, or drop them with a warning."""
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
            hint="Correct these rows, or leave them out with --drop-invalid",
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
    rows = Split(
        _filtered(texts.texts, keep),
        _filtered(pairs.texts, keep) if pairs else None,
        labels[keep].astype(np.int32),
    )
    numbers = text_numbers(rows.texts, rows.text_pairs)
    usable = CheckedRows(table.source, np.flatnonzero(keep) + 1, rows, numbers)
    return usable, tuple(warnings)


def _filtered(column: pa.ChunkedArray, keep: np.ndarray) -> pa.ChunkedArray:
    """Return the rows to keep; the column itself if that is all of them."""
    return column if keep.all() else column.filter(pa.array(keep))


def _used(names: tuple[str, ...], given: Mapping[SplitName, CheckedRows]) -> tuple[str, ...]:
    """Return the classes that still have rows after the invalid ones were dropped."""
    used = np.unique(np.concatenate([part.rows.labels for part in given.values()]))
    return tuple(names[i] for i in used)


def _renumber(
    given: Mapping[SplitName, CheckedRows], old: tuple[str, ...], new: tuple[str, ...]
) -> dict[SplitName, CheckedRows]:
    """Let the class indices point into the new names."""
    lookup = np.array([new.index(n) if n in new else MISSING for n in old], dtype=np.int32)
    return {split: part.with_labels(lookup[part.rows.labels]) for split, part in given.items()}


def _check_classes(
    given: Mapping[SplitName, CheckedRows], names: tuple[str, ...], column: str
) -> tuple[str, ...]:
    """Refuse a single class and classes with a single row; warn of listed ones without a row."""
    source = given["train"].source
    counts = np.bincount(given["train"].rows.labels, minlength=len(names))
    present = np.flatnonzero(counts)
    if len(present) < 2:
        raise DataError(
            f"{source}: column '{column}' has only one class, {name_phrase(names[present[0]])}",
            hint="Give texts of at least two classes, or name another column with --label COL",
        )
    all_given = len(given) == len(SPLIT_NAMES)
    single = [names[i] for i in np.flatnonzero(counts == 1)]
    if single and not all_given:
        what = "class" if len(single) == 1 else f"{len(single)} classes"
        raise DataError(
            f"{source}: {what} with one row only: {names_phrase(single)}",
            hint="Add rows of it, merge it with another class, or remove the row",
        )
    absent = [names[i] for i in np.flatnonzero(counts == 0)]
    return (f"{source}: no rows of the listed {names_phrase(absent)}",) if absent else ()


def _all_splits(
    given: Mapping[SplitName, CheckedRows], missing: Sequence[SplitName], spec: TaskSpec
) -> dict[SplitName, CheckedRows]:
    """Return all three splits, those not given cut from the training rows."""
    splits = dict(given)
    if missing:
        pool = given["train"]
        parts = cut_splits(pool.rows.labels, pool.texts, missing, spec.splits, spec.seed)
        splits.update((split, pool.take(rows)) for split, rows in parts.items())
    return {split: splits[split] for split in SPLIT_NAMES}
