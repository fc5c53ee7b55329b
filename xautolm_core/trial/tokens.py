"""The tokens of a split: encoded once, memory-mapped by all trials."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from xautolm_core.tasks.task import Split
from xautolm_core.tasks.task import SplitName
from xautolm_core.tasks.task import Task
from xautolm_core.trial.encoding import Encoder
from xautolm_core.trial.locking import file_lock
from xautolm_core.trial.locking import make_folder_once
from xautolm_core.trial.tokenizer import TokenizerFolder

_CHUNK_ROWS = 2_048
_META_FILE = "meta.json"


@dataclass(frozen=True)
class Tokens:
    """The tokens of the rows of a split, one after the other.

    Attributes:
        ids: Token ids, flat; uint16 where the vocabulary allows it, else int32.
        offsets: Start of each row in ``ids`` and, last, the end; int64, rows + 1. A row that was
            not asked for is empty.
        types: Segment ids beside ``ids`` (uint8), or None where all are zero.
        key: Identifies task, split, tokenizer and length.
    """

    ids: np.ndarray
    offsets: np.ndarray
    types: np.ndarray | None
    key: str

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.offsets) - 1

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each row, int64."""
        return np.diff(self.offsets)


def open_tokens(
    task: Task,
    split_name: SplitName,
    *,
    key: str,
    tokenizer: TokenizerFolder,
    max_length: int,
    cache_folder: Path,
    rows: np.ndarray | None = None,
) -> Tokens:
    """Return the tokens of a split, encoding it if that was not done before.

    Trials that want the same tokens at once wait for the first of them. Tokens of a shorter limit
    serve a longer one too where no row was cut.

    Args:
        task: The task.
        split_name: Which split.
        key: Name of the prepared task's folder: it identifies rows, their order and the splits.
        tokenizer: The tokenizer.
        max_length: Longest row in tokens.
        cache_folder: The trials' common cache.
        rows: Ascending numbers of the rows that are needed; all if None. Where all are there they
            are taken, else these alone are encoded.
    """
    parent = cache_folder / "tokens" / f"{key}-{tokenizer.key}" / split_name
    folder = parent / str(max_length)
    if folder.is_dir():
        return _open(folder)
    with file_lock(parent / "encoding.lock"):
        found = _uncut(parent, max_length)
        if found is None:
            split = task.splits[split_name]
            if rows is not None and len(rows) < len(split):
                folder = parent / f"{max_length}-{_digest(rows)}"
            encoder = Encoder(tokenizer.path, max_length)
            uses_types = tokenizer.traits.uses_types
            wide = tokenizer.traits.vocabulary > np.iinfo(np.uint16).max

            def fill(target: Path) -> None:
                encoded = _encode(split, encoder, rows, uses_types=uses_types, wide=wide)
                _write(target, *encoded, max_length)

            make_folder_once(folder, fill)
            found = folder
    return _open(found)


def _uncut(parent: Path, max_length: int) -> Path | None:
    """Return a folder whose tokens are those of this limit: the same limit, or no row cut."""
    for folder in sorted(parent.iterdir()):
        if not folder.name.isdigit():
            continue
        meta = json.loads((folder / _META_FILE).read_bytes())
        if int(folder.name) == max_length or (
            meta["longest"] < int(folder.name) and meta["longest"] <= max_length
        ):
            return folder
    return None


def _open(folder: Path) -> Tokens:
    types = folder / "types.npy"
    return Tokens(
        ids=np.load(folder / "ids.npy", mmap_mode="r"),
        offsets=np.load(folder / "offsets.npy", mmap_mode="r"),
        types=np.load(types, mmap_mode="r") if types.is_file() else None,
        key="-".join(folder.parts[-3:]),
    )


def encode_rows(
    split: Split, encoder: Encoder, *, uses_types: bool, wide: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Encode all rows of a split; return flat ids, offsets and segment ids (or None)."""
    kind = np.int32 if wide else np.uint16
    ids: list[np.ndarray] = []
    types: list[np.ndarray] = []
    lengths: list[int] = []
    for start in range(0, len(split), _CHUNK_ROWS):
        texts = split.texts.slice(start, _CHUNK_ROWS).to_pylist()
        pairs = split.text_pairs
        second = None if pairs is None else pairs.slice(start, _CHUNK_ROWS).to_pylist()
        for encoding in encoder.encode(texts, second):
            row: list[int] = encoding.ids
            lengths.append(len(row))
            ids.append(np.asarray(row, dtype=kind))
            if uses_types:
                types.append(np.asarray(encoding.type_ids, dtype=np.uint8))
    offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    flat_types = np.concatenate(types) if types else None
    if flat_types is not None and not flat_types.any():
        flat_types = None
    return (np.concatenate(ids) if ids else np.zeros(0, dtype=kind)), offsets, flat_types


def _encode(
    split: Split,
    encoder: Encoder,
    rows: np.ndarray | None,
    *,
    uses_types: bool,
    wide: bool,
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Encode some rows of a split, the others left empty; return as ``encode_rows`` does."""
    if rows is None or len(rows) == len(split):
        return encode_rows(split, encoder, uses_types=uses_types, wide=wide)
    import pyarrow as pa

    chosen, pairs = pa.array(rows), split.text_pairs
    part = Split(
        texts=split.texts.take(chosen),
        text_pairs=None if pairs is None else pairs.take(chosen),
        labels=split.labels[rows],
    )
    ids, offsets, types = encode_rows(part, encoder, uses_types=uses_types, wide=wide)
    ends = np.zeros(len(split) + 1, dtype=np.int64)
    ends[rows + 1] = np.diff(offsets)
    return ids, np.cumsum(ends), types


def _digest(rows: np.ndarray) -> str:
    return hashlib.sha256(rows.astype(np.int64).tobytes()).hexdigest()[:12]


def _write(
    folder: Path,
    ids: np.ndarray,
    offsets: np.ndarray,
    types: np.ndarray | None,
    max_length: int,
) -> None:
    np.save(folder / "ids.npy", ids)
    np.save(folder / "offsets.npy", offsets)
    if types is not None:
        np.save(folder / "types.npy", types)
    longest = int(np.diff(offsets).max()) if len(offsets) > 1 else 0
    meta: dict[str, Any] = {"rows": len(offsets) - 1, "longest": longest, "limit": max_length}
    (folder / _META_FILE).write_text(json.dumps(meta), encoding="utf-8")
