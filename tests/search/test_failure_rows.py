"""What the failure model learns from, of a history, of a study, and of configurations."""

from __future__ import annotations

import math

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

from tests.search import spaces
from tests.search.instant import InstantLauncher
from tests.search.instant import Silent
from xautolm_core.records.configuration import Configuration
from xautolm_core.records.experience import Experience
from xautolm_core.records.experience import ExperiencePlan
from xautolm_core.records.outcome import Outcome
from xautolm_core.search.contract import Objective
from xautolm_core.search.history import History
from xautolm_core.search.resource_load import ResourceLoad
from xautolm_core.search.runner import run_search
from xautolm_core.search.samplers import make_sampler
from xautolm_core.search.samplers.base import SpaceSampler
from xautolm_core.search.samplers.encoding import OUTCOME_ATTRIBUTE
from xautolm_core.search.samplers.encoding import ask_configuration
from xautolm_core.search.samplers.failure_rows import FailureForecaster
from xautolm_core.search.samplers.failure_rows import LoadCorrection
from xautolm_core.search.samplers.failure_rows import failure_rows_of
from xautolm_core.search.samplers.failure_rows import failure_rows_of_history
from xautolm_core.space.space import SearchSpace

optuna.logging.set_verbosity(optuna.logging.WARNING)
SMALL = spaces.configuration(model_name="org/small")
LARGE = spaces.configuration(model_name="org/large")
LORA = spaces.configuration("encoder-lora", learning_rate=1e-4)


def load(configuration: Configuration) -> ResourceLoad:
    """Return that the large model needs twice what is there."""
    return ResourceLoad(math.log(2.0 if configuration.model == "org/large" else 0.2), -1.0)


def past_trial(
    tried: Configuration,
    number: int,
    *,
    outcome: Outcome = Outcome.OK,
    memory: float = 0.5,
    peak: float | None = None,
    task_name: str = "past-task",
    **changes: object,
) -> Experience:
    """Return an experience that was estimated to need a part of its memory and of its time."""
    plan = ExperiencePlan(
        estimated_seconds=20.0,
        estimated_host_bytes=round(memory * 10**9),
        allowed_seconds=40.0,
        allowed_host_bytes=10**9,
    )
    made = spaces.experience(tried, number=number, outcome=outcome, task_name=task_name)
    peak_bytes = None if peak is None else round(peak * 10**9)
    return made.model_copy(update={"plan": plan, "peak_host_bytes": peak_bytes, **changes})


def forecaster(history: History | None = None, space: SearchSpace | None = None):
    return FailureForecaster(
        space or spaces.space(), load=load, history=history, task_name="this-task"
    )


def study_of(*trials: tuple[Configuration, Outcome | None]) -> optuna.Study:
    """Return a study with finished trials; without an outcome one is told as failed."""
    study = optuna.create_study(sampler=sampler("random"))
    for tried, outcome in trials:
        study.enqueue_trial(handles(tried))
        trial = study.ask()
        ask_configuration(trial, spaces.space())
        if outcome is not None:
            trial.set_user_attr(OUTCOME_ATTRIBUTE, outcome.value)
        is_ok = outcome is Outcome.OK
        state = TrialState.COMPLETE if is_ok else TrialState.FAIL
        study.tell(trial, 0.5 if is_ok else None, state=state)
    return study


def handles(tried: Configuration) -> dict[str, object]:
    from xautolm_core.space.draw import encode

    return dict(encode(spaces.space(), tried))


def sampler(name: str, *, space: SearchSpace | None = None, **options: object) -> SpaceSampler:
    return make_sampler(
        name,
        space=space or spaces.space(),
        objectives=(Objective.F1,),
        seed=3,
        task_type="text-classification",
        task_features=spaces.task_features(0.0, 0.0),
        system_features=spaces.system_features(2.0),
        options=options,
        load=load,
    )


def test_a_configuration_is_the_same_row_before_and_after_it_was_tried():
    tried = [SMALL, LARGE, LORA]
    experiences = [
        past_trial(one, number, memory=math.exp(load(one).log_memory))
        for number, one in enumerate(tried)
    ]
    before = failure_rows_of(tried, spaces.space(), load)
    after = failure_rows_of_history(History.of(experiences), spaces.space(), task_name="past-task")
    np.testing.assert_allclose(after.log_memory_load, before.log_memory_load, rtol=1e-6)
    assert after.log_time_load == pytest.approx(math.log(0.5))
    for name in ("log10_relative_rate", "log10_parameters", "model", "method", "is_own"):
        assert getattr(after, name).tolist() == getattr(before, name).tolist()
    assert before.log10_relative_rate == pytest.approx(
        [math.log10(5e-5 / 4e-5), math.log10(5e-5 / 4e-5), math.log10(1e-4 / 4e-4)]
    )
    assert before.log10_parameters.tolist() == [6, 6, 6]


def test_what_is_not_known_is_not_made_up():
    unknown = spaces.configuration(model_name="org/other", learning_rate="fast")
    experience = spaces.experience(unknown)
    described = experience.model_copy(
        update={"model_descriptor": {"parameters": 10_000}, "trial_number": 1, "id": "1" * 32}
    )
    rows = failure_rows_of_history(History.of([experience, described]), spaces.space())
    assert np.isnan(rows.log_memory_load).all()
    assert np.isnan(rows.log_time_load).all()
    assert np.isnan(rows.log10_relative_rate).all()
    assert sorted(rows.log10_parameters.tolist(), key=str) == [
        4.0,
        pytest.approx(math.nan, nan_ok=True),
    ]
    assert not rows.is_own.any()
    assert np.isnan(failure_rows_of([SMALL], spaces.space()).log_memory_load).all()


