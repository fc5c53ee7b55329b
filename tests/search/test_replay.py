"""The arrays come to what the definition comes to, one experience after the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from tests.search import spaces
from tests.search import step_by_step
from xautolm_core.records.experience import Experience
from xautolm_core.records.outcome import Outcome
from xautolm_core.search.contract import Objective
from xautolm_core.search.history import History
from xautolm_core.search.samplers.neighbours import neighbour_start
from xautolm_core.search.samplers.options import NeighbourOptions
from xautolm_core.search.samplers.options import WarmStartOptions
from xautolm_core.search.samplers.probabilistic_model import CategoricalWeights
from xautolm_core.search.samplers.probabilistic_model import ProbabilisticModel
from xautolm_core.search.samplers.replay import replay_categorical
from xautolm_core.search.samplers.selection import SearchContext
from xautolm_core.search.samplers.updates import move_categorical
from xautolm_core.search.samplers.warm_start import WarmStart
from xautolm_core.search.samplers.warm_start import warm_start
from xautolm_core.space.parameters import Categorical
from xautolm_core.space.space import SearchSpace

BRANCHES = (
    ("encoder-full", "full"),
    ("encoder-lora", "lora"),
    ("minilm-lora", "lora"),  # of another space, maps by its method
    ("encoder-full", "lora"),  # the name of one fine-tuner, the method of another
    ("decoder-prompt", "prompt"),
)
MODELS = ("org/small", "org/large", "org/elsewhere")
OUTCOMES = (
    *[Outcome.OK] * 8,
    Outcome.OOM_GPU,
    Outcome.TIMEOUT,
    Outcome.DIVERGED,
    Outcome.PRUNED,
    Outcome.INFRA,
    Outcome.CANCELLED,
)


def made_up(count: int, seed: int) -> list[Experience]:
    """Return experiences of some tasks, searches and spaces, and some that cannot be used."""
    generator = np.random.default_rng(seed)
    found = []
    tasks = generator.normal(size=(5, 3)).round(2)
    for number in range(count):
        task = int(generator.integers(5))
        branch, method = BRANCHES[generator.choice(5, p=[0.4, 0.3, 0.15, 0.1, 0.05])]
        tried = spaces.configuration(
            branch,
            method=method,
            model_name=MODELS[generator.choice(3, p=[0.5, 0.4, 0.1])],
            learning_rate=[1e-5, 5e-5, 1e-4, 3e-5, 1][generator.integers(5)],
            epochs=[1, 3, 10, 11, True, "many", 2.0][generator.integers(7)],
            class_weighted_loss=[True, False, 1][generator.integers(3)],
            **({"extra": None} if generator.random() < 0.2 else {}),
        )
        gap = generator.random() < 0.1
        outcome = OUTCOMES[generator.integers(len(OUTCOMES))]
        experience = spaces.experience(
            tried,
            number=number,
            search_id=f"search-{task}-{generator.integers(3)}",
            outcome=outcome,
            f1=None if generator.random() < 0.05 else round(float(generator.random()), 2),
            seconds=float(generator.lognormal(3, 1)),
            features=(*tasks[task, :2].tolist(), None if gap else float(tasks[task, 2])),
            version="2.0" if generator.random() < 0.05 else "1.3",
            task_name=f"task-{task % 4}",
            task_type="generation" if generator.random() < 0.05 else "text-classification",
        )
        changes: dict[str, Any] = {"task_fingerprint": f"print-{task}"}
        if generator.random() < 0.1:
            changes["seconds"] = {}
        if generator.random() < 0.7:
            changes["latency_ms"] = float(generator.random())
        found.append(experience.model_copy(update=changes))
    return found


def context(space: SearchSpace | None = None, *objectives: Objective) -> SearchContext:
    return SearchContext(
        space=space or spaces.space(),
        objectives=objectives or (Objective.F1, Objective.TIME),
        task_type="text-classification",
        task_features=spaces.task_features(0.3, -0.2, 0.5),
        system_features=spaces.system_features(2.0),
    )


def assert_same(found: WarmStart, expected: step_by_step.WarmStart) -> None:
    assert found.model.branches == pytest.approx(expected.model.branches, rel=1e-12)
    for handle, distribution in expected.model.distributions.items():
        assert numbers(found.model.distributions[handle]) == pytest.approx(
            numbers(distribution), rel=1e-9, abs=1e-9
        ), handle
    one, other = found.report, expected.report
    assert (one.applied, one.mapped) == (other.applied, other.mapped)
    assert dict(one.dropped) == dict(other.dropped)
    assert one.prior_shift == pytest.approx(other.prior_shift, abs=1e-12)
    assert [(name, count) for name, _, count in one.neighbours] == [
        (name, count) for name, _, count in other.neighbours
    ]
    weights = [weight for _, weight, _ in other.neighbours]
    assert [weight for _, weight, _ in one.neighbours] == pytest.approx(weights, rel=1e-12)


def numbers(distribution: Any) -> list[float]:
    if isinstance(distribution, CategoricalWeights):
        return list(distribution.weights.values())
    return [value for value in vars(distribution).values() if isinstance(value, float)]


def variants() -> Iterator[dict[str, Any]]:
    """Yield options: each at its alternatives, and the paper's own."""
    alternatives: dict[str, tuple[Any, ...]] = {
        "positive": ("fixed", "none"),
        "negative": ("fixed", "adaptive", "none"),
        "utility": ("weighted_ratio", "linear_front", "logarithmic_front"),
        "distance": ("cosine",),
        "normalizer": ("log_min_max", "none"),
        "beta_scale": (0.0, 1.0),
        "k_positive": (7,),
        "k_negative": (5,),
        "branch_multiplier": (1.0,),
        "negative_multiplier": (20.0,),
        "replay": ("descending",),
    }
    yield {}
    for name, values in alternatives.items():
        for value in values:
            yield {name: value}
    yield {"positive": "none", "negative": "fixed", "negative_limit": -0.7}
    yield {"positive": "fixed", "negative": "fixed", "negative_limit": -0.7}
    yield {
        "positive_multiplier": 1,
        "utility_power": 1,
        "negative": "fixed",
        "replay": "descending",
    }


