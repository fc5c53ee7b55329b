"""Question and passage as windows of tokens: encoded once, memory-mapped by all trials.

A window is the question and a piece of the passage; pieces overlap, so that an answer that one of
them cuts stands whole in another (J. Devlin et al., "BERT", arXiv 1810.04805, section 4.2).
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from xautolm_core.tasks.questions import NOT_FOUND
from xautolm_core.tasks.questions import QuestionSplit
from xautolm_core.trial.encoding import TOKENIZER_FILE
from xautolm_core.trial.encoding import TokenizerTraits
from xautolm_core.trial.locking import make_folder_once
from xautolm_core.trial.tokenizer import TokenizerFolder
from xautolm_core.trial.tokens import Tokens

OVERLAP_SHARE = 4
"""Pieces of a passage overlap by a window's tokens divided by this."""

QUESTION_SHARE = 2
"""A question keeps a window's tokens divided by this at most; the rest of it is cut away."""

UNTRAINED = -1
"""In ``Windows.gold``: the accepted answers stand nowhere in the passage, so nothing is learnt."""

# Part of the cache's key: to be raised with any change of what a window is.
_VERSION = 1
_CHUNK_ROWS = 512
_TYPES = "types"


@dataclass(frozen=True)
class Windows:
    """The windows of a split's questions, one question after the other.

    Attributes:
        tokens: Their tokens; a row is a window.
        firsts: First window of each question and, last, the number of windows; int64,
            questions + 1.
        pieces: Where the passage's tokens begin in each window, and the place after their end;
            int32, (windows, 2).
        nulls: Place of the token that stands for "not here" in each window; int32.
        characters: Where each token begins and ends in its passage, in characters, beside
            ``tokens.ids``; int32, (tokens, 2), 0 for those of the question.
        gold: First and last token of the answer in each window; twice the place of ``nulls`` where
            it is not here; twice ``UNTRAINED`` where it is nowhere. int32, (windows, 2).
    """

    tokens: Tokens
    firsts: np.ndarray
    pieces: np.ndarray
    nulls: np.ndarray
    characters: np.ndarray
    gold: np.ndarray

    def __len__(self) -> int:
        """Return the number of windows."""
        return len(self.nulls)

    def of_questions(self, questions: np.ndarray) -> np.ndarray:
        """Return the windows of some questions, in their order, int64."""
        starts = self.firsts[questions]
        counts = self.firsts[questions + 1] - starts
        before = np.concatenate(([0], np.cumsum(counts)[:-1])).astype(np.int64)
        return np.repeat(starts - before, counts) + np.arange(counts.sum())

    @property
    def has_answer(self) -> np.ndarray:
        """Whether the answer stands in each window, bool."""
        return (self.gold[:, 0] != UNTRAINED) & (self.gold[:, 0] != self.nulls)


