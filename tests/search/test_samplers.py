from __future__ import annotations

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

from tests.search import spaces
from xautolm.testing import SamplerContract
from xautolm_core.errors import ConfigError
from xautolm_core.records.configuration import Configuration
from xautolm_core.records.outcome import Outcome
from xautolm_core.search.contract import Objective
from xautolm_core.search.history import History
from xautolm_core.search.samplers import SAMPLER_NAMES
from xautolm_core.search.samplers import make_sampler
from xautolm_core.search.samplers.base import MAX_TRIES
from xautolm_core.search.samplers.base import SpaceExhaustedError
from xautolm_core.search.samplers.encoding import OUTCOME_ATTRIBUTE
from xautolm_core.search.samplers.encoding import ask_configuration
from xautolm_core.search.samplers.options import EvolutionOptions
from xautolm_core.search.samplers.zero_shot import resolve
from xautolm_core.space.space import SearchSpace

optuna.logging.set_verbosity(optuna.logging.WARNING)
OBJECTIVES = (Objective.F1, Objective.TIME)
HISTORY = History.of(
    spaces.experience(spaces.configuration("encoder-lora", epochs=2 + i % 3), number=i, f1=0.9)
    for i in range(12)
)


def sampler(name: str = "zero_shot", *, space: SearchSpace | None = None, seed: int = 1, **more):
    return make_sampler(
        name,
        space=space or spaces.space(),
        objectives=OBJECTIVES,
        seed=seed,
        task_type="text-classification",
        task_features=spaces.task_features(0.0, 0.0),
        system_features=spaces.system_features(2.0),
        **{"expected_trials": 20, "history": HISTORY, **more},
    )


def study_of(sampling, storage=None) -> optuna.Study:
    return optuna.create_study(
        directions=["maximize", "minimize"],
        sampler=sampling,
        storage=storage,
        study_name="s",
        load_if_exists=True,
    )


def score(tried: Configuration) -> tuple[float, float] | None:
    """Return F1 and seconds; None for a failure."""
    epochs = tried.parameters["epochs"]
    assert isinstance(epochs, int)
    if tried.model == "org/large" and tried.branch == "encoder-full":
        return None
    rate = tried.parameters["learning_rate"]
    assert isinstance(rate, float)
    size = 2.0 if tried.model == "org/large" else 1.0
    return 0.5 + 0.03 * epochs + 1000 * rate - 0.1 * size, size * epochs


def run(study: optuna.Study, space: SearchSpace, trials: int) -> list[Configuration]:
    tried = []
    for _ in range(trials):
        trial = study.ask()
        configuration = ask_configuration(trial, space)
        tried.append(configuration)
        found = score(configuration)
        outcome = Outcome.OOM_HOST if found is None else Outcome.OK
        trial.set_user_attr(OUTCOME_ATTRIBUTE, outcome.value)
        study.tell(trial, found, state=TrialState.FAIL if found is None else TrialState.COMPLETE)
    return tried


class TestGuarded(SamplerContract):
    sampler_name = "guarded"


class TestWarmStart(SamplerContract):
    sampler_name = "xautolm"


class TestZeroShot(SamplerContract):
    sampler_name = "zero_shot"


class TestNeighbours(SamplerContract):
    sampler_name = "knn"


class TestRandom(SamplerContract):
    sampler_name = "random"


@pytest.mark.parametrize("name", SAMPLER_NAMES)
def test_with_a_history_a_new_sampler_goes_on_the_same_way_too(name):
    space = spaces.space()
    whole = run(study_of(sampler(name)), space, 23)
    assert all(space.contains(configuration) for configuration in whole)
    assert len(set(whole)) == 23
    storage = optuna.storages.InMemoryStorage()
    parts = []
    for trials in (1, 2, 7, 1, 12):
        parts += run(study_of(sampler(name), storage), space, trials)
    assert parts == whole


def test_only_active_parameters_are_set():
    study = study_of(sampler("random"))
    run(study, spaces.space(), 10)
    for trial in study.trials:
        prefixes = {name.split(".")[0] for name in trial.params} - {"encoder", "branch"}
        assert prefixes == {trial.params["branch"]}


def test_memory_leaves_room_by_one_start_only():
    starts = tuple(spaces.configuration(epochs=n) for n in (1, 2, 3))
    space = spaces.space(starts=starts)
    warm = sampler("xautolm", space=space)
    assert warm.report.applied == len(HISTORY)
    found = run(study_of(warm), space, 5)
    assert found[2] == starts[0]
    assert not set(starts[1:]) & set(found)
    few = sampler("xautolm", space=space, history=HISTORY.take(np.arange(2)))
    assert run(study_of(few), space, 5)[2:] == list(starts)
    all_of_them = sampler("xautolm", space=space, options={"starts": "preset"})
    assert run(study_of(all_of_them), space, 5)[2:] == list(starts)
    forgetful = sampler("xautolm", space=space, options={"memory_first": False})
    assert run(study_of(forgetful), space, 3) == list(starts)


