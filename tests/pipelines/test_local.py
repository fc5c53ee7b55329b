"""A search and a retraining from end to end by kfp.local, on real text, against a real S3 server.

The pipeline of rounds runs in containers (``test_docker.py``).
"""

from __future__ import annotations

import json

import pytest

from tests.pipelines.place import Place
from tests.pipelines.place import needs_data
from tests.pipelines.place import predicts
from xautolm_core.experience.open import open_store
from xautolm_core.records.methods import is_cheap
from xautolm_core.registry.registry import ModelRegistry
from xautolm_core.space.screening import is_screening

pytestmark = [pytest.mark.s3, pytest.mark.slow, pytest.mark.timeout(2400), needs_data]


@pytest.fixture
def place(ceph_server, ceph_bucket, tmp_path, monkeypatch):
    return Place(ceph_server, ceph_bucket, tmp_path, monkeypatch)


def test_a_search_registers_a_model_and_the_next_starts_from_it_and_a_retraining_watches(
    place, tmp_path
):
    out, _ = place.run("xautolm-search")
    kept = list(open_store(place.store).scan())
    # Three cheap candidates, screenings of the models, and the two trials that were asked for.
    tried = [e.configuration for e in sorted(kept, key=lambda e: e.trial_number)]
    assert [one.method for one in tried][:3] == ["tfidf", "linear_probe", "linear_probe_tfidf"]
    # A screening that is forecast to take long on a slow machine is left out.
    trained = [one for one in tried if not is_cheap(one.method)]
    assert len(trained) == 2, tried
    assert all(is_screening(one) for one in tried[3:] if one not in trained), tried
    assert sorted(e.trial_number for e in kept) == list(range(len(tried)))
    assert all(e.task_name == "sst2" for e in kept)
    champion, answer = predicts(place, tmp_path)
    assert "positive" in answer or "negative" in answer
    prior = json.loads((out / "warm-start" / "prior").read_text())
    assert prior["applied"] == 0
    assert (out / "report" / "page").read_text().startswith("<!DOCTYPE html>")

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