@pytest.mark.parametrize("options", list(variants()), ids=str)
def test_every_variant_of_the_warm_start_is_the_definition(options):
    past = made_up(300, seed=len(str(options)))
    parsed = WarmStartOptions(**options)
    expected = step_by_step.warm_start(past, context(), parsed)
    assert expected.report.applied > 0
    assert expected.report.mapped > 0
    assert_same(warm_start(History.of(past), context(), parsed), expected)


@pytest.mark.parametrize("k", [1, 3, 25, 1000])
def test_the_nearest_neighbours_are_the_definition(k):
    past = made_up(200, seed=k)
    options = NeighbourOptions(k=k)
    expected = step_by_step.neighbour_start(past, context(), options)
    assert_same(neighbour_start(History.of(past), context(), options), expected)


@pytest.mark.parametrize("utility", ["weighted_sum", "weighted_ratio", "linear_front"])
def test_three_objectives_are_the_definition(utility):
    past = made_up(150, seed=3)
    three = context(None, Objective.F1, Objective.TIME, Objective.LATENCY)
    options = WarmStartOptions(utility=utility)
    expected = step_by_step.warm_start(past, three, options)
    assert_same(warm_start(History.of(past), three, options), expected)


def test_other_features_than_the_current_ones_are_the_definition():
    past = made_up(100, seed=4)
    other = replace(
        context(),
        task_features=spaces.task_features(None, 0.1, 0.5, 7.0),
        system_features=spaces.system_features(1.0, 3.0),
    )
    expected = step_by_step.warm_start(past, other, WarmStartOptions())
    assert_same(warm_start(History.of(past), other, WarmStartOptions()), expected)


