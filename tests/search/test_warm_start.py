from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from tests.search import spaces
from xautolm_core.records.experience import Experience
from xautolm_core.records.outcome import Outcome
from xautolm_core.search.contract import Objective
from xautolm_core.search.history import History
from xautolm_core.search.samplers.mapping import MappedHistory
from xautolm_core.search.samplers.mapping import corresponding_branches
from xautolm_core.search.samplers.mapping import map_history
from xautolm_core.search.samplers.neighbours import metric_distances
from xautolm_core.search.samplers.neighbours import neighbour_start
from xautolm_core.search.samplers.neighbours import plan_neighbours
from xautolm_core.search.samplers.options import NeighbourOptions
from xautolm_core.search.samplers.options import WarmStartOptions
from xautolm_core.search.samplers.selection import SearchContext
from xautolm_core.search.samplers.selection import select_usable
from xautolm_core.search.samplers.warm_start import decay_rate
from xautolm_core.search.samplers.warm_start import negative_limit
from xautolm_core.search.samplers.warm_start import plan_replay
from xautolm_core.search.samplers.warm_start import positive_limit
from xautolm_core.search.samplers.warm_start import warm_start
from xautolm_core.space.space import SearchSpace

PAPER = WarmStartOptions(
    positive="adaptive",
    negative="fixed",
    positive_multiplier=1.0,
    branch_multiplier=1.0,
    utility_power=1.0,
    replay="descending",
    exploration="warm",
    normalizer="none",
    beta_scale=0.5,
)


def context(space: SearchSpace | None = None, *features: float) -> SearchContext:
    return SearchContext(
        space=space or spaces.space(),
        objectives=(Objective.F1, Objective.TIME),
        task_type="text-classification",
        task_features=spaces.task_features(*(features or (0.0, 0.0))),
        system_features=spaces.system_features(2.0),
    )


NEAR = spaces.experience(spaces.configuration("encoder-full"), number=0, f1=0.8, seconds=10.0)
FAR = spaces.experience(
    spaces.configuration("encoder-lora", learning_rate=1e-4, epochs=8),
    number=1,
    f1=0.9,
    seconds=20.0,
    features=(3.0, 4.0),
)
FAILED = spaces.experience(
    spaces.configuration("encoder-lora", learning_rate=1e-5),
    number=2,
    outcome=Outcome.OOM_HOST,
    features=(3.0, 4.0),
)


def history(*experiences: Experience) -> History:
    return History.of(experiences)


def test_the_learning_rates_by_hand():
    usable, _ = select_usable(history(FAILED, FAR, NEAR), context())
    plan, left_out = plan_replay(usable, context(), PAPER)
    # Distances 0, 5, 5: mean 3.333333, deviation sqrt(50 / 9) = 2.357023, so
    # beta = 0.5 / 5.690356 = 0.0878680 and exp(-5 beta) = 0.6444620.
    # Utilities within the search: (0 + 1) / 2 and (1 + 0) / 2. |P| = 2, so the limit is 0.5.
    # near: 0.5 * 0.5 = 0.25; far: 0.5 * 0.5 * 0.6444620; failed: -0.02 * 0.6444620.
    replayed = [usable.history.identity(row).id for row in plan.rows]
    assert replayed == [NEAR.id, FAR.id, FAILED.id]
    assert plan.alpha == pytest.approx([0.25, 0.1611155, -0.01288924], rel=1e-5)
    assert not left_out