def test_estimates_are_corrected_by_what_was_measured():
    """The large model took twice what was estimated, the small one what was estimated."""
    large = [past_trial(LARGE, n, memory=0.3, peak=0.6) for n in range(12)]
    small = [past_trial(SMALL, 20 + n, memory=0.3, peak=0.3) for n in range(12)]
    # How much a trial that ran out of memory would have needed is not known.
    failed = [
        past_trial(LARGE, 40 + n, memory=0.3, peak=9.0, outcome=Outcome.OOM_HOST) for n in range(9)
    ]
    correction = LoadCorrection.of(History.of([*large, *small, *failed]))
    plain = failure_rows_of([SMALL, LARGE, LORA], spaces.space(), load)
    added = correction.applied(plain).log_memory_load - plain.log_memory_load
    assert 0.0 <= added[0] < 0.15
    assert 0.55 < added[1] < math.log(2)
    assert added[0] < added[2] < added[1]
    faster = correction.applied(plain).log_time_load - plain.log_time_load
    assert faster == pytest.approx([math.log(9 / 20)] * 3, rel=0.2)
    nothing = LoadCorrection.of(History.empty()).applied(plain)
    assert nothing.log_memory_load.tolist() == plain.log_memory_load.tolist()


def test_a_forecast_learns_from_the_history_and_from_the_study():
    wall = forecaster().probabilities([SMALL, LARGE], study_of())
    assert wall.oom[0] < 0.01
    assert wall.oom[1] > 0.9
    # Elsewhere twice the memory was enough.
    past = [past_trial(LARGE, n, memory=2.0) for n in range(20)]
    informed = forecaster(History.of(past))
    assert informed.probabilities([LARGE], study_of()).oom[0] < 0.2
    here = study_of(*[(LARGE, Outcome.OOM_HOST)] * 4)
    assert informed.probabilities([LARGE], here).oom[0] > 0.5
    assert informed.probabilities([LARGE], study_of()).oom[0] < 0.2


def test_a_history_that_misleads_is_trusted_less_with_each_trial():
    """Elsewhere all ran out of memory, whatever it was estimated to need; here nothing does."""
    past = [past_trial(SMALL, n, memory=0.3, outcome=Outcome.OOM_HOST) for n in range(20)]
    misled = forecaster(History.of(past))
    small, lora = SMALL, LORA
    first = misled.probabilities([small], study_of()).any[0]
    assert first > 0.4
    trust = [misled.model(study_of(*[(lora, Outcome.OK)] * n)).trust for n in range(6)]
    assert trust == sorted(trust, reverse=True) and trust[0] == pytest.approx(0.9)
    here = study_of(*[(small, Outcome.OK)] * 5)
    assert misled.probabilities([small], here).any[0] < 0.1


def test_trials_that_say_nothing_change_nothing():
    wall = forecaster().probabilities([SMALL, LARGE], study_of())
    silent = [(LARGE, o) for o in Outcome if not o.says_something_about_configuration]
    found = forecaster().probabilities([SMALL, LARGE], study_of(*silent, (LARGE, None)))
    assert found.any.tolist() == wall.any.tolist()


def test_a_draw_is_kept_with_the_probability_that_it_does_not_fail():
    space = spaces.space()

    def tried(**options: object) -> list[Configuration]:
        study = optuna.create_study(sampler=sampler("random", **options))
        return [ask_configuration(study.ask(), space) for _ in range(30)]

    def large(found: list[Configuration]) -> int:
        return sum(one.model == "org/large" for one in found)

    assert large(tried()) > 5
    assert large(tried(failure_model=True)) <= 2
    assert tried(failure_model=True) == tried(failure_model=True)


def test_starts_are_left_out_only_if_they_almost_surely_fail():
    space = spaces.space(starts=(LARGE, SMALL, LORA))
    proposing = sampler("zero_shot", space=space, failure_model=True)
    study = optuna.create_study(sampler=proposing)
    assert ask_configuration(study.ask(), space) == SMALL
    assert ask_configuration(study.ask(), space) == LORA
    study = optuna.create_study(sampler=sampler("zero_shot", space=space))
    assert ask_configuration(study.ask(), space) == LARGE


def test_where_all_is_risky_the_least_risky_is_tried():
    def hopeless(configuration: Configuration) -> ResourceLoad:
        return ResourceLoad(1.6 if configuration.model == "org/large" else 1.0, 0.0)

    proposing = sampler("random", failure_model=True)
    proposing._failures = FailureForecaster(spaces.space(), load=hopeless)
    study = optuna.create_study(sampler=proposing)
    found = [ask_configuration(study.ask(), spaces.space()) for _ in range(5)]
    assert {one.model for one in found} == {"org/small"}


@pytest.mark.parametrize("is_used", [True, False])
def test_a_search_reads_the_store_for_its_failure_model(make_spec, tmp_path, is_used):
    spec = make_spec(
        sampler="random", max_trials=3, sampler_options={"failure_model": is_used}, seed=4
    )
    for name in ("first", "second"):
        result = run_search(
            spec, tmp_path / name, launcher=InstantLauncher(), observer=Silent(), with_test=False
        )
        assert (result.spec.history is not None) is is_used
        assert len(result.trials) == 3
