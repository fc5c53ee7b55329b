"""Data that make the scores of a task hard to believe: found, counted, named with their rows."""

from __future__ import annotations

import dataclasses
import hashlib
import unicodedata
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xautolm_core.tasks.across_splits import rows_by_source
from xautolm_core.tasks.look_alikes import difference
from xautolm_core.tasks.look_alikes import look_alikes
from xautolm_core.tasks.look_alikes import told_apart
from xautolm_core.tasks.scores import RARE_ROWS
from xautolm_core.tasks.task import SPLIT_NAMES
from xautolm_core.tasks.task import Finding
from xautolm_core.tasks.task import FindingKind
from xautolm_core.tasks.task import Split
from xautolm_core.tasks.task import SplitName
from xautolm_core.tasks.texts import name_phrase

if TYPE_CHECKING:
    import pyarrow as pa


_TRAIN_TEXTS = 3
_NEEDED: Mapping[SplitName, int] = {
    "train": _TRAIN_TEXTS,
    "validation": RARE_ROWS,
    "test": RARE_ROWS,
}
_CODE_BYTES = 8
_TOLD = 3


@dataclass(frozen=True, eq=False)
class CheckedRows:
    """The rows of a split that can be used, and where they stand.

    Attributes:
        source: File or data set, for messages.
        numbers: Number of each row in its source, from 1.
        rows: Texts and classes.
        texts: A number for each row's text (of pairs: for both), the same for equal texts.
    """

    source: str
    numbers: np.ndarray
    rows: Split
    texts: np.ndarray

    def take(self, places: np.ndarray) -> CheckedRows:
        """Return some of the rows, by index."""
        import pyarrow as pa

        taken = pa.array(places)
        pairs = self.rows.text_pairs
        return CheckedRows(
            self.source,
            self.numbers[places],
            Split(
                self.rows.texts.take(taken),
                None if pairs is None else pairs.take(taken),
                self.rows.labels[places],
            ),
            self.texts[places],
        )

    def with_labels(self, labels: np.ndarray) -> CheckedRows:
        """Return the same rows with other class indices."""
        return dataclasses.replace(self, rows=dataclasses.replace(self.rows, labels=labels))


def text_numbers(texts: pa.ChunkedArray, text_pairs: pa.ChunkedArray | None) -> np.ndarray:
    """Number the texts so that equal ones have the same number, in whichever split they are.

    Texts are equal if they differ in nothing but white space and Unicode form: such rows are
    copies, whatever program wrote them.

    Args:
        texts: Their texts, none null.
        text_pairs: Their second texts, or None.

    Returns:
        uint64 for each row. Among a million texts two different ones share a number with a
        probability of 3e-8; the only effect: the cut would keep them on one side.
    """
    blake2b = hashlib.blake2b
    digests = b"".join(
        blake2b(content, digest_size=_CODE_BYTES).digest()
        for content in _contents(texts, text_pairs)
    )
    return np.frombuffer(digests, dtype="<u8")


def _contents(texts: pa.ChunkedArray, text_pairs: pa.ChunkedArray | None) -> Iterator[bytes]:
    """Yield what makes two rows equal; of pairs the length keeps the texts apart."""
    pairs = None if text_pairs is None else _plain_texts(text_pairs)
    for content in _plain_texts(texts):
        if pairs is None:
            yield content
        else:
            yield b"%d:%b%b" % (len(content), content, next(pairs))


def _plain_texts(column: pa.ChunkedArray) -> Iterator[bytes]:
    for chunk in column.chunks:
        for text in chunk.to_pylist():
            composed = text if text.isascii() else unicodedata.normalize("NFC", text)
            yield " ".join(composed.split()).encode("utf-8", "surrogatepass")