class WindowEncoder:
    """Encodes questions and passages with the tokenizer of a folder.

    Special tokens that stand literally in a text are encoded as ordinary text.

    Args:
        folder: Folder with ``tokenizer.json``.
        traits: The tokenizer's.
        max_length: Tokens of a window, special tokens included.
    """

    def __init__(self, folder: Path, traits: TokenizerTraits, max_length: int) -> None:
        from tokenizers import Tokenizer

        self._tokenizer: Any = Tokenizer.from_file(str(folder / TOKENIZER_FILE))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._tokenizer.encode_special_tokens = True
        room = max_length - int(self._tokenizer.num_special_tokens_to_add(True))
        self._question_tokens = max(room // QUESTION_SHARE, 1)
        self._max_length = max_length
        self._overlap = max(min(max_length // OVERLAP_SHARE, room - self._question_tokens - 1), 0)
        ids = traits.special_ids
        self._null_token = ids.get("cls", ids.get("bos"))
        self._uses_types = traits.uses_types
        self._wide = traits.vocabulary > np.iinfo(np.uint16).max

    def encode(
        self, questions: Sequence[str], contexts: Sequence[str], golds: Sequence[Gold]
    ) -> Windows:
        """Return the windows of some questions.

        Args:
            questions: The questions.
            contexts: The passage of each.
            golds: What there is to learn of each.
        """
        builder = _Builder(self._null_token, self._uses_types, self._wide)
        for start in range(0, len(questions), _CHUNK_ROWS):
            part = slice(start, start + _CHUNK_ROWS)
            kept = self._shorten(questions[part])
            pairs = list(zip(kept, contexts[part], strict=True))
            self._tokenizer.enable_truncation(
                self._max_length, stride=self._overlap, strategy="only_second"
            )
            encodings = self._tokenizer.encode_batch(pairs)
            self._tokenizer.no_truncation()
            for encoding, context, gold in zip(encodings, contexts[part], golds[part], strict=True):
                builder.add([encoding, *encoding.overflowing], context, gold)
        return builder.build()

    def _shorten(self, questions: Sequence[str]) -> list[str]:
        """Return questions of no more tokens than they may keep; their ends are cut away."""
        found = list(questions)
        encodings = self._tokenizer.encode_batch(found, add_special_tokens=False)
        for i, encoding in enumerate(encodings):
            keep = self._question_tokens
            # The end of a cut word may have more tokens than the word had, and so may a character.
            while len(encoding.ids) > self._question_tokens:
                found[i] = found[i][: encoding.offsets[keep - 1][1]] if keep else ""
                encoding = self._tokenizer.encode(found[i], add_special_tokens=False)  # noqa: PLW2901
                keep -= 1
        return found


@dataclass(frozen=True)
class Gold:
    """What there is to learn of a question.

    Attributes:
        start: First character of the answer in its passage; ``NOT_FOUND`` where it has none there.
        end: The character after its last one.
        is_unanswerable: Whether the passage does not answer the question.
    """

    start: int = NOT_FOUND
    end: int = NOT_FOUND
    is_unanswerable: bool = False


def gold_of(answers: Sequence[str], starts: Sequence[int]) -> Gold:
    """Return what there is to learn of a row: its first accepted answer that the passage holds."""
    if not answers:
        return Gold(is_unanswerable=True)
    for answer, start in zip(answers, starts, strict=True):
        bare = answer.strip()
        if start != NOT_FOUND and bare:
            first = start + len(answer) - len(answer.lstrip())
            return Gold(first, first + len(bare))
    return Gold()


class _Builder:
    """Collects the windows of one question after the other."""

    def __init__(self, null_token: int | None, uses_types: bool, wide: bool) -> None:
        self._null_token = null_token
        self._uses_types = uses_types
        self._kind = np.int32 if wide else np.uint16
        self._ids: list[np.ndarray] = []
        self._type_ids: list[np.ndarray] = []
        self._characters: list[np.ndarray] = []
        self._pieces: list[tuple[int, int]] = []
        self._nulls: list[int] = []
        self._gold: list[tuple[int, int]] = []
        self._windows: list[int] = []

    def add(self, encodings: Sequence[Any], context: str, gold: Gold) -> None:
        """Add the windows of a question.

        Args:
            encodings: One ``tokenizers.Encoding`` a window.
            context: The passage.
            gold: What there is to learn.
        """
        self._windows.append(len(encodings))
        last = len(encodings) - 1
        for i, encoding in enumerate(encodings):
            ids: list[int] = encoding.ids
            null = ids.index(self._null_token) if self._null_token in ids else 0
            inside = np.asarray([part == 1 for part in encoding.sequence_ids], dtype=bool)
            places = np.flatnonzero(inside)
            first, stop = (int(places[0]), int(places[-1]) + 1) if len(places) else (0, 0)
            offsets = np.asarray(encoding.offsets, dtype=np.int32).reshape(-1, 2)
            offsets[~inside] = 0
            _attach(offsets[first:stop], context, begins=i == 0, ends=i == last)
            self._ids.append(np.asarray(ids, dtype=self._kind))
            if self._uses_types:
                self._type_ids.append(np.asarray(encoding.type_ids, dtype=np.uint8))
            self._characters.append(offsets)
            self._pieces.append((first, stop))
            self._nulls.append(null)
            # What the tokenizer leaves out at either end belongs to the outer windows.
            begins = 0 if i == 0 else int(offsets[first, 0])
            ends = len(context) if i == last else int(offsets[stop - 1, 1])
            if gold.is_unanswerable:
                self._gold.append((null, null))
            elif gold.start == NOT_FOUND:
                self._gold.append((UNTRAINED, UNTRAINED))
            elif gold.start < begins or gold.end > ends:
                self._gold.append((null, null))
            else:
                self._gold.append(_covering(offsets, first, stop, gold))

    def build(self) -> Windows:
        """Return what was collected."""
        lengths = [len(ids) for ids in self._ids]
        offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
        np.cumsum(lengths, out=offsets[1:])
        firsts = np.zeros(len(self._windows) + 1, dtype=np.int64)
        np.cumsum(self._windows, out=firsts[1:])
        types = np.concatenate(self._type_ids) if self._type_ids else None
        if types is not None and not types.any():
            types = None
        return Windows(
            tokens=Tokens(
                ids=np.concatenate(self._ids) if self._ids else np.zeros(0, dtype=self._kind),
                offsets=offsets,
                types=types,
                key="",
            ),
            firsts=firsts,
            pieces=np.asarray(self._pieces, dtype=np.int32).reshape(-1, 2),
            nulls=np.asarray(self._nulls, dtype=np.int32),
            characters=np.concatenate([np.zeros((0, 2), dtype=np.int32), *self._characters]),
            gold=np.asarray(self._gold, dtype=np.int32).reshape(-1, 2),
        )


def _attach(offsets: np.ndarray, context: str, *, begins: bool, ends: bool) -> None:
    """Let characters that a tokenizer drops belong to the tokens of their word, in place.

    Accents of their own and invisible characters may have no token, and an answer may end in one.

    Args:
        offsets: Where the tokens of a piece begin and end in the passage.
        context: The passage.
        begins: Whether the piece is the passage's first.
        ends: Whether it is its last.
    """
    if not len(offsets):
        return
    before = np.concatenate(([0 if begins else offsets[0, 0]], offsets[:-1, 1]))
    for i in np.flatnonzero(offsets[:, 0] > before):
        low, high = int(before[i]), int(offsets[i, 0])
        gap = context[low:high]
        if gap.isspace():
            continue
        if i > 0 and not gap[0].isspace():
            offsets[i - 1, 1] = low + next((k for k, c in enumerate(gap) if c.isspace()), len(gap))
        if not gap[-1].isspace() and (i == 0 or any(map(str.isspace, gap))):
            offsets[i, 0] = high - next(k for k, c in enumerate((*gap[::-1], " ")) if c.isspace())
    if ends:
        rest = context[offsets[-1, 1] :]
        offsets[-1, 1] += next((k for k, c in enumerate(rest) if c.isspace()), len(rest))


def _covering(offsets: np.ndarray, first: int, stop: int, gold: Gold) -> tuple[int, int]:
    """Return the first and the last token of a window that hold a part of the answer."""
    touches = (offsets[first:stop, 1] > gold.start) & (offsets[first:stop, 0] < gold.end)
    places = np.flatnonzero(touches)
    if not len(places):
        return UNTRAINED, UNTRAINED
    return first + int(places[0]), first + int(places[-1])


def open_windows(
    split: QuestionSplit,
    split_name: str,
    *,
    key: str,
    tokenizer: TokenizerFolder,
    max_length: int,
    cache_folder: Path,
) -> Windows:
    """Return the windows of a split, encoding it if that was not done before.

    Trials that want the same windows at once wait for the first of them.

    Args:
        split: The split.
        split_name: Which one it is.
        key: Name of the prepared task's folder: it identifies rows, their order and the splits.
        tokenizer: The tokenizer.
        max_length: Tokens of a window.
        cache_folder: The trials' common cache.
    """
    parent = cache_folder / "windows" / f"{key}-{tokenizer.key}" / split_name
    folder = parent / f"{max_length}-{_VERSION}"

    def fill(target: Path) -> None:
        encoder = WindowEncoder(tokenizer.path, tokenizer.traits, max_length)
        golds = [gold_of(answers, starts) for answers, starts in _answers(split)]
        windows = encoder.encode(split.questions.to_pylist(), split.contexts.to_pylist(), golds)
        for name, array in _arrays(windows).items():
            np.save(target / f"{name}.npy", array)

    parent.mkdir(parents=True, exist_ok=True)
    make_folder_once(folder, fill)
    return _open(folder)


def _answers(split: QuestionSplit) -> Iterator[tuple[list[str], list[int]]]:
    return zip(split.answers.to_pylist(), split.starts.to_pylist(), strict=True)


def _arrays(windows: Windows) -> dict[str, np.ndarray]:
    tokens = windows.tokens
    arrays = {
        "ids": tokens.ids,
        "offsets": tokens.offsets,
        "firsts": windows.firsts,
        "pieces": windows.pieces,
        "nulls": windows.nulls,
        "characters": windows.characters,
        "gold": windows.gold,
    }
    return arrays if tokens.types is None else {**arrays, _TYPES: tokens.types}


def _open(folder: Path) -> Windows:
    found = {path.stem: np.load(path, mmap_mode="r") for path in folder.glob("*.npy")}
    tokens = Tokens(
        ids=found.pop("ids"),
        offsets=found.pop("offsets"),
        types=found.pop(_TYPES, None),
        key="-".join(folder.parts[-3:]),
    )
    return Windows(tokens, **found)
