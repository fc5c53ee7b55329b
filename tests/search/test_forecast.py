from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace

import pytest

from xautolm_core.records.attempt import TrialProgress
from xautolm_core.records.attempt import TrialResult
from xautolm_core.records.configuration import Configuration
from xautolm_core.records.outcome import Outcome
from xautolm_core.search.contract import TrialRecord
from xautolm_core.search.forecast import Forecaster
from xautolm_core.space.hyperparameters import row_share

ROWS = 1000


class LinearEstimates:
    """Estimates of a millisecond a row and epoch; a frozen model's pass costs a third."""

    def estimate(self, configuration, rows=None):
        epochs = 1 if configuration.method == "head" else configuration.parameters["epochs"]
        factor = 1 / 3 if configuration.method == "head" else 1.0
        return SimpleNamespace(train_seconds=(rows or ROWS) * epochs * factor / 1000)


def configuration(method="full", *, model="m", epochs=2):
    return Configuration(branch=method, model=model, method=method, parameters={"epochs": epochs})


def trial(tried: Configuration, *, seconds: float, rows=ROWS, steps=100, planned=100, number=0):
    result = TrialResult(
        search_id="s",
        trial_number=number,
        outcome=Outcome.OK,
        seconds={"train": seconds, "evaluate": 1.0},
        progress=TrialProgress(
            rows=rows, planned_steps=planned, scheduled_steps=steps, steps=steps
        ),
    )
    return TrialRecord(number, tried, result, "", {})


@pytest.fixture
def forecaster() -> Forecaster:
    return Forecaster(LinearEstimates(), validation_rows=300)


def test_without_any_trial_it_is_the_estimate_and_uncertain(forecaster):
    found = forecaster.forecast(configuration(), [])
    assert (found.train_seconds, found.epoch_seconds) == (2.0, 1.0)
    assert found.evaluation_seconds == pytest.approx(0.1)
    assert found.seconds == pytest.approx(2.2)
    assert found.cautious_seconds > 2 * found.seconds


def test_a_measured_trial_of_the_same_kind_decides_whatever_part_of_it_was_done(forecaster):
    """A quarter of the rows, half of the steps, ten times as slow as estimated."""
    measured = trial(configuration(epochs=4), seconds=5.0, rows=250, steps=50)
    other = trial(configuration("lora"), seconds=100.0, number=1)
    found = forecaster.forecast(configuration(), [measured, other])
    assert found.train_seconds == pytest.approx(20.0)
    assert found.cautious_seconds < 1.2 * found.seconds


def test_else_one_of_the_same_model_and_a_probe_counts(forecaster):
    # Features of the training rows, and of the validation rows as an evaluation.
    probe = trial(configuration("linear_probe"), seconds=0.3, rows=ROWS)
    found = forecaster.forecast(configuration(), [probe])
    # 1,300 rows took three times the 0.433 s of the estimate.
    assert found.train_seconds == pytest.approx(6.0, rel=1e-3)
    elsewhere = trial(configuration(model="other"), seconds=2.0)
    assert forecaster.forecast(configuration(), [elsewhere]).spread > found.spread
    assert forecaster.forecast(configuration(), [elsewhere, probe]) == found


def test_a_screening_is_scored_on_no_more_rows_than_it_is_fitted_on(forecaster):
    whole = configuration("linear_probe")
    parameters = {**whole.parameters, "screening_rows": 100}
    screening = whole.model_copy(update={"parameters": parameters})
    assert forecaster.forecast(screening, []).evaluation_seconds == pytest.approx(0.1 / 3)
    # 200 rows take 0.067 s by the estimate, and took three times as long.
    measured = trial(screening, seconds=0.2, rows=100)
    measured = replace(
        measured, result=measured.result.model_copy(update={"seconds": {"train": 0.2}})
    )
    assert forecaster.forecast(whole, [measured]).evaluation_seconds == pytest.approx(0.3)


def test_what_tells_nothing_is_left_out(forecaster):
    silent = [
        trial(configuration(), seconds=50.0, steps=0),
        trial(configuration(), seconds=50.0, rows=0),
        trial(Configuration(branch="tfidf", model=None, method="tfidf", parameters={}), seconds=9),
    ]
    assert forecaster.forecast(configuration(), silent) == forecaster.forecast(configuration(), [])


def test_ratios_are_averaged_as_ratios(forecaster):
    trials = [trial(configuration(), seconds=s, number=n) for n, s in enumerate((1.0, 4.0))]
    assert forecaster.forecast(configuration(), trials).train_seconds == pytest.approx(2.0)
    assert math.isfinite(forecaster.forecast(configuration(), trials).cautious_seconds)


class ShareEstimates:
    """A millisecond a row and epoch, of a share of the rows; a second a row that is answered."""

    def estimate(self, configuration, rows=None):
        seconds = (rows or ROWS) / 1000
        if configuration.method == "untuned":
            return SimpleNamespace(train_seconds=rows * 1.0)
        epochs = configuration.parameters["epochs"]
        return SimpleNamespace(train_seconds=seconds * epochs * row_share(configuration))


def test_a_share_of_the_rows_takes_that_share_of_the_time():
    forecaster = Forecaster(ShareEstimates(), validation_rows=300, task_type="text-generation")

    def quarter(method="full", share=0.25):
        one = configuration(method)
        return one.model_copy(update={"parameters": {**one.parameters, "data_fraction": share}})

    assert forecaster.forecast(quarter(), []).train_seconds == pytest.approx(0.5)
    # Trained on 250 rows, ten times as slow as estimated: so are trials on all rows.
    measured = trial(quarter(), seconds=5.0, rows=250)
    found = forecaster.forecast(quarter(share=1.0), [measured])
    assert found.train_seconds == pytest.approx(20.0)
    # An evaluation writes an answer to each validation row.
    assert found.evaluation_seconds == pytest.approx(10 * 300.0)


def test_answers_of_an_untuned_model_tell_how_fast_the_machine_is():
    forecaster = Forecaster(ShareEstimates(), validation_rows=100, task_type="text-generation")
    untuned = trial(configuration("untuned"), seconds=0.0, rows=0)
    seconds = {"evaluate": 300.0}
    result = untuned.result.model_copy(update={"seconds": seconds})
    found = forecaster.forecast(configuration(), [replace(untuned, result=result)])
    assert found.train_seconds == pytest.approx(3 * 2.0)
    assert found.evaluation_seconds == pytest.approx(300.0)
    failed = result.model_copy(update={"outcome": Outcome.OOM_HOST})
    again = forecaster.forecast(configuration(), [replace(untuned, result=failed)])
    assert again == forecaster.forecast(configuration(), [])
