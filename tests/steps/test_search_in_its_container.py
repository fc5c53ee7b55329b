"""The search step whose trials run in its own container, repeated on an empty disk."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.steps.searching import ClusterSearch
from xautolm_components.conftest import parameters_for
from xautolm_components.conftest import write_data
from xautolm_core.experience.open import open_store
from xautolm_core.objects.open import open_objects
from xautolm_core.search.result_file import read_result
from xautolm_core.steps.request import read_request

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
TRIALS = 3


def ended(search: ClusterSearch) -> list[str]:
    """Return the attempts whose result a repeated step would find."""
    request = read_request((search.folder / "request.json").read_text())
    keys = [info.key for info in open_objects(request.exchange_address).list("run/trials/")]
    return sorted(key.split("/")[2] for key in keys if key.endswith("/result.json"))


def test_the_chosen_model_is_there_whichever_process_trained_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XAUTOLM_CACHE", str(tmp_path / "cache"))
    parameters = parameters_for(
        write_data(tmp_path / "moods.csv"), tmp_path, limits={"trials": float(TRIALS)}
    )
    search = ClusterSearch(parameters, tmp_path)
    search.begin()
    killed = search.controller("killed")
    search.wait_until(lambda: len(ended(search)) >= 1, "no trial has ended")
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()

    # The second goes on; the third, as after outputs that did not get through, has nothing to do.
    for name in ("second", "third"):
        assert search.controller(name).wait(300) == 0, search.log(name)
    second, third = read_result(tmp_path / "second"), read_result(tmp_path / "third")
    assert [t.number for t in third.trials] == list(range(TRIALS))
    assert second.best is not None and third.best is not None
    assert third.best == second.best
    weights = [
        (tmp_path / name / "model" / "model.safetensors").read_bytes()
        for name in ("second", "third")
    ]
    assert weights[0] == weights[1]
    kept = [(e.trial_number, e.attempt) for e in open_store(parameters["store"]).scan()]
    assert len(kept) == len(set(kept)) >= TRIALS
