"""Fixtures of the search's tests: a task of a hundred rows, and a space that needs no weights."""

from __future__ import annotations

import csv
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from xautolm_core.search.contract import SearchSpec
from xautolm_core.tasks.source import read_task_spec

SPACE = """\
schema: 1
name: tiny
description: One untrained architecture, for tests.
cheap: false
models:
  tiny:
    - id: untrained/tiny-bert
      untrained:
        model_type: bert
        vocab_size: 300
        hidden_size: 16
        num_hidden_layers: 1
        num_attention_heads: 2
        intermediate_size: 32
        max_position_embeddings: 64
        type_vocab_size: 2
branches:
  tiny-full:
    method: full
    models: tiny
    parameters:
      batch_size: [8, 16, 32, 64]
      max_length: [32, 64]
      epochs: {low: 1, high: 4}
      learning_rate: [1e-4, 1e-3, 1e-2]
  tiny-head:
    method: head
    models: tiny
    parameters:
      batch_size: [8, 16, 32, 64]
      max_length: [32, 64]
      epochs: {low: 1, high: 4}
      learning_rate: [1e-4, 1e-3, 1e-2]
"""


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep histories out of the user's cache, here and in the processes that tests start."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XAUTOLM_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def data_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "moods.csv"
    words = {"good": ["fine", "happy", "bright", "warm"], "bad": ["sad", "grim", "cold", "dull"]}
    generator = random.Random(0)
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["text", "label"])
        for i in range(120):
            label = "good" if i % 2 else "bad"
            text = [generator.choice(words[label]) for _ in range(4)]
            writer.writerow([" ".join([*text, f"number {i}"]), label])
    return path


@pytest.fixture(scope="session")
def space_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("space") / "tiny.yaml"
    path.write_text(SPACE)
    return path


@pytest.fixture
def make_spec(data_file: Path, space_file: Path, tmp_path: Path):
    def make(**changes) -> SearchSpec:
        fields = {
            "search_id": "search-1",
            "task": read_task_spec(str(data_file)),
            "space": str(space_file),
            "sampler": "zero_shot",
            "max_trials": 6,
            "store": str(tmp_path / "store"),
            "offline": True,
        }
        return SearchSpec(**{**fields, **changes})

    return make
