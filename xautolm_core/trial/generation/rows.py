"""The tokens of prompts and answers: encoded once, memory-mapped by all trials."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from xautolm_core.trial.locking import make_folder_once
from xautolm_core.trial.tokenizer import TokenizerFolder
from xautolm_core.trial.tokens import Tokens

if TYPE_CHECKING:
    from xautolm_core.tasks.conversations import GenerationSplit
    from xautolm_core.trial.generation.rendering import Renderer

_CHUNK_ROWS = 1_024
_VERSION = 2
"""Changes where the same rows are to become other tokens."""


@dataclass(frozen=True)
class GenerationTokens:
    """The tokens of the rows of a split.

    Attributes:
        prompts: What comes before each answer, uncut.
        answers: The answer that is learnt, with the token that closes it.
        fixed: Tokens at the beginning of a prompt that stay when it is cut.
    """

    prompts: Tokens
    answers: Tokens
    fixed: int

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.prompts)

    def prompt(self, row: int, most: int) -> np.ndarray:
        """Return the tokens of a prompt, int64, of which the first are cut away beyond a length.

        Args:
            row: Number of the row.
            most: Tokens that may be kept, >= 1.
        """
        found = _row(self.prompts, row)
        if len(found) <= most:
            return found
        kept = min(self.fixed, max(most - 1, 0))
        return np.concatenate([found[:kept], found[len(found) - (most - kept) :]])

    def answer(self, row: int) -> np.ndarray:
        """Return the tokens of an answer, int64."""
        return _row(self.answers, row)


def _row(tokens: Tokens, row: int) -> np.ndarray:
    start, stop = tokens.offsets[row], tokens.offsets[row + 1]
    found: np.ndarray = tokens.ids[start:stop].astype(np.int64)
    return found


def open_generation_tokens(
    split: GenerationSplit,
    split_name: str,
    *,
    key: str,
    tokenizer: TokenizerFolder,
    renderer: Callable[[], Renderer],
    form: str,
    cache_folder: Path,
) -> GenerationTokens:
    """Return the tokens of a split, encoding it if that was not done before.

    Args:
        split: The split.
        split_name: Which one it is.
        key: Name of the prepared task's folder: it identifies rows, their order and the splits.
        tokenizer: The tokenizer.
        renderer: Makes the tokenizer's renderer.
        form: What else the tokens depend on: ``causal`` or ``seq2seq``.
        cache_folder: The trials' common cache.

    Raises:
        InvalidConfiguration: The model's chat template does not fit the conversations.
    """
    parent = cache_folder / "conversations" / f"{key}-{tokenizer.key}" / split_name
    folder = parent / f"{form}-{_VERSION}"

    def fill(target: Path) -> None:
        made = renderer()
        wide = tokenizer.traits.vocabulary > np.iinfo(np.uint16).max
        prompts: list[list[int]] = []
        answers: list[list[int]] = []
        for start in range(0, len(split), _CHUNK_ROWS):
            prompts += made.prompts(split.messages.slice(start, _CHUNK_ROWS).to_pylist())
            accepted = split.answers.slice(start, _CHUNK_ROWS).to_pylist()
            answers += made.answers([one[0] for one in accepted])
        for name, rows in (("prompts", prompts), ("answers", answers)):
            ids, offsets = _flat(rows, wide=wide)
            np.save(target / f"{name}.npy", ids)
            np.save(target / f"{name}-offsets.npy", offsets)
        np.save(target / "fixed.npy", np.array(made.fixed_tokens))

    parent.mkdir(parents=True, exist_ok=True)
    make_folder_once(folder, fill)
    prompts, answers = (_open(folder, name) for name in ("prompts", "answers"))
    return GenerationTokens(prompts, answers, int(np.load(folder / "fixed.npy")))


def flat_tokens(rows: Sequence[Sequence[int]]) -> Tokens:
    """Return rows of tokens one after the other."""
    ids, offsets = _flat(rows, wide=True)
    return Tokens(ids, offsets, None, "")


def _flat(rows: Sequence[Sequence[int]], *, wide: bool) -> tuple[np.ndarray, np.ndarray]:
    offsets = np.zeros(len(rows) + 1, dtype=np.int64)
    np.cumsum([len(row) for row in rows], out=offsets[1:])
    kind = np.int32 if wide else np.uint16
    ids = np.fromiter((i for row in rows for i in row), dtype=kind, count=int(offsets[-1]))
    return ids, offsets


def _open(folder: Path, name: str) -> Tokens:
    return Tokens(
        ids=np.load(folder / f"{name}.npy", mmap_mode="r"),
        offsets=np.load(folder / f"{name}-offsets.npy", mmap_mode="r"),
        types=None,
        key="-".join((*folder.parts[-3:], name)),
    )