def test_models_that_branches_offer_differently_are_the_definition():
    first, second = spaces.space().branches
    few = replace(first, model=Categorical("model", ("org/small",), "encoder.model"))
    narrow = SearchSpace("narrow", (few, second), {})
    past = made_up(200, seed=5)
    expected = step_by_step.warm_start(past, context(narrow), WarmStartOptions())
    assert_same(warm_start(History.of(past), context(narrow), WarmStartOptions()), expected)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 40), st.integers(0, 2**32))
def test_any_history_is_the_definition(count, seed):
    past = made_up(count, seed)
    expected = step_by_step.warm_start(past, context(), WarmStartOptions())
    assert_same(warm_start(History.of(past), context(), WarmStartOptions()), expected)


# Where 1 + rate is SAMPLING_FLOOR to the last bits, a rounding decides whether the rule clips.
rates = st.one_of(
    st.floats(-1.0, 1.0), st.floats(-0.05, 0.05), st.sampled_from([-1.0, 1.0, 0.0, -0.9995, -0.5])
).filter(lambda rate: abs(rate + 0.999) > 1e-6)


@settings(deadline=None)
@given(
    st.integers(1, 6).flatmap(
        lambda size: st.tuples(
            st.just(size), st.lists(st.tuples(st.integers(0, size - 1), rates), max_size=120)
        )
    )
)
def test_categorical_weights_are_those_of_one_update_after_the_other(case):
    """Rates near -1 and long runs of negative ones make the rule clip: that is part of the law."""
    size, steps = case
    expected = CategoricalWeights.uniform([f"v{i}" for i in range(size)])
    found = CategoricalWeights(dict(expected.weights))
    keys = list(expected.weights)
    for place, rate in steps:
        move_categorical(expected, [keys[place]], rate)
    replay_categorical(
        found, np.asarray([p for p, _ in steps], dtype=int), np.asarray([r for _, r in steps])
    )
    largest = max(1.0, *map(abs, expected.weights.values()))
    assert list(found.weights.values()) == pytest.approx(
        list(expected.weights.values()), rel=1e-9, abs=1e-9 * largest
    )


def test_a_long_run_of_failures_clips_weights_and_still_is_the_definition():
    generator = np.random.default_rng(0)
    expected = CategoricalWeights.uniform(["a", "b", "c"])
    found = CategoricalWeights(dict(expected.weights))
    chosen = generator.integers(3, size=3_000)
    keys = list(expected.weights)
    clipped = 0
    for place in chosen:
        before = min(expected.weights.values())
        move_categorical(expected, [keys[place]], -0.02)
        clipped += before < -1.0 and min(expected.weights.values()) > 0
    assert clipped > 0
    replay_categorical(found, chosen, np.full(len(chosen), -0.02))
    assert list(found.weights.values()) == pytest.approx(list(expected.weights.values()), rel=1e-6)


def test_less_trusted_experiences_move_the_model_less():
    past = made_up(80, seed=1)
    whole = warm_start(History.of(past), context(), WarmStartOptions(negative="none"))
    half = warm_start(History.of(past, trust=0.5), context(), WarmStartOptions(negative="none"))
    assert half.report.applied == whole.report.applied
    for name, weight in whole.model.branches.items():
        # The fine-tuners' weights are sums: half the rate is half the way.
        assert half.model.branches[name] - 1 == pytest.approx((weight - 1) / 2)
    neighbours = neighbour_start(History.of(past, trust=0.25), context(), NeighbourOptions(k=4))
    full = neighbour_start(History.of(past), context(), NeighbourOptions(k=4))
    for name, weight in full.model.branches.items():
        assert neighbours.model.branches[name] - 1 == pytest.approx((weight - 1) / 4, abs=2e-3)


def test_nothing_to_replay_leaves_the_initial_model():
    started = warm_start(History.empty(), context(), WarmStartOptions())
    assert started.model == ProbabilisticModel.initial(spaces.space())
    assert started.report.dropped == {}