def find_faults(
    splits: Mapping[SplitName, CheckedRows],
    names: Sequence[str],
    *,
    cut: Sequence[SplitName],
    pool: CheckedRows,
) -> tuple[Finding, ...]:
    """Find what makes the scores of a task hard to believe, the worst first.

    Args:
        splits: All three splits, as they are used.
        names: Class names; labels are indices into them.
        cut: The splits that were cut from the training rows.
        pool: The training rows before the cut.
    """
    return (
        *_texts_in_two_splits(splits),
        *_texts_with_two_classes(splits, names),
        *_look_alike_classes(splits, names),
        *_classes_with_few_texts(splits, names),
        *(_repeated_texts(pool, cut) if cut else ()),
    )


def warnings_of(findings: Iterable[Finding]) -> tuple[str, ...]:
    """Return the warnings for the user: a line a finding, but one for many of the same kind."""
    by_kind: dict[FindingKind, list[Finding]] = {}
    for finding in findings:
        by_kind.setdefault(finding.kind, []).append(finding)
    lines: list[str] = []
    for kind, alike in by_kind.items():
        more = ""
        if len(alike) > _TOLD:
            more = f" and {len(alike) - _TOLD:,} more ('xautolm features --quality' lists them)"
        if kind == "class_with_few_texts" and len(alike) > 1:
            lines.append(
                f"{len(alike):,} classes have few different texts in a split, so that single ones"
                f" decide their scores: {', '.join(f.name for f in alike[:_TOLD])}{more}"
            )
        elif more:
            lines.append("; ".join(finding.words for finding in alike[:_TOLD]) + more)
        else:
            lines += [finding.words for finding in alike]
    return tuple(lines)


def _texts_in_two_splits(splits: Mapping[SplitName, CheckedRows]) -> Iterator[Finding]:
    """Count the rows of a split that stand in an earlier one as well."""
    for place, name in enumerate(SPLIT_NAMES):
        later = splits[name]
        for earlier_name in SPLIT_NAMES[:place]:
            earlier = splits[earlier_name]
            known = np.isin(later.texts, earlier.texts)
            count = int(known.sum())
            if count:
                yield Finding(
                    "texts_in_two_splits",
                    count,
                    rows_by_source(
                        [(earlier, np.isin(earlier.texts, later.texts)), (later, known)]
                    ),
                    f"{count:,} of {len(known):,} {name} rows are also in {earlier_name}: scores"
                    f" on {name} will be too high",
                )


def _texts_with_two_classes(
    splits: Mapping[SplitName, CheckedRows], names: Sequence[str]
) -> Iterator[Finding]:
    """Count the texts that stand with one class in some rows and with another one in others."""
    parts = list(splits.values())
    ends = np.cumsum([len(part.texts) for part in parts])
    labels = np.concatenate([part.rows.labels for part in parts])
    different, text = np.unique(np.concatenate([part.texts for part in parts]), return_inverse=True)
    lowest = np.full(len(different), len(names))
    highest = np.full(len(different), -1)
    np.minimum.at(lowest, text, labels)
    np.maximum.at(highest, text, labels)
    concerned = (lowest != highest)[text]
    if not concerned.any():
        return
    texts = int((lowest != highest).sum())
    rows = int(concerned.sum())
    first = int(np.argmax(concerned))
    second = int(np.argmax((text == text[first]) & (labels != labels[first])))
    numbers = np.concatenate([part.numbers for part in parts])
    example = [
        f"row {numbers[row]} of {parts[np.searchsorted(ends, row, side='right')].source}"
        f" ({name_phrase(names[labels[row]])})"
        for row in (first, second)
    ]
    subject = "1 text occurs" if texts == 1 else f"{texts:,} texts occur"
    masks = np.split(concerned, ends[:-1])
    yield Finding(
        "texts_with_two_classes",
        texts,
        rows_by_source(zip(parts, masks, strict=True)),
        f"{subject} with more than one class ({rows:,} rows), such as"
        f" {' and '.join(example)}: no prediction for such a text is right in all of its rows",
    )


