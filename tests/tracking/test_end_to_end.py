"""The command line with a real server: nothing of a text is sent, and the model answers there."""

from __future__ import annotations

import csv
import random
from pathlib import Path

import pytest

import xautolm
from tests.cli.running import run_process
from tests.servers.proxy import FaultyProxy
from tests.tracking.mlflow_server import MlflowProcess

pytest.importorskip("mlflow")
pytestmark = [pytest.mark.mlflow, pytest.mark.slow, pytest.mark.timeout(900)]

MARKER = "Zanzibarquux"
WORDS = {"good": ["fine", "happy", "bright", "warm"], "bad": ["sad", "grim", "cold", "dull"]}


def write_reviews(path: Path) -> None:
    """Write texts that a word tells apart, with a marker in all of them."""
    generator = random.Random(0)
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["text", "label"])
        for i in range(160):
            label = "good" if i % 2 else "bad"
            words = generator.choices(WORDS[label], k=4)
            writer.writerow([" ".join([MARKER, *words, f"number {i}"]), label])


def test_no_text_is_sent_and_the_registered_model_answers(
    mlflow_process: MlflowProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow.pyfunc
    import pandas as pd
    from mlflow import MlflowClient

    write_reviews(tmp_path / "reviews.csv")
    with FaultyProxy(mlflow_process.uri, keeps_bodies=True) as proxy:
        ended = run_process(
            *("search", "reviews.csv", "--methods", "tfidf", "--budget", "5m", "--out", "run"),
            *("--mlflow", proxy.endpoint),
            folder=tmp_path,
            timeout_seconds=600,
        )
        assert ended.code == 0, ended.err
        bodies = list(proxy.bodies)
        requests = list(proxy.requests)
    assert "its model is version 1 of 'reviews'" in ended.out + ended.err
    sent = b"\n".join(bodies)
    assert b"tfidf" in sent and b"report" in str(requests).encode()
    stem = MARKER.lower()[:6].encode()
    assert stem not in sent.lower()
    assert stem.decode() not in str(requests).lower()
    # It is in what stays here.
    assert stem in (tmp_path / "run" / "model" / "vocabulary.json").read_bytes()

    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_process.uri)
    mlflow.set_tracking_uri(mlflow_process.uri)
    version = MlflowClient(mlflow_process.uri).get_model_version("reviews", "1")
    assert "macro F1" in (version.description or "")
    assert version.tags["xautolm.method"] == "tfidf"
    texts = ["warm and bright", "grim and dull", MARKER, ""]
    model = mlflow.pyfunc.load_model("models:/reviews/1")
    found = model.predict(pd.DataFrame({"text": texts}))
    assert list(found["label"]) == xautolm.predict(tmp_path / "run", texts)
    expected = xautolm.load_model(tmp_path / "run").predict_proba(texts)
    assert [row["good"] for row in found["probabilities"]] == pytest.approx(
        expected[:, 1], abs=1e-4
    )

    again = run_process("mlflow", "sync", "run", folder=tmp_path, timeout_seconds=300)
    assert again.code != 0  # the proxy that the run knows has gone
    assert "does not answer" in again.err
    again = run_process(
        *("mlflow", "sync", "run", "--mlflow", mlflow_process.uri),
        folder=tmp_path,
        timeout_seconds=300,
    )
    assert again.code == 0, again.err
    versions = MlflowClient(mlflow_process.uri).search_model_versions("name = 'reviews'")
    assert [one.version for one in versions] in (["1"], [1])


def test_a_server_that_is_away_is_one_note(tmp_path: Path) -> None:
    write_reviews(tmp_path / "reviews.csv")
    ended = run_process(
        *("search", "reviews.csv", "--methods", "tfidf", "--budget", "5m", "--out", "run"),
        *("--mlflow", "http://127.0.0.1:9"),
        folder=tmp_path,
        timeout_seconds=600,
    )
    assert ended.code == 0, ended.err
    assert (ended.out + ended.err).count("does not answer") == 1
    assert (tmp_path / "run" / "model").is_dir()