def test_starts_come_first_and_infeasible_ones_are_left_out():
    starts = tuple(spaces.configuration(epochs=n) for n in (1, 2, 3))
    space = spaces.space(starts=starts)

    def infeasible(tried: Configuration) -> str | None:
        return "too slow" if tried.parameters["epochs"] == 2 else None

    sampling = sampler(space=space, infeasible=infeasible)
    found = run(study_of(sampling), space, 12)
    assert found[:2] == [starts[0], starts[2]]
    assert "first configuration 1" in sampling.why(0)
    assert all(configuration.parameters["epochs"] != 2 for configuration in found)
    without = run(study_of(sampler(space=space, options={"starts": "none"})), space, 2)
    assert without != list(starts[:2])


def test_an_exhausted_space_says_so():
    tiny = SearchSpace("tiny", spaces.space().branches[:1], spaces.space().models)

    def infeasible(tried: Configuration) -> str | None:
        right = tried.parameters["epochs"] == 1 and tried.model == "org/small"
        return None if right else "no"

    study = study_of(sampler("random", space=tiny, infeasible=infeasible))
    # One model, one number of epochs, three rates, two switches: six configurations.
    assert len(set(run(study, tiny, 6))) == 6
    with pytest.raises(SpaceExhaustedError):
        ask_configuration(study.ask(), tiny)


def test_first_configurations_are_tried_once_where_duplicates_are_allowed():
    starts = (spaces.configuration(epochs=1),)
    space = spaces.space(starts=starts)
    found = run(study_of(sampler(space=space, options={"allow_duplicates": True})), space, 6)
    assert found[0] == starts[0]
    assert found[1:] != [starts[0]] * 5


def test_duplicates_may_be_allowed():
    tiny = SearchSpace("tiny", spaces.space().branches[:1], spaces.space().models)
    options = {"allow_duplicates": True}
    found = run(study_of(sampler("random", space=tiny, options=options)), tiny, 300)
    assert len(set(found)) < 120  # the space has 120 configurations


def test_evolution_learns_from_the_fittest_and_not_from_failures():
    space = spaces.space()
    sampling = sampler(options={"population": 10, "selection": 0.3, "learning_factor": 0.3})
    study = study_of(sampling)
    run(study, space, 40)
    model, learnt_from = sampling.generation_model(study, 40)
    assert learnt_from
    assert all(study.trials[n].state is TrialState.COMPLETE for n in learnt_from)
    # The large model is worse in both objectives.
    assert model.distributions["encoder.model"].probabilities(spaces.MODELS)[0] > 0.5
    assert "moved by trials" in sampling.why(39)
    assert "exploration in generation 3" in sampling.why(30)


def test_one_update_of_the_evolution_by_hand():
    """Ten trials with one scored best in both objectives: k = 1, rate 0.2."""
    space = spaces.space()
    sampling = sampler(options={"population": 10, "selection": 0.1, "learning_factor": 0.2})
    study = study_of(sampling)
    for i in range(10):
        trial = study.ask()
        tried = ask_configuration(trial, space)
        study.tell(trial, (0.9, 1.0) if i == 6 else (0.5, 2.0))
        if i == 6:
            best = tried
    model, learnt_from = sampling.generation_model(study, 10)
    assert learnt_from == [6]
    assert model.branches[best.branch] == pytest.approx(1.2)
    distribution = model.distributions[f"{best.branch}.epochs"]
    # Mean 0.8 * 5.5 + 0.2 * value, deviation 0.8 * 9 + 0.2 * 0.
    assert distribution.mean == pytest.approx(4.4 + 0.2 * best.parameters["epochs"])
    assert distribution.deviation == pytest.approx(7.2)


def test_uninformative_trials_teach_nothing():
    space = spaces.space()
    sampling = sampler(options={"population": 4})
    study = study_of(sampling)
    for _ in range(4):
        trial = study.ask()
        ask_configuration(trial, space)
        trial.set_user_attr(OUTCOME_ATTRIBUTE, Outcome.INFRA.value)
        study.tell(trial, state=TrialState.FAIL)
    model, learnt_from = sampling.generation_model(study, 4)
    assert learnt_from == []
    assert model == sampling.initial


def test_a_late_trial_counts_for_the_next_generation():
    space = spaces.space()
    sampling = sampler(options={"population": 4, "selection": 1.0})
    study = study_of(sampling)
    late = study.ask()
    ask_configuration(late, space)
    run(study, space, 4)
    assert study.user_attrs["generation:1"] == [1, 2, 3]
    before = sampling.generation_model(study, 5)
    study.tell(late, (0.99, 0.5))
    assert sampling.generation_model(study, 5) == before
    run(study, space, 4)
    assert study.user_attrs["generation:2"] == [0, 4, 5, 6, 7]
    assert 0 in sampling.generation_model(study, 8)[1]


