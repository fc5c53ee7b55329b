"""What a sampler expected is kept where the trial is: in its run folder, the study, the store."""

from __future__ import annotations

import json
import os
import signal

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from tests.search.explaining import explain_draws
from tests.search.explaining import explanation
from tests.search.instant import InstantLauncher
from tests.search.instant import analytic_result
from tests.search.instant import search
from xautolm_core.experience.open import open_store
from xautolm_core.records.outcome import Outcome
from xautolm_core.search.experiences import prediction_of
from xautolm_core.search.explanation import PredictedRange
from xautolm_core.search.explanation import TrialExplanation
from xautolm_core.search.folders import Proposal


def test_it_is_in_the_records_the_store_and_the_study(make_spec, tmp_path, monkeypatch):
    explain_draws(monkeypatch, first=2)
    spec = make_spec(sampler="random", max_trials=5)
    result = search(spec, tmp_path / "run")
    expected = [None, None, *(explanation(number) for number in (2, 3, 4))]
    assert [t.explanation for t in result.trials] == expected
    kept = {e.trial_number: e.predicted for e in open_store(spec.store).scan()}
    assert [kept[number] for number in range(5)] == [prediction_of(one) for one in expected]
    assert kept[0] is None
    assert kept[4].seconds_high == 8.0
    storage = JournalStorage(JournalFileBackend(str(tmp_path / "run" / "study.journal")))
    study = optuna.load_study(study_name=spec.search_id, storage=storage)
    predicted = [trial.user_attrs.get("predicted") for trial in study.trials]
    assert predicted[:2] == [None, None]
    assert predicted[3] == {"f1": [0.4, 0.503, 0.9], "time": [1.0, 2.0, 7.0], "failure": 0.125}


def test_a_resumed_search_has_it_from_the_run_folder(make_spec, tmp_path, monkeypatch):
    explain_draws(monkeypatch)

    class Stubborn(InstantLauncher):
        def poll(self, handle):
            if handle.trial_number == 3 and not self.cancelled:
                os.kill(os.getpid(), signal.SIGINT)
                return None
            return super().poll(handle)

    spec, out = make_spec(sampler="random", max_trials=6), tmp_path / "run"
    stopped = search(spec, out, Stubborn())
    assert stopped.outcomes[Outcome.CANCELLED] == 1
    monkeypatch.undo()  # a sampler that explains nothing of what it draws from now on
    resumed = search(spec, out, resume=True)
    expected = [*(explanation(number) for number in range(4)), None, None]
    assert [t.explanation for t in resumed.trials] == expected
    # The attempt that ran again was expected to come to the same.
    attempts = [e for e in open_store(spec.store).scan() if e.trial_number == 3]
    assert [e.predicted for e in attempts] == 2 * [prediction_of(explanation(3))]


def test_an_attempt_after_a_fault_of_the_machine_keeps_it(make_spec, tmp_path, monkeypatch):
    explain_draws(monkeypatch)

    def flaky(spec):
        result = analytic_result(spec)
        is_first = spec.attempt == 0 and spec.trial_number == 1
        return result.model_copy(update={"outcome": Outcome.INFRA}) if is_first else result

    spec = make_spec(sampler="random", max_trials=2)
    result = search(spec, tmp_path / "run", InstantLauncher(flaky))
    assert result.trials[1].result.attempt == 1
    assert result.trials[1].explanation == explanation(1)


@pytest.mark.parametrize(
    "told",
    [
        {"predictions": {"f1": {"median": None, "low": 0.1, "high": 0.2}}},
        {"structures": {}, "something_new": 3},
        "hello",
    ],
)
def test_a_trial_is_read_whatever_was_expected_of_it(told):
    proposal = {
        "number": 1,
        "configuration": {"branch": "b", "model": "m", "method": "full", "parameters": {}},
        "why": "because",
        "explanation": told,
    }
    found = Proposal.model_validate_json(json.dumps(proposal))
    assert (found.number, found.explanation) == (1, None)


def test_an_experience_takes_the_numbers_that_there_are():
    assert prediction_of(None) is None
    assert prediction_of(TrialExplanation(structures={"f1": {"without history": 1.0}})) is None
    odd = TrialExplanation(
        predictions={
            "time": PredictedRange(median=3.0, low=float("nan"), high=float("inf")),
            "latency": PredictedRange(median=1.0, low=1.0, high=1.0),
        },
        failure_probability=1.0000001,
    )
    found = prediction_of(odd)
    assert found is not None
    assert found.model_dump(exclude_none=True) == {"seconds_median": 3.0, "failure_probability": 1}
