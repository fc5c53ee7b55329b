from __future__ import annotations

from datetime import UTC
from datetime import datetime

import pytest

from tests.search.explaining import explain_draws
from tests.search.explaining import explanation
from tests.search.instant import Silent
from tests.search.instant import analytic_result
from tests.search.instant import write_model
from xautolm_core.experience.open import open_store
from xautolm_core.launch.exchange import TrialExchange
from xautolm_core.launch.rounds import RoundLauncher
from xautolm_core.objects.bundle import files_below
from xautolm_core.objects.bundle import send_bundle
from xautolm_core.objects.open import open_objects
from xautolm_core.records.outcome import Outcome
from xautolm_core.search.result_file import read_result
from xautolm_core.search.result_file import write_result
from xautolm_core.search.rounds import propose_round
from xautolm_core.search.rounds import record_round
from xautolm_core.trial.remote_contract import RemoteResult
from xautolm_core.trial.remote_contract import attempt_prefix
from xautolm_core.trial.remote_contract import result_key


class Pipeline:
    """Every step has a disk of its own: what is not in the exchange is lost between them."""

    def __init__(self, spec, folder):
        self.spec, self.folder = spec, folder
        self.uri = (folder / "bucket").as_uri()
        self.steps = 0

    def _disk(self):
        self.steps += 1
        return self.folder / f"disk-{self.steps}" / "run"

    def propose(self, size):
        exchange, out = TrialExchange.open(self.uri), self._disk()
        resume = exchange.restore(out)
        launcher = RoundLauncher(exchange, round_is_over=False)
        found = propose_round(
            self.spec, out, launcher=launcher, observer=Silent(), size=size, resume=resume
        )
        exchange.mirror(out).sync()
        return found

    def run(self, trial):
        """What a trial's machine does, without training."""
        result = analytic_result(trial)
        moved = trial.model_copy(update={"out_folder": self._disk() / "trial"})
        write_model(moved, result)
        storage, bundle = open_objects(self.uri), None
        if result.model_folder:
            model = moved.out_folder / result.model_folder
            prefix = f"{attempt_prefix(trial)}/model"
            bundle = send_bundle(storage, prefix, model, files_below(model))
        told = RemoteResult(**result.model_dump(), model_bundle=bundle)
        storage.put(result_key(trial), told.model_dump_json().encode())

    def record(self):
        exchange, out = TrialExchange.open(self.uri), self._disk()
        assert exchange.restore(out)
        launcher = RoundLauncher(exchange, round_is_over=True)
        result = record_round(self.spec, out, launcher=launcher, observer=Silent())
        exchange.mirror(out).sync()
        return result


@pytest.fixture
def pipeline(make_spec, tmp_path):
    (tmp_path / "bucket").mkdir()
    return Pipeline(make_spec(max_trials=6, created_at=datetime.now(UTC)), tmp_path)


def test_rounds_come_to_the_same_as_one_search(pipeline):
    sizes = []
    while True:
        proposed = pipeline.propose(4)
        if not proposed.specs:
            break
        sizes.append(len(proposed.specs))
        for trial in proposed.specs:
            pipeline.run(trial)
        result = pipeline.record()
    assert sizes == [4, 2]
    assert proposed.stopped_by == result.stopped_by == "trials"
    assert [t.number for t in result.trials] == list(range(6))
    assert result.best is not None
    assert (result.out_folder / "model").is_dir()
    kept = list(open_store(pipeline.spec.store).scan())
    assert sorted(e.trial_number for e in kept) == list(range(6))


def test_a_trial_that_told_nothing_is_run_again_in_the_next_round(pipeline):
    first = pipeline.propose(3).specs
    for trial in first[:2]:
        pipeline.run(trial)
    result = pipeline.record()
    assert [t.number for t in result.trials] == [0, 1]
    second = pipeline.propose(3).specs
    assert [(t.trial_number, t.attempt) for t in second] == [(2, 1), (3, 0), (4, 0)]
    for trial in second:
        pipeline.run(trial)
    result = pipeline.record()
    assert [t.number for t in result.trials] == [0, 1, 2, 3, 4]
    kept = list(open_store(pipeline.spec.store).scan())
    assert [e.outcome for e in kept if e.trial_number == 2 and e.attempt == 0] == [Outcome.INFRA]


def test_a_step_that_is_run_again_proposes_the_same_trials(pipeline):
    first = pipeline.propose(3).specs
    again = pipeline.propose(3).specs
    assert [t.configuration for t in again] == [t.configuration for t in first]
    assert [(t.trial_number, t.attempt) for t in again] == [(0, 0), (1, 0), (2, 0)]


def test_recording_twice_adds_nothing(pipeline):
    for trial in pipeline.propose(2).specs:
        pipeline.run(trial)
    first, again = pipeline.record(), pipeline.record()
    assert [t.values for t in again.trials] == [t.values for t in first.trials]
    assert len(list(open_store(pipeline.spec.store).scan())) == 2


def test_a_result_survives_its_file(pipeline, tmp_path):
    for trial in pipeline.propose(3).specs:
        pipeline.run(trial)
    result = pipeline.record()
    first = write_result(result, result.out_folder).read_bytes()
    again = write_result(read_result(result.out_folder), result.out_folder).read_bytes()
    assert again == first
    assert read_result(result.out_folder).trials == result.trials


def test_what_was_expected_goes_from_round_to_round(pipeline, monkeypatch):
    explain_draws(monkeypatch)
    pipeline.spec = pipeline.spec.model_copy(update={"sampler": "random"})
    for trial in pipeline.propose(2).specs:
        pipeline.run(trial)
    monkeypatch.undo()
    result = pipeline.record()
    assert [t.explanation for t in result.trials] == [explanation(0), explanation(1)]
    write_result(result, result.out_folder)
    assert read_result(result.out_folder).trials == result.trials
    kept = list(open_store(pipeline.spec.store).scan())
    assert all(e.predicted is not None for e in kept)
