"""What the tests of the public API share: small data, and one search that was run for real."""

from __future__ import annotations

import random
from pathlib import Path

import pandas as pd
import pytest

import xautolm

WORDS = {"good": ("lovely", "fine", "warm", "quick"), "bad": ("broken", "slow", "cold", "late")}


def columns(rows: int = 160) -> dict[str, list[str]]:
    """Return texts that a word tells apart."""
    generator = random.Random(0)
    moods = [("good", "bad")[place % 2] for place in range(rows)]
    texts = [
        f"{' '.join(generator.choices(WORDS[mood], k=3))} number {place}"
        for place, mood in enumerate(moods)
    ]
    return {"review": texts, "mood": moods}


@pytest.fixture(scope="session")
def frame() -> pd.DataFrame:
    return pd.DataFrame({**columns(), "id": range(160)})


@pytest.fixture(scope="session")
def result(frame: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> xautolm.SearchResult:
    """A search for a cheap candidate, with the default launcher."""
    folder = tmp_path_factory.mktemp("api")
    return xautolm.search(
        frame,
        text="review",
        label="mood",
        name="moods",
        methods=["tfidf"],
        budget="5m",
        store=folder / "store",
        out=folder / "run",
        progress=False,
    )


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, with the store in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XAUTOLM_STORE", str(tmp_path / "store"))
    return tmp_path