def test_the_model_after_the_replay_by_hand():
    started = warm_start(history(FAILED, FAR, NEAR), context(), PAPER)
    model = started.model
    # encoder-full 1 + 0.25; encoder-lora 1 + 0.1611155 - 0.0128892.
    assert model.branches["encoder-full"] == pytest.approx(1.25)
    assert model.branches["encoder-lora"] == pytest.approx(1.1482263, rel=1e-6)
    # encoder-full.learning_rate: only 5e-5 was seen, at 0.25: (1/3 + 0.25) / 1.25 = 0.4666667.
    rates = list(model.distributions["encoder-full.learning_rate"].weights.values())
    assert rates == pytest.approx([0.2666667, 0.4666667, 0.2666667], abs=1e-6)
    # encoder-lora.learning_rate: 1e-4 at 0.1611155: (1/3, 1/3, 0.4944488) / 1.1611155
    # = (0.2870802, 0.2870802, 0.4258396); 1e-5 at -0.0128892: (0.2741910, ...) / 0.9871108.
    rates = list(model.distributions["encoder-lora.learning_rate"].weights.values())
    assert rates == pytest.approx([0.2777712, 0.2908288, 0.4314000], abs=1e-5)
    # encoder-lora.epochs: 8 at 0.1611155: mean 5.9027887, deviation 7.5499605; then 3 at
    # -0.0128892: mean 1.0128892 * 5.9027887 - 0.0128892 * 3 = 5.9402030.
    assert model.distributions["encoder-lora.epochs"].mean == pytest.approx(5.9402030, abs=1e-5)
    # The shift: 1.25 / 2.3982263 = 0.5212185, half of |p - 1/2| summed.
    assert started.report.prior_shift == pytest.approx(0.0212185, abs=1e-6)
    assert started.report.applied == 3
    assert started.report.neighbours[0][0] == "past-task"


def test_the_order_of_the_replay_is_the_reverse_of_the_published_one():
    usable, _ = select_usable(history(FAILED, FAR, NEAR), context())
    published, _ = plan_replay(usable, context(), PAPER)
    ours, _ = plan_replay(usable, context(), PAPER.model_copy(update={"replay": "ascending"}))
    assert ours.rows.tolist() == published.rows[::-1].tolist()
    assert ours.alpha.tolist() == published.alpha[::-1].tolist()
    assert WarmStartOptions().replay == "ascending"


@settings(deadline=None, max_examples=20)
@given(
    st.lists(st.integers(60, 99), min_size=2, max_size=12),
    st.lists(st.integers(0, 59), min_size=30, max_size=60),
)
def test_the_best_replayed_last_are_not_forgotten(best, others):
    """Each update divides by its new sum: where rates sum to well above 1, the last ones decide."""
    past = [
        spaces.experience(
            spaces.configuration("encoder-lora", model_name=name), number=i, f1=score / 100
        )
        for i, (name, score) in enumerate(
            [("org/large", s) for s in best] + [("org/small", s) for s in others]
        )
    ]
    usable, _ = select_usable(history(*past), context())
    found = {}
    for order in ("ascending", "descending"):
        options = WarmStartOptions(positive="fixed", utility_power=1.0, replay=order)
        assert plan_replay(usable, context(), options)[0].alpha.sum() > 2
        model = warm_start(history(*past), context(), options).model
        shares = model.distributions["encoder.model"].probabilities(spaces.MODELS)
        found[order] = (shares[1], model.branch_probabilities()["encoder-lora"])
    assert found["ascending"][0] >= found["descending"][0]
    assert found["ascending"][1] >= found["descending"][1] - 1e-12


@pytest.mark.parametrize(
    ("options", "count", "expected"),
    [
        ({"positive": "fixed"}, 400, 0.05),
        ({"positive": "adaptive"}, 4, 0.25),
        ({"positive": "adaptive", "positive_multiplier": 4.0}, 100, 0.04),
        ({"positive": "adaptive", "positive_multiplier": 4.0}, 3, 0.5),
        ({"positive": "adaptive", "positive_multiplier": 4.0}, 1, 1.0),
    ],
)
def test_positive_limits(options, count, expected):
    parsed = WarmStartOptions(**{"positive_multiplier": 1.0, **options})
    assert positive_limit(parsed, count) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("kind", "count", "expected"),
    [("fixed", 400, -0.02), ("adaptive", 4, -0.25), ("bounded", 4, -0.02), ("bounded", 100, -0.01)],
)
def test_negative_limits(kind, count, expected):
    assert negative_limit(WarmStartOptions(negative=kind), count) == pytest.approx(expected)


