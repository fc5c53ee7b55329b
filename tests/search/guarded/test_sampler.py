"""What the guarded sampler proposes, and why."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

from tests.search import spaces
from xautolm_core.records.configuration import Configuration
from xautolm_core.records.experience import Experience
from xautolm_core.records.outcome import Outcome
from xautolm_core.search.contract import Objective
from xautolm_core.search.history import History
from xautolm_core.search.samplers import make_sampler
from xautolm_core.search.samplers.base import SpaceSampler
from xautolm_core.search.samplers.encoding import OUTCOME_ATTRIBUTE
from xautolm_core.search.samplers.encoding import ask_configuration
from xautolm_core.space.draw import decode

optuna.logging.set_verbosity(optuna.logging.WARNING)
SPACE = spaces.space()
TASKS = 12


def worth(tried: Configuration) -> tuple[float, float]:
    """Return F1 and seconds: more epochs are better and slower, the middle rate is best."""
    epochs, rate = tried.parameters["epochs"], tried.parameters["learning_rate"]
    assert isinstance(epochs, int) and isinstance(rate, float)
    score = 0.4 + 0.04 * epochs - 0.2 * (np.log10(rate) + 4.3) ** 2
    return float(score + 0.1 * (tried.branch == "encoder-lora")), 5.0 * epochs


def earlier(tasks: int = TASKS, trials: int = 10, *, sign: float = 1.0) -> list[Experience]:
    """Return random trials of earlier tasks, whose scores agree with this one's, or oppose them."""
    found = []
    for task in range(tasks):
        generator = np.random.default_rng(task)
        for number in range(trials):
            tried = spaces.configuration(
                ("encoder-full", "encoder-lora")[int(generator.integers(2))],
                epochs=int(generator.integers(1, 11)),
                learning_rate=spaces.RATES[int(generator.integers(3))],
            )
            score, seconds = worth(tried)
            found.append(
                spaces.experience(
                    tried,
                    number=number,
                    search_id=f"search-{task}",
                    task_name=f"task-{task:02d}",
                    f1=min(0.99, max(0.01, 0.5 + sign * (score - 0.5))),
                    seconds=seconds,
                )
            )
    return found


def sampler(
    experiences: Sequence[Experience] = (),
    *,
    seed: int = 1,
    objectives: tuple[Objective, ...] = (Objective.F1, Objective.TIME),
    **options,
) -> SpaceSampler:
    return make_sampler(
        "guarded",
        space=SPACE,
        objectives=objectives,
        seed=seed,
        task_type="text-classification",
        task_features=spaces.task_features(0.0, 0.0),
        system_features=spaces.system_features(2.0),
        history=History.of(experiences),
        task_name="today",
        options=options,
    )


def study_of(sampling: SpaceSampler) -> optuna.Study:
    return optuna.create_study(directions=["maximize", "minimize"], sampler=sampling)


def run(study: optuna.Study, trials: int) -> list[Configuration]:
    tried = []
    for _ in range(trials):
        trial = study.ask()
        tried.append(ask_configuration(trial, SPACE))
        trial.set_user_attr(OUTCOME_ATTRIBUTE, Outcome.OK.value)
        study.tell(trial, worth(tried[-1]))
    return tried


def best(tried: Sequence[Configuration]) -> float:
    return max(worth(one)[0] for one in tried)


def test_what_did_well_on_earlier_tasks_is_found_at_once():
    def best_of_first(experiences: Sequence[Experience], seed: int) -> float:
        study = optuna.create_study(
            direction="maximize",
            sampler=sampler(experiences, seed=seed, objectives=(Objective.F1,)),
        )
        tried = []
        for _ in range(4):
            trial = study.ask()
            tried.append(ask_configuration(trial, SPACE))
            study.tell(trial, worth(tried[-1])[0])
        return best(tried)

    warm = [best_of_first(earlier(), seed) for seed in range(3)]
    cold = [best_of_first([], seed) for seed in range(3)]
    assert min(warm) > 0.85
    assert np.mean(warm) > np.mean(cold)


def test_a_history_that_misleads_is_left_behind():
    study = study_of(sampling := sampler(earlier(sign=-1.0)))
    assert best(run(study, 16)) > 0.8
    last = sampling.explanation(15)
    assert last is not None
    weights = last.structures["f1"]
    assert sum(weights.values()) == pytest.approx(1.0, abs=1e-3)
    assert weights.get("history as the mean", 0.0) < 0.1


def test_what_won_last_time_on_this_task_comes_first_then_the_portfolio():
    won = spaces.configuration("encoder-full", epochs=7, learning_rate=1e-5)
    own = [spaces.experience(won, number=0, search_id="mine", task_name="today", f1=0.95)]
    study = study_of(sampling := sampler([*earlier(), *own]))
    first = run(study, 2)
    assert first[0] == won
    assert "won the last search on this task" in sampling.why(0)
    assert "portfolio" in sampling.why(1)


def test_a_portfolio_leaves_out_what_was_below_the_cheap_candidates():
    """Without them, what is quick and poor is a part of every front."""
    cheap = Configuration(branch="tfidf", model=None, method="tfidf", parameters={})
    past = earlier(tasks=3)

    def first(experiences: Sequence[Experience]) -> tuple[float, float]:
        return worth(run(study_of(sampler(experiences, portfolio=1)), 1)[0])

    obvious = [
        spaces.experience(
            cheap, number=99, search_id=f"search-{task}", task_name=f"task-{task:02d}", f1=0.7
        )
        for task in range(3)
    ]
    assert first(past)[0] < 0.7
    assert first([*past, *obvious])[0] > 0.7