def _classes_with_few_texts(
    splits: Mapping[SplitName, CheckedRows], names: Sequence[str]
) -> Iterator[Finding]:
    """Name the classes that have too few different texts in a split, the rarest first."""
    counts = np.array([_different_texts(splits[name], len(names)) for name in SPLIT_NAMES])
    needed = np.array([_NEEDED[name] for name in SPLIT_NAMES])[:, None]
    few = (counts < needed).any(axis=0) & (counts.sum(axis=0) > 0)
    for index in sorted(np.flatnonzero(few).tolist(), key=lambda i: (*counts[::-1, i], i)):
        train, validation, test = (int(count) for count in counts[:, index])
        name = name_phrase(names[index])
        found = f"({train:,} in train, {validation:,} in validation, {test:,} in test)"
        yield Finding(
            "class_with_few_texts",
            min(train, validation, test),
            rows_by_source([(split, split.rows.labels == index) for split in splits.values()]),
            f"class {name} has few different texts {found}: {_effect(train, validation, test)}",
            f"{name} {found}",
        )


def _different_texts(split: CheckedRows, classes: int) -> np.ndarray:
    """Count the different texts of each class."""
    order = np.lexsort((split.texts, split.rows.labels))
    labels, texts = split.rows.labels[order], split.texts[order]
    new = np.ones(len(order), dtype=bool)
    new[1:] = (labels[1:] != labels[:-1]) | (texts[1:] != texts[:-1])
    return np.bincount(labels[new], minlength=classes)


def _effect(train: int, validation: int, test: int) -> str:
    """Return the effect of few texts of a class on its score."""
    for split, texts in (("test", test), ("validation", validation)):
        if texts == 0:
            return f"{split} scores are meaningless for it"
        if texts < RARE_ROWS:
            return f"one {split} text moves its recall by {100 / texts:.0f} points"
    return f"{train:,} are too few to learn it reliably"


def _look_alike_classes(
    splits: Mapping[SplitName, CheckedRows], names: Sequence[str]
) -> Iterator[Finding]:
    """Name the classes that a reader cannot tell apart, or only by upper and lower case."""
    counts = np.sum(
        [np.bincount(split.rows.labels, minlength=len(names)) for split in splits.values()], axis=0
    )
    place = {name: index for index, name in enumerate(names)}
    for group in look_alikes(names):
        indices = [place[name] for name in group]
        # What is to be renamed are the rows of all but the most frequent of them.
        kept = max(indices, key=lambda index: (counts[index], -index))
        others = [index for index in indices if index != kept]
        told = [
            f"{shown} ({counts[index]:,} rows)"
            for shown, index in zip(told_apart(group), indices, strict=True)
        ]
        yield Finding(
            "look_alike_classes",
            len(group),
            rows_by_source(
                [(split, np.isin(split.rows.labels, others)) for split in splits.values()]
            ),
            f"the classes {', '.join(told[:-1])} and {told[-1]} differ in {difference(group)}"
            " alone",
        )


def _repeated_texts(pool: CheckedRows, cut: Sequence[SplitName]) -> Iterator[Finding]:
    """Count the rows that splits were cut from and whose text stands in another of them."""
    _, text, counts = np.unique(pool.texts, return_inverse=True, return_counts=True)
    repeated = counts[text] > 1
    rows = int(repeated.sum())
    if rows:
        different = int((counts > 1).sum())
        yield Finding(
            "repeated_texts",
            rows,
            rows_by_source([(pool, repeated)]),
            f"{rows:,} of {len(repeated):,} rows of {pool.source} have a text that occurs there"
            f" more than once ({different:,} different text{'' if different == 1 else 's'}):"
            f" {' and '.join(cut)}"
            f" {'is' if len(cut) == 1 else 'are'} cut so that equal texts stay on one side",
        )


def unlabelled_split(split: SplitName, source: str, rows: int, why: str) -> Finding:
    """Return the finding that a held-out split has no labels and is cut from train instead."""
    return Finding(
        "unlabelled_split",
        rows,
        {source: np.arange(1, rows + 1)},
        f"{source} has no labels ({why}) and is left out; {split} is cut from train",
    )
