"""Each pipeline from end to end by kfp.local, on real text, against a real S3 server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from xautolm_core.experience.open import open_store
from xautolm_core.registry.registry import ModelRegistry

ROOT = Path(__file__).parents[2]
DATA = os.environ.get("XAUTOLM_DATA_DIR")

pytestmark = [
    pytest.mark.s3,
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not DATA, reason="XAUTOLM_DATA_DIR is not set"),
]


class Place:
    """A bucket with experiences, searches and models, and real text of 600 rows."""

    def __init__(self, server, bucket, folder, monkeypatch):
        self.bucket, self.folder = bucket, folder
        self.variables = server.environment()
        for name, value in self.variables.items():
            monkeypatch.setenv(name, value)
        self.store = f"s3://{bucket}/experiences"
        self.registry = f"s3://{bucket}/models"
        self.data = f"s3://{bucket}/data/sst2/train.csv"
        self._objects = server.objects(bucket, "data/sst2")
        self.put_data()

    def put_data(self, *, swapped: bool = False, seed: int = 0):
        import pandas as pd

        table = pd.read_parquet(Path(DATA) / "sst2" / "train.parquet")
        table = table.sample(600, random_state=seed)[["sentence", "label"]]
        if swapped:
            table["label"] = 1 - table["label"]
        self._objects.put("train.csv", table.to_csv(index=False).encode())

    def run(self, pipeline, *, limits=None, **parameters):
        file = self.folder / "parameters.json"
        launcher = {} if "rounds" in pipeline else {"launcher": "local"}
        limits = limits or {"trials": 2.0}
        file.write_text(
            json.dumps(
                {
                    "task": self.data,
                    "store": self.store,
                    "workspace": f"s3://{self.bucket}/searches",
                    "registry": self.registry,
                    "limits": limits,
                    **launcher,
                    **parameters,
                }
            )
        )
        out = self.folder / f"out-{len(list(self.folder.iterdir()))}"
        ended = subprocess.run(
            [sys.executable, "-m", "tests.pipelines.run_locally", pipeline, str(file), str(out)],
            cwd=ROOT,
            env={**os.environ, "XAUTOLM_ROUNDS": "2", "XAUTOLM_TRIALS_PER_ROUND": "2"},
            capture_output=True,
            text=True,
            check=False,
        )
        log = ended.stdout + ended.stderr
        secret = self.variables["XAUTOLM_S3_SECRET_KEY"]
        assert secret not in log
        assert ended.returncode == 0, log[-5000:]
        return next(out.iterdir()), log


@pytest.fixture
def place(ceph_server, ceph_bucket, tmp_path, monkeypatch):
    return Place(ceph_server, ceph_bucket, tmp_path, monkeypatch)


def predicts(place, tmp_path):
    """Fetch the model in use and let it answer."""
    registry = ModelRegistry.open(place.registry)
    champion = registry.champion("sst2")
    folder = tmp_path / "fetched"
    registry.fetch(champion, folder)
    text = "a warm and funny film"
    answer = subprocess.run(
        [sys.executable, "-m", "xautolm_core.cli", "predict", str(folder), "--text", text],
        capture_output=True,
        text=True,
        check=True,
    )
    return champion, answer.stdout


def test_a_search_registers_a_model_and_the_next_starts_from_it_and_a_retraining_watches(
    place, tmp_path
):
    out, _ = place.run("xautolm-search")
    kept = list(open_store(place.store).scan())
    assert sorted(e.trial_number for e in kept) == [0, 1]
    assert all(e.task_name == "sst2" for e in kept)
    champion, answer = predicts(place, tmp_path)
    assert "0" in answer or "1" in answer or "positive" in answer or "negative" in answer
    prior = json.loads((out / "warm-start" / "prior").read_text())
    assert prior["applied"] == 0
    assert (out / "report" / "page").read_text().lstrip().startswith("<!doctype html>")

    again, _ = place.run("xautolm-search", limits={"trials": 1.0})
    prior = json.loads((again / "warm-start" / "prior").read_text())
    assert prior["applied"] == 2
    assert prior["neighbours"][0][0] == "sst2"
    registry = ModelRegistry.open(place.registry)
    assert len(registry.versions("sst2")) == 2
    assert registry.champion("sst2").version == champion.version

    # The same data: nothing new to the model in use, so that there is no search.
    same, _ = place.run("xautolm-retrain")
    assert not (same / "search").exists()
    # The classes have turned round: a search, and another model in use.
    place.put_data(swapped=True, seed=1)
    drifted, _ = place.run("xautolm-retrain", limits={"trials": 2.0}, fresh_fraction=0.3)
    decision = json.loads((drifted / "compare-models" / "decision").read_text())
    assert decision["promoted"], decision
    assert registry.champion("sst2").version != champion.version


def test_rounds_come_to_a_registered_model_too(place, tmp_path):
    place.run("xautolm-search-rounds", limits={"trials": 3.0})
    kept = list(open_store(place.store).scan())
    assert sorted(e.trial_number for e in kept) == [0, 1, 2]
    predicts(place, tmp_path)