def test_history_moves_the_first_proposals():
    space = spaces.space()
    # Repetitions are allowed, since a dozen equal experiences leave little else to draw.
    options = {"positive_multiplier": 20.0, "population": 40, "allow_duplicates": True}
    options["memory_first"] = False
    warm = sampler("xautolm", options=options)
    assert warm.report.applied == 12
    assert warm.report.prior_shift > 0.1
    assert warm.report.branch_probabilities["encoder-lora"] > 0.6
    branches = [c.branch for c in run(study_of(warm), space, 40)]
    assert branches.count("encoder-lora") > 24
    assert "past-task" in warm.why(0)
    assert sampler("zero_shot").report.applied == 0


def test_draws_from_what_history_made_of_the_model_name_its_tasks():
    space = spaces.space()
    options = {"memory_first": False, "population": 10, "epsilon": 0.1}
    warm = sampler("xautolm", options=options)
    run(study_of(warm), space, 14)
    neighbours = [tuple(one.model_dump().values()) for one in warm.explanation(0).nearest_tasks]
    assert neighbours == warm.report.neighbours
    assert warm.explanation(11) == warm.explanation(0)
    assert warm.explanation(10) is None  # explores from the uniform model
    paper = sampler("xautolm", options={**options, "exploration": "warm"})
    run(study_of(paper), space, 11)
    assert paper.explanation(10) is not None
    remembering = sampler("xautolm")
    run(study_of(remembering), space, 1)
    assert remembering.explanation(0) is None  # from memory, not from the model
    for name in ("zero_shot", "random"):
        cold = sampler(name)
        run(study_of(cold), space, 1)
        assert cold.explanation(0) is None


def test_a_uniform_draw_in_place_of_one_that_found_nothing_leans_on_nothing():
    # What the model draws is refused as often as it draws.
    refused = iter([True] * MAX_TRIES)
    options = {"memory_first": False, "starts": "none"}
    warm = sampler(
        "xautolm",
        options=options,
        infeasible=lambda _: "no" if next(refused, False) else None,
    )
    run(study_of(warm), spaces.space(), 1)
    assert "uniform draw" in warm.why(0)
    assert warm.report.neighbours
    assert warm.explanation(0) is None


def test_enqueued_trials_are_respected():
    study = study_of(sampler("zero_shot"))
    study.enqueue_trial({"branch": "encoder-lora", "encoder-lora.epochs": 7})
    found = run(study, spaces.space(), 1)[0]
    assert (found.branch, found.parameters["epochs"]) == ("encoder-lora", 7)


def test_independent_sampling_is_uniform_and_reproducible():
    sampling = sampler("random")
    study = study_of(sampling)
    trial = study.ask()
    assert trial.suggest_int("elsewhere", 1, 3) in (1, 2, 3)
    assert trial.suggest_categorical("other", ["a", "b"]) in ("a", "b")


@pytest.mark.parametrize(
    ("expected", "population", "factor"),
    [(None, 20, 0.05), (100, 20, 0.05), (50, 10, 0.1), (12, 4, 0.25), (3, 4, 0.25)],
)
def test_constants_of_short_searches(expected, population, factor):
    constants = resolve(EvolutionOptions(), expected)
    assert (constants.population, constants.learning_factor) == (population, pytest.approx(factor))


def test_the_papers_constants_can_be_had():
    constants = resolve(EvolutionOptions(population=20, learning_factor=0.05), 12)
    assert (constants.population, constants.learning_factor) == (20, 0.05)
    assert (constants.epsilon, constants.selection) == (0.1, 0.2)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("xautol", {}, "no sampler 'xautol'"),
        ("xautolm", {"betascale": 1}, "Did you mean 'beta_scale'"),
        ("xautolm", {"distance": "manhattan"}, "distance='manhattan'"),
        ("zero_shot", {"population": 0}, "population=0"),
        ("zero_shot", {"learning_factor": 2.0}, "learning_factor=2.0"),
        ("random", {"k": 3}, "no option 'k'"),
    ],
)
def test_wrong_options_are_named(name, options, words):
    with pytest.raises(ConfigError, match=words.replace("(", ".")) as caught:
        sampler(name, options=options)
    assert "\n" not in str(caught.value)


def test_options_from_the_command_line_are_strings():
    sampling = sampler("knn", options={"k": "3", "population": "6", "learning_factor": "0.1"})
    assert sampling.constants.population == 6
    assert sampling.constants.learning_factor == 0.1