def test_every_proposal_says_what_it_expects():
    study = study_of(sampling := sampler(earlier()))
    tried = run(study, 12)
    inside = 0
    for number, one in enumerate(tried):
        found = sampling.explanation(number)
        assert found is not None and found.failure_probability is not None
        assert len(found.nearest_tasks) == 5
        score, seconds = found.predictions["f1"], found.predictions["time"]
        assert score.low <= score.median <= score.high
        assert seconds.low <= seconds.median <= seconds.high
        inside += score.low <= worth(one)[0] <= score.high
    assert inside >= 7


def test_trials_that_run_are_not_proposed_again_and_are_reckoned_with():
    study = study_of(sampler(earlier()))
    run(study, 3)
    running = [ask_configuration(study.ask(), SPACE) for _ in range(6)]
    assert len(set(running)) == 6


def test_a_fault_of_the_infrastructure_says_nothing():
    expected = []
    for outcome in (Outcome.INFRA, Outcome.OOM_HOST, None):
        study = study_of(sampling := sampler(earlier()))
        run(study, 4)
        if outcome is not None:
            trial = study.ask()
            ask_configuration(trial, SPACE)
            trial.set_user_attr(OUTCOME_ATTRIBUTE, outcome.value)
            study.tell(trial, state=TrialState.FAIL)
        sampling.foretell(study, 99, spaces.configuration("encoder-lora", epochs=10))
        expected.append(sampling.explanation(99))
    with_fault, with_failure, with_neither = expected
    assert with_fault == with_neither
    assert with_failure != with_neither


def test_a_language_model_below_a_cheap_candidate_adds_nothing_to_the_front():
    """The cheap candidate is quick and better than all short trainings: only long ones pay."""
    study = study_of(sampler(earlier()))
    cheap = optuna.trial.create_trial(
        values=[0.7, 0.5], user_attrs={OUTCOME_ATTRIBUTE: Outcome.OK.value, "method": "tfidf"}
    )
    study.add_trial(cheap)
    beside = run(study, 10)
    alone = run(study_of(sampler(earlier())), 10)
    epochs = [np.mean([one.parameters["epochs"] for one in some]) for some in (beside, alone)]
    assert epochs[0] > epochs[1]


def test_without_history_is_as_with_an_empty_store():
    cold = study_of(sampler(earlier(), history=False))
    assert run(cold, 9) == run(study_of(sampler()), 9)


def test_pruned_and_cut_trials_are_bounds():
    study = study_of(sampling := sampler(earlier()))
    run(study, 5)
    trial = study.ask()
    ask_configuration(trial, SPACE)
    trial.set_user_attr(OUTCOME_ATTRIBUTE, Outcome.PRUNED.value)
    study.tell(trial, state=TrialState.PRUNED)
    run(study, 3)
    found = sampling.explanation(8)
    assert found is not None and found.predictions["f1"].low > 0.0


def test_a_trial_that_was_cut_would_have_taken_longer():
    """The same trials, one of them cut: what is like it is expected to take longer."""
    predicted = []
    for attributes in ({}, {"cut_by": "deadline"}):
        study = study_of(sampling := sampler(earlier(), exploration=0.0))
        run(study, 6)
        trial = study.ask()
        ask_configuration(trial, SPACE)
        for name, value in {OUTCOME_ATTRIBUTE: Outcome.OK.value, **attributes}.items():
            trial.set_user_attr(name, value)
        study.tell(trial, (0.6, 1.0))
        like_it = decode(SPACE, trial.params)
        number = len(study.trials)
        sampling.foretell(study, number, like_it)
        found = sampling.explanation(number)
        assert found is not None
        predicted.append(found.predictions["time"].median)
    assert predicted[1] > 1.2 * predicted[0]


def test_a_history_of_a_thousand_tasks_is_learnt_from():
    sampling = sampler(earlier(tasks=1_001, trials=3))
    run(study_of(sampling), 2)
    first = sampling.explanation(0)
    assert "portfolio" in sampling.why(0)
    assert first is not None and len(first.nearest_tasks) == 5


def test_a_trial_that_took_no_time_spoils_nothing():
    study = study_of(sampling := sampler(earlier()))
    run(study, 3)
    trial = study.ask()
    ask_configuration(trial, SPACE)
    trial.set_user_attr(OUTCOME_ATTRIBUTE, Outcome.OK.value)
    study.tell(trial, (0.5, 0.0))
    run(study, 2)
    found = sampling.explanation(5)
    assert found is not None
    assert all(np.isfinite(one.median) for one in found.predictions.values())
    assert sum(found.structures["time"].values()) == pytest.approx(1.0, abs=1e-3)


def test_an_objective_that_the_history_does_not_tell_of_leaves_the_others_to_it():
    """No experience has a latency; the score's history is used all the same."""
    sampling = sampler(earlier(), objectives=(Objective.F1, Objective.LATENCY))
    tried = run(study_of(sampling), 3)
    assert "portfolio" in sampling.why(0)
    assert worth(tried[0])[0] > 0.7
