"""One small search, made by the components themselves, that their tests look at."""

from __future__ import annotations

import csv
import json
import os
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from xautolm_components.evaluate.component import evaluate
from xautolm_components.extract_meta_features.component import extract_meta_features
from xautolm_components.fingerprint.component import fingerprint
from xautolm_components.register_model.component import register_model
from xautolm_components.search.component import search
from xautolm_components.warm_start.component import warm_start

os.environ["OMP_NUM_THREADS"] = "1"

WITH_CHEAP = """\
schema: 1
name: tiny
description: One untrained architecture, for tests.
models:
  tiny:
    - id: untrained/tiny-bert
      untrained:
        model_type: bert
        vocab_size: 300
        hidden_size: 32
        num_hidden_layers: 1
        num_attention_heads: 2
        intermediate_size: 64
        max_position_embeddings: 64
        type_vocab_size: 2
branches:
  tiny-full:
    method: full
    models: tiny
    parameters:
      batch_size: [8, 16]
      max_length: [32, 64]
      epochs: {low: 6, high: 9}
      learning_rate: [3e-3, 1e-2]
"""
SPACE = WITH_CHEAP.replace("models:\n", "cheap: false\nmodels:\n", 1)


@dataclass(frozen=True)
class Run:
    """What the components returned, step by step.

    Attributes:
        parameters: Those of the fingerprint step.
        folder: Where artifacts are.
        fingerprinted: What it returned.
        history: Digest of what the search learnt from.
        metadata: Of the registered model.
    """

    parameters: dict[str, Any]
    folder: Path
    fingerprinted: Any
    history: str
    metadata: dict[str, Any]

    def artifact(self, name: str) -> SimpleNamespace:
        """Return an artifact as a component takes it."""
        return artifact(self.folder / name)


def artifact(path: Path) -> SimpleNamespace:
    """Return a stand-in for an artifact: a path and metadata."""
    return SimpleNamespace(path=str(path), metadata={})


def write_data(path: Path, *, rows: int = 300, seed: int = 0, swapped: bool = False) -> Path:
    """Write a task that a tiny model can learn; ``swapped`` turns the classes round."""
    words = {"good": ["fine", "happy", "bright", "warm"], "bad": ["sad", "grim", "cold", "dull"]}
    generator = random.Random(seed)
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["text", "label"])
        for i in range(rows):
            label = "good" if i % 2 else "bad"
            text = [generator.choice(words[label]) for _ in range(4)]
            shown = {"good": "bad", "bad": "good"}[label] if swapped else label
            writer.writerow([" ".join([*text, f"number {seed} {i}"]), shown])
    return path


def parameters_for(data: Path, folder: Path, **changes: Any) -> dict[str, Any]:
    """Return parameters of the fingerprint step."""
    for name in ("store", "work", "models"):
        (folder / name).mkdir(exist_ok=True)
    return {
        "run_id": "run-1",
        "task": str(data),
        "space": SPACE,
        "store": (folder / "store").as_uri(),
        "workspace": (folder / "work").as_uri(),
        "registry": (folder / "models").as_uri(),
        "sampler": "guarded",
        "methods": "",
        "screening": True,
        "objectives": "f1,time",
        "limits": {"trials": 3.0},
        "prices": {},
        "trials_in_flight": 1,
        "trial_timeout_minutes": 0.0,
        "seed": 0,
        "tenant": "default",
        "launcher": "local",
        "trial_image": "",
        "gpu_count": 0,
        "gpu_resource": "",
        "node_selector": {},
        "tolerations": [],
        "queue": "",
        "trial_service_account": "",
        "s3_secret": "",
        "model_cache_claim": "",
        "cluster": "",
        **changes,
    }


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep histories out of the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XAUTOLM_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("HF_HUB_OFFLINE", "1")
        yield


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory, own_cache: None) -> Run:
    """A whole search, from parameters to a registered model."""
    folder = tmp_path_factory.mktemp("run")
    data = write_data(folder / "moods.csv")
    parameters = parameters_for(data, folder)
    checked = fingerprint.python_func(**parameters)
    features, result = artifact(folder / "features"), artifact(folder / "result")
    extract_meta_features.python_func(checked.measurement, checked.fingerprint, features)
    prior, view = artifact(folder / "prior"), artifact(folder / "view")
    history = warm_start.python_func(checked.request, features, prior, view)
    search.python_func(checked.request, features, history, result)
    test, model = artifact(folder / "test"), artifact(folder / "model")
    evaluate.python_func(checked.request, result, test)
    register_model.python_func(checked.request, result, test, parameters["registry"], model)
    return Run(parameters, folder, checked, history, model.metadata)


def read_json(path: str | Path) -> Any:
    """Return what a JSON file holds."""
    return json.loads(Path(path).read_bytes())