def test_stronger_than_the_paper_by_hand():
    options = PAPER.model_copy(
        update={"positive_multiplier": 1.5, "branch_multiplier": "auto", "utility_power": 2.0}
    )
    started = warm_start(history(FAR, NEAR), context(), options)
    # Distances 0 and 5: mean 2.5, deviation 2.5, beta = 0.1, exp(-0.5) = 0.6065307.
    # The limit is min(1.5 / 2, 0.5) = 0.5, utilities are 0.5^2 = 0.25, and there are two
    # fine-tuners: 1 + 2 * 0.125 and 1 + 2 * 0.125 * 0.6065307.
    assert started.model.branches["encoder-full"] == pytest.approx(1.25)
    assert started.model.branches["encoder-lora"] == pytest.approx(1.1516327)
    rates = list(started.model.distributions["encoder-full.learning_rate"].weights.values())
    assert rates[1] == pytest.approx((1 / 3 + 0.125) / 1.125)


def test_decay():
    assert decay_rate(np.asarray([1.0, 1.0]), 1.0) == pytest.approx(1 / 1.000001)
    assert decay_rate(np.asarray([2.0, 4.0]), 0.0) == 0.0
    assert decay_rate(np.zeros(0), 1.0) == 0.0


def test_no_negatives_and_k_nearest():
    options = PAPER.model_copy(update={"negative": "none", "k_positive": 1})
    started = warm_start(history(FAILED, FAR, NEAR), context(), options)
    assert started.report.applied == 1
    assert started.model.branches["encoder-lora"] == 1.0
    assert sum(started.report.dropped.values()) == 2


def test_what_says_nothing_is_dropped_by_reason():
    past = [
        NEAR,
        spaces.experience(spaces.configuration(), number=3, outcome=Outcome.INFRA),
        spaces.experience(spaces.configuration(), number=4, outcome=Outcome.CANCELLED),
        spaces.experience(spaces.configuration(), number=5, version="2.0"),
        spaces.experience(spaces.configuration(), number=6, task_type="generation"),
        spaces.experience(spaces.configuration("decoder-prompt", method="prompt"), number=7),
        spaces.experience(spaces.configuration(), number=8, f1=None),
        spaces.experience(spaces.configuration(), number=9, f1=float("nan")),
    ]
    report = warm_start(history(*past), context(), PAPER).report
    assert (report.applied, report.mapped) == (1, 0)
    assert report.dropped == {
        "outcome says nothing about the configuration": 2,
        "other version of the meta-features": 1,
        "other task type": 1,
        "no such branch in this space": 1,
        "no score": 2,
    }


def test_a_newer_minor_version_of_the_features_is_comparable():
    past = spaces.experience(spaces.configuration(), version="1.7")
    assert warm_start(history(past), context(), PAPER).report.applied == 1


def observed(mapped: MappedHistory) -> tuple[str, dict[str, object]]:
    """Return fine-tuner and values of a history of one experience."""
    (one,) = [branch for branch in mapped.branches if len(branch.rows)]
    values = {handle: column[0] for handle, column in one.values.items()}
    return one.branch.name, {h: v for h, v in values.items() if v is not None}


def test_nothing_is_learnt_from_values_that_do_not_map():
    tried = spaces.configuration(
        "encoder-full", model_name="org/unknown", learning_rate=3e-5, epochs=40, extra="x"
    )
    mapped = map_history(history(spaces.experience(tried)), spaces.space())
    assert not mapped.complete.any()
    # The model, the rate off the grid and the epochs out of bounds are left untouched.
    assert observed(mapped) == ("encoder-full", {"encoder-full.class_weighted_loss": True})
    started = warm_start(history(spaces.experience(tried)), context(), PAPER)
    assert (started.report.applied, started.report.mapped) == (0, 1)
    assert started.model.distributions["encoder-full.epochs"].mean == 5.5
    rates = list(started.model.distributions["encoder-full.learning_rate"].weights.values())
    assert rates == pytest.approx([1 / 3] * 3)


def test_another_spaces_branch_maps_by_method_and_model():
    tried = spaces.configuration("minilm-lora", model_name="org/large", method="lora")
    branch, values = observed(map_history(history(spaces.experience(tried)), spaces.space()))
    assert branch == "encoder-lora"
    assert values["encoder.model"] == "org/large"
    other = spaces.configuration("minilm-lora", model_name="org/unknown", method="lora")
    found = corresponding_branches(history(spaces.experience(other)), spaces.space())
    assert found.tolist() == [-1]


