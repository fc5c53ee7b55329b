"""A bucket with experiences, searches and models, in which whole pipelines run locally."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from xautolm_core.registry.registry import ModelRegistry

ROOT = Path(__file__).parents[2]
DATA = os.environ.get("XAUTOLM_DATA_DIR")
needs_data = pytest.mark.skipif(not DATA, reason="XAUTOLM_DATA_DIR is not set")


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

    def put_data(self, *, swapped: bool = False, seed: int = 0, long_rows: int = 0):
        """Write 600 rows of real text: some of a thousand words, the labels maybe turned round."""
        import pandas as pd

        table = pd.read_parquet(Path(DATA) / "sst2" / "train.parquet")
        table = table.sample(600, random_state=seed)[["text", "label"]].reset_index(drop=True)
        much = " ".join(table["text"].head(60))
        table.loc[: long_rows - 1, "text"] = [f"{n} {much}" for n in range(long_rows)]
        if swapped:
            turned = {"positive": "negative", "negative": "positive"}
            table["label"] = table["label"].map(turned)
        self._objects.put("train.csv", table.to_csv(index=False).encode())

    def run(self, pipeline, *, limits=None, variables=None, **parameters):
        """Run a pipeline; return the folder of its steps' outputs, and its log."""
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
        out.mkdir()
        out.chmod(0o777)  # containers write there as somebody else
        ended = subprocess.run(
            [sys.executable, "-m", "tests.pipelines.run_locally", pipeline, str(file), str(out)],
            cwd=ROOT,
            env={
                **os.environ,
                "XAUTOLM_ROUNDS": "2",
                "XAUTOLM_TRIALS_PER_ROUND": "2",
                **(variables or {}),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        log = ended.stdout + ended.stderr
        secret = self.variables["XAUTOLM_S3_SECRET_KEY"]
        assert secret not in log
        assert ended.returncode == 0, log[-5000:]
        return next(out.iterdir()), log


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
