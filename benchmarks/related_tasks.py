"""Pairs of related tasks that are cut from one data set, for ``warm_start.py``."""

from __future__ import annotations

import os
import random
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

HELD_OUT_ROWS = 300


@dataclass(frozen=True)
class Pair:
    """Two related tasks that are cut from one data set.

    Attributes:
        name: Name of the pair.
        data_set: Folder below ``XAUTOLM_DATA_DIR``.
        source: Labels of the first task; empty for all.
        target: Labels of the second task; empty for all.
        by_length: The first task has the shorter half of the texts, the second the longer one.
    """

    name: str
    data_set: str
    source: tuple[str, ...] = ()
    target: tuple[str, ...] = ()
    by_length: bool = False


PAIRS = (
    Pair("news", "ag_news", ("World", "Sports"), ("Business", "Sci/Tech")),
    Pair("emotion", "meld", ("neutral", "joy"), ("anger", "surprise")),
    Pair("sentiment", "sst2", by_length=True),
)


def synthetic(name: str, rows: int, seed: int) -> pd.DataFrame:
    """Return texts of four classes, of which each has some words of its own."""
    import pandas as pd

    generator = random.Random(f"{name}-{seed}")
    vocabulary = [f"{name}word{i}" for i in range(200)]
    texts, labels = [], []
    for i in range(rows):
        label = i % 4
        own = vocabulary[label * 10 : label * 10 + 10]
        words = [
            generator.choice(own if generator.random() < 0.25 else vocabulary)
            for _ in range(generator.randint(6, 24))
        ]
        texts.append(" ".join(words))
        labels.append(f"class{label}")
    return pd.DataFrame({"text": texts, "label": labels})


def read_split(pair: Pair, split: str) -> pd.DataFrame:
    """Return all rows of a split of the pair's data set."""
    import pandas as pd

    folder = os.environ.get("XAUTOLM_DATA_DIR")
    if folder:
        return pd.read_parquet(Path(folder) / pair.data_set / f"{split}.parquet")
    frame = synthetic(pair.name, 4_000, len(split))
    renamed = {f"class{i}": n for i, n in enumerate((*pair.source, *pair.target))}
    return frame.replace({"label": renamed})


def write_task(pair: Pair, role: str, rows: int, parent: Path) -> Path:
    """Write a folder with the three splits of one of the pair's tasks; return it."""
    folder = parent / f"{pair.name}-{role}"
    if folder.exists():
        return folder
    draft = folder.with_name(f".{folder.name}")
    draft.mkdir(parents=True, exist_ok=True)
    for split, size in (("train", rows), ("validation", HELD_OUT_ROWS), ("test", HELD_OUT_ROWS)):
        frame = read_split(pair, split)
        labels = pair.source if role == "source" else pair.target
        if labels:
            frame = frame[frame["label"].isin(labels)]
        if pair.by_length:
            words = frame["text"].str.count(" ")
            short = words <= words.median()
            frame = frame[short if role == "source" else ~short]
        frame = frame.drop_duplicates("text")
        sample = frame.sample(n=min(size, len(frame)), random_state=0)
        sample.to_parquet(draft / f"{split}.parquet")
    draft.rename(folder)
    return folder