def test_a_missing_latency_is_no_failure():
    wanted = replace(context(), objectives=(Objective.F1, Objective.TIME, Objective.LATENCY))
    usable, dropped = select_usable(history(NEAR), wanted)
    assert usable.succeeded.all()
    assert not dropped


def test_an_empty_history_leaves_the_uniform_model():
    started = warm_start(history(), context(), PAPER)
    assert started.report.applied == started.report.mapped == 0
    assert started.report.prior_shift == 0.0


def test_neighbours_by_hand():
    past = [
        spaces.experience(spaces.configuration(), number=0, f1=0.9, features=(0.0, 1.0)),
        spaces.experience(spaces.configuration(), number=1, f1=0.5, features=(0.0, 0.0)),
        spaces.experience(spaces.configuration(), number=2, f1=0.9, features=(0.0, 10.0)),
        spaces.experience(
            spaces.configuration("encoder-lora"),
            number=3,
            outcome=Outcome.TIMEOUT,
            features=(0.0, 2.0),
        ),
        spaces.experience(
            spaces.configuration("encoder-lora"),
            number=4,
            outcome=Outcome.TIMEOUT,
            features=(0.0, 6.0),
        ),
    ]
    # Feature distances 1, 0, 10, 2, 6 scaled: .1, 0, 1, .2, .6. Scores' distances of the
    # successes: 0, .4 / 2, 0 scaled: 0, 1, 0. Together .07, .3, .7: number 0 is nearest, then 1.
    usable, _ = select_usable(history(*past), context())
    options = NeighbourOptions(k=1)
    plan, left_out = plan_neighbours(usable, context(), options)
    # Of the failures the farthest is taken, as the paper's baseline does.
    replayed = [usable.history.identity(row).id for row in plan.rows]
    assert replayed == [past[0].id, past[4].id]
    assert plan.alpha.tolist() == [1.0, -1.0]
    assert sum(left_out.values()) == 3
    started = neighbour_start(history(*past), context(), options)
    # Its branch weight came to 1 - 1 = 0, which the paper sets to 0.001.
    assert started.model.branches == {"encoder-full": 2.0, "encoder-lora": 0.001}


def test_metric_distances_ignore_what_was_not_measured():
    costs = np.asarray([[-0.9, 10.0], [-0.5, np.nan], [-0.7, 10.0]])
    assert metric_distances(costs) == pytest.approx([0.0, 1.0, 0.5])


def test_a_scaled_metric_distance_lets_scores_count_beside_seconds():
    # The worst and quickest, the best and slowest, one that is nearly as good at half the octaves.
    costs = np.asarray([[-0.5, 10.0], [-0.9, 1000.0], [-0.86, 100.0]])
    objectives = (Objective.F1, Objective.TIME)
    assert int(np.argmin(metric_distances(costs, objectives))) == 0
    scaled = metric_distances(costs, objectives, scale="minmax")
    # Gaps of 1 and 0, of 0 and 1, of 0.1 and 0.5.
    assert scaled == pytest.approx([1.0, 1.0, 0.0])
    other_units = costs * [1.0, 60.0]
    assert metric_distances(other_units, objectives, scale="minmax") == pytest.approx(scaled)
    gaps = np.asarray([[-0.9, np.nan], [-0.5, np.nan], [-0.7, 10.0]])
    assert metric_distances(gaps, objectives, scale="minmax") == pytest.approx([0.0, 1.0, 0.5])


@pytest.mark.parametrize(("scale", "nearest"), [("raw", 0), ("minmax", 1)])
def test_the_scale_decides_whom_the_neighbours_search_replays(scale, nearest):
    # All at the same distance: a poor and quick trial, a good one that is slower, a poor slow one.
    figures = ((0.3, 20.0), (0.9, 40.0), (0.31, 2000.0))
    past = [
        spaces.experience(spaces.configuration(), number=i, f1=f1, seconds=seconds)
        for i, (f1, seconds) in enumerate(figures)
    ]
    usable, _ = select_usable(history(*past), context())
    plan, _ = plan_neighbours(usable, context(), NeighbourOptions(k=1, metric_scale=scale))
    assert usable.history.identity(int(plan.rows[0])).id == past[nearest].id
