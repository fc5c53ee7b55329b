"""A search that remembers begins with what it remembers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata

from tests.search import spaces
from tests.search.instant import InstantLauncher
from tests.search.instant import Silent
from xautolm_core.records.configuration import Configuration
from xautolm_core.records.experience import Experience
from xautolm_core.records.outcome import Outcome
from xautolm_core.search.contract import Objective
from xautolm_core.search.history import History
from xautolm_core.search.runner import run_search
from xautolm_core.search.samplers import make_sampler
from xautolm_core.search.samplers.base import SpaceSampler
from xautolm_core.search.samplers.encoding import ask_configuration
from xautolm_core.search.samplers.recall import ranks_within

STARTS = tuple(spaces.configuration(epochs=n) for n in (1, 2, 3))
SPACE = spaces.space(starts=STARTS)


def tried(epochs: int, **more) -> Configuration:
    return spaces.configuration("encoder-lora", epochs=epochs, **more)


def past(
    task: str, scores: Sequence[tuple[Configuration, float | Outcome]], **more
) -> list[Experience]:
    """Return a search on a task: its configurations with their scores, or how they failed."""
    return [
        spaces.experience(
            configuration,
            number=number,
            search_id=f"search-{task}",
            task_name=task,
            outcome=came_to if isinstance(came_to, Outcome) else Outcome.OK,
            f1=None if isinstance(came_to, Outcome) else came_to,
            **more,
        )
        for number, (configuration, came_to) in enumerate(scores)
    ]


def sampler(experiences: Sequence[Experience], name: str = "xautolm", **more) -> SpaceSampler:
    return make_sampler(
        name,
        **{
            "space": SPACE,
            "objectives": (Objective.F1, Objective.TIME),
            "seed": 1,
            "task_type": "text-classification",
            "task_features": spaces.task_features(0.0, 0.0),
            "system_features": spaces.system_features(2.0),
            "history": History.of(experiences),
            "task_name": "moods",
            **more,
        },
    )


def proposals(sampling: SpaceSampler, count: int) -> list[tuple[Configuration, str]]:
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampling)
    found = []
    for _ in range(count):
        trial = study.ask()
        found.append((ask_configuration(trial, sampling.space), sampling.why(trial.number)))
        study.tell(trial, (0.5, 1.0))
    return found


def took(experience: Experience, seconds: float) -> Experience:
    return experience.model_copy(update={"seconds": {"train": seconds - 1.0, "evaluate": 1.0}})


OWN = past("moods", [(tried(4), 0.7), (tried(5), 0.812), (tried(6), 0.812)], seconds=34.0)
OWN[2] = took(OWN[2], 40.0)


@pytest.mark.parametrize("name", ["xautolm", "knn"])
def test_a_known_task_begins_with_what_won_last_time(name):
    assert proposals(sampler(OWN, name), 1)[0][0] == tried(5)
    found = proposals(sampler([*OWN[:2], took(OWN[2], 21.0)], name), 4)
    assert found[0] == (tried(6), "won the last search on this task: F1 .812 in 21 s")
    # One configuration from memory leaves the space all of its own.
    assert [configuration for configuration, _ in found[1:]] == list(STARTS)
    assert found[1][1] == "first configuration 1 of space tests"


def test_a_task_is_known_by_its_name_whatever_its_data():
    other_data = [e.model_copy(update={"task_fingerprint": "grown"}) for e in OWN]
    assert proposals(sampler(other_data), 1)[0][0] == tried(5)
    assert proposals(sampler(OWN, task_name="other"), 1)[0][1].endswith("similar task (moods)")


def test_the_best_of_several_searches_says_so():
    later = spaces.experience(tried(7), number=9, search_id="later", task_name="moods", f1=0.6)
    assert proposals(sampler([*OWN, later]), 1)[0] == (
        tried(5),
        "best of 2 searches on this task: F1 .812 in 34 s",
    )


def test_the_best_of_poor_ones_is_not_as_good_as_what_beat_the_cheap_candidates():
    def cheap(method: str) -> Configuration:
        model = None if method == "tfidf" else spaces.configuration().model
        return Configuration(branch=method, model=model, method=method, parameters={})

    obvious = [cheap(name) for name in ("tfidf", "linear_probe", "linear_probe_tfidf")]
    many = [(tried(epochs), 0.5 - 0.01 * epochs) for epochs in (4, 8, 9, 10)]
    poor = past("poor", [*((one, 0.9) for one in obvious), *many])
    good = past("good", [*((one, 0.5) for one in obvious), (tried(6), 0.6), (tried(7), 0.55)])
    assert proposals(sampler([*poor, *good]), 1)[0][0] == tried(6)
    # Without the cheap ones nothing tells that all of the many were poor.
    assert proposals(sampler([*poor[3:], *good[3:]]), 1)[0][0] == tried(4)


def test_what_cannot_be_tried_is_passed_over():
    elsewhere = spaces.configuration("encoder-lora", epochs=40)
    cheap = Configuration(branch="tfidf", model=None, method="tfidf", parameters={})
    unknown = tried(5, model_name="org/unknown")
    failed = (tried(10), Outcome.OOM_HOST)
    best = [(elsewhere, 0.99), (cheap, 0.98), (unknown, 0.97), (tried(9), 0.96)]
    known = past("moods", [*best, failed, (tried(8), 0.8)])

    def infeasible(configuration: Configuration) -> str | None:
        return "too large" if configuration.parameters["epochs"] == 9 else None

    found = proposals(sampler(known, infeasible=infeasible), 4)
    assert [configuration for configuration, _ in found] == [tried(8), *STARTS]
    nothing_fits = sampler(known, infeasible=lambda c: None if c in STARTS else "too large")
    assert [configuration for configuration, _ in proposals(nothing_fits, 3)] == list(STARTS)
    failures = past("moods", [failed, (tried(2), Outcome.TIMEOUT)])
    assert [configuration for configuration, _ in proposals(sampler(failures), 3)] == list(STARTS)


def test_a_model_that_cannot_be_had_is_passed_over():
    known = past("moods", [(tried(5, model_name="org/large"), 0.9), (tried(4), 0.8)])
    assert proposals(sampler(known), 1)[0][0].model == "org/large"
    models = {"org/small": SPACE.models["org/small"]}
    bare = sampler(known, space=replace(SPACE, models=models))
    assert proposals(bare, 1)[0][0] == tried(4)


def test_values_are_those_of_the_space():
    """Equal numbers that another writer wrote differently are not proposed as they were written."""
    known = past("moods", [(spaces.configuration("encoder-lora", learning_rate=0.0001), 0.8)])
    (found, _), *_ = proposals(sampler(known), 1)
    assert found.parameters["learning_rate"] is spaces.RATES[2]


THREE_TASKS = [
    *past("a", [(tried(4), 0.9), (tried(5), 0.8), (tried(6), 0.1), (tried(7), 0.2)]),
    *past("b", [(tried(4), 0.01), (tried(5), 0.31), (tried(6), 0.1), (tried(7), 0.05)]),
    *past("c", [(tried(8), 0.99), (tried(6), Outcome.OOM_GPU)]),
]


@pytest.mark.parametrize("name", ["xautolm", "knn"])
def test_similar_tasks_give_the_two_that_rank_best(name):
    """Ranks count and not scores, and good ranks on two tasks for more than the best on one."""
    found = proposals(sampler(THREE_TASKS, name), 4)
    # Scaled ranks of 4: .875, .125; of 5: .625, .875; of 8: .75; all tasks weigh 1:
    # (1 + .5) / 3 = .5, (1.5 + .5) / 3 = .667, (.75 + .5) / 2 = .625.
    assert found[0] == (tried(5), "best on 2 similar tasks (a, b)")
    assert found[1] == (tried(8), "second best on 1 similar task (c)")
    assert found[2][0] == STARTS[0]
    assert found[3][0] not in STARTS


def test_a_known_task_with_similar_ones_begins_with_its_own():
    won = past("moods", [(tried(5), 0.5), (tried(8), Outcome.OOM_GPU)])
    found = proposals(sampler([*THREE_TASKS, *won]), 3)
    assert found[0][1].startswith("won the last search on this task: F1 .500")
    # 5 is taken; 8, which failed on this task, does not come first, however good elsewhere.
    assert [configuration for configuration, _ in found] == [tried(5), tried(4), STARTS[0]]
    assert found[1][1] == "second best on 2 similar tasks (a, b)"


def test_nearer_tasks_count_for_more():
    near = past("near", [(tried(4), 0.9), (tried(5), 0.1)], features=(0.0, 0.1))
    far = past("far", [(tried(5), 0.9), (tried(4), 0.1)], features=(9.0, 9.0))
    assert proposals(sampler([*near, *far]), 1)[0][0] == tried(4)
    near = past("near", [(tried(4), 0.9), (tried(5), 0.1)], features=(9.0, 9.0))
    far = past("far", [(tried(5), 0.9), (tried(4), 0.1)], features=(0.0, 0.1))
    assert proposals(sampler([*near, *far]), 1)[0][0] == tried(5)


def test_what_ranks_below_the_middle_is_not_tried_first():
    (found, _), (second, why), *_ = proposals(
        sampler(past("a", [(tried(4), 0.9), (tried(5), 0.1)])), 2
    )
    assert (found, second) == (tried(4), STARTS[0])
    assert why == "first configuration 1 of space tests"


def test_what_would_take_too_long_here_is_passed_over():
    def with_rows(experiences: list[Experience], rows: float) -> list[Experience]:
        found = []
        for one in experiences:
            values = {**one.task_features.values, "n_instances": rows}
            features = one.task_features.model_copy(update={"values": values})
            found.append(one.model_copy(update={"task_features": features}))
        return found

    slow = past("a", [(tried(4), 0.9), (tried(6), 0.1)], seconds=30.0)
    quick = past("b", [(tried(5), 0.9), (tried(6), 0.1)], seconds=5.0)
    history = with_rows([*slow, *quick], 1_000.0)
    current = spaces.task_features(0.0, 0.0)
    now = current.model_copy(update={"values": {**current.values, "n_instances": 4_000.0}})
    firsts = {
        allowed: [
            configuration
            for configuration, why in proposals(
                sampler(history, task_features=now, seconds_allowed=allowed), 2
            )
            if "similar" in why
        ]
        for allowed in (None, 120.0, 30.0, 10.0)
    }
    # 30 s on a quarter of the rows are 120 s here, 5 s are 20 s.
    assert firsts[None] == firsts[120.0]
    assert set(firsts[None]) == {tried(4), tried(5)}
    assert firsts[30.0] == [tried(5)]
    assert firsts[10.0] == []


@pytest.mark.parametrize("name", ["zero_shot", "random"])
def test_samplers_without_history_begin_with_the_spaces_own(name):
    assert [c for c, _ in proposals(sampler(OWN, name), 3)] == list(STARTS)
    assert [c for c, _ in proposals(sampler([], "xautolm"), 3)] == list(STARTS)


def test_memory_can_wait():
    found = proposals(sampler([*OWN, *THREE_TASKS], options={"memory_first": "false"}), 3)
    assert [configuration for configuration, _ in found] == list(STARTS)


@given(st.lists(st.tuples(st.integers(0, 3), st.none() | st.integers(0, 5)), max_size=30))
def test_ranks_are_those_of_each_group(rows):
    groups = np.asarray([group for group, _ in rows], dtype=np.int32)
    values = np.asarray([np.nan if value is None else value for _, value in rows], dtype=float)
    found = ranks_within(values, groups)
    for group in set(groups.tolist()):
        members = groups == group
        worth = np.where(np.isnan(values[members]), -np.inf, values[members])
        assert found[members] == pytest.approx((rankdata(worth) - 0.5) / members.sum())


def test_a_second_search_begins_with_the_first_ones_best(make_spec, tmp_path):
    def search(search_id: str, trials: int):
        return run_search(
            make_spec(search_id=search_id, sampler="xautolm", max_trials=trials),
            tmp_path / search_id,
            launcher=InstantLauncher(),
            observer=Silent(),
            with_test=False,
        )

    first = search("first", 8)
    best = max(first.trials, key=lambda trial: trial.values.get("f1", 0.0))
    second = search("second", 2)
    assert second.trials[0].configuration == best.configuration
    assert second.trials[0].why.startswith("won the last search on this task: F1 .")
