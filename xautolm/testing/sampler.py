"""What every sampler must do."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import ClassVar

import optuna
import pytest
from optuna.trial import TrialState

from xautolm.extending import Configuration
from xautolm.extending import Outcome
from xautolm.extending import Sampler
from xautolm_core.records.features import FeatureVector
from xautolm_core.search.contract import Objective
from xautolm_core.search.samplers.base import SpaceExhaustedError
from xautolm_core.search.samplers.encoding import OUTCOME_ATTRIBUTE
from xautolm_core.search.samplers.encoding import ask_configuration
from xautolm_core.search.samplers.factory import make_sampler
from xautolm_core.space.definition import parse_definition
from xautolm_core.space.load import resolve
from xautolm_core.space.sources import ModelSources
from xautolm_core.space.space import SearchSpace

SPACE = """\
name: suite
cheap: false
models:
  encoders:
    - {id: small, untrained: &bert {model_type: bert, hidden_size: 32, num_hidden_layers: 2,
        num_attention_heads: 2, intermediate_size: 64, vocab_size: 100}}
    - {id: large, untrained: {<<: *bert, num_hidden_layers: 4}}
branches:
  encoder-full:
    method: full
    models: encoders
    parameters: &parameters
      learning_rate: [1.0e-5, 5.0e-5, 1.0e-4]
      epochs: {low: 1, high: 10}
      class_weighted_loss: boolean
  encoder-head: {method: head, models: encoders, parameters: *parameters}
"""


def suite_space() -> SearchSpace:
    """Return the space of the suite: two methods, two models without weights."""
    return resolve(parse_definition(SPACE, "suite.yaml"), ModelSources(offline=True))


class SamplerContract:
    """Subclasses set ``sampler_name`` to the name of an entry point, and ``options`` if they like.

    The package has to be installed, as the sampler is found by its name.
    """

    sampler_name: str
    options: ClassVar[Mapping[str, Any]] = {}

    @pytest.fixture
    def space(self) -> SearchSpace:
        """Return the space to draw from."""
        return suite_space()

    def sampler(
        self,
        space: SearchSpace,
        *,
        seed: int = 1,
        infeasible: Callable[[Configuration], str | None] | None = None,
    ) -> Sampler:
        """Return the sampler of a search of 20 trials without history."""
        return make_sampler(
            self.sampler_name,
            space=space,
            objectives=(Objective.F1, Objective.TIME),
            seed=seed,
            task_type="text-classification",
            task_features=_features("text-classification"),
            system_features=_features("system"),
            options=self.options,
            expected_trials=20,
            infeasible=infeasible,
        )

    def test_proposals_are_of_the_space_and_come_once(self, space: SearchSpace) -> None:
        tried = _run(_study(self.sampler(space)), space, 20)
        assert all(space.contains(one) for one in tried)
        assert len(set(tried)) == 20

    def test_the_seed_decides(self, space: SearchSpace) -> None:
        first, again, other = (
            _run(_study(self.sampler(space, seed=seed)), space, 12) for seed in (1, 1, 2)
        )
        assert first == again
        assert first != other

    def test_another_process_goes_on_the_same_way(self, space: SearchSpace) -> None:
        whole = _run(_study(self.sampler(space)), space, 15)
        storage = optuna.storages.InMemoryStorage()
        parts: list[Configuration] = []
        for trials in (1, 2, 7, 5):
            parts += _run(_study(self.sampler(space), storage), space, trials)
        assert parts == whole

    def test_what_cannot_run_is_not_proposed(self, space: SearchSpace) -> None:
        sampler = self.sampler(
            space, infeasible=lambda one: "too large" if one.model == "large" else None
        )
        tried = _run(_study(sampler), space, 20)
        assert {one.model for one in tried} == {"small"}

    def test_it_ends_where_nothing_is_left(self, space: SearchSpace) -> None:
        sampler = self.sampler(space, infeasible=lambda _: "nothing can run")
        with pytest.raises(SpaceExhaustedError):
            _run(_study(sampler), space, 1)

    def test_failures_and_stopped_trials_are_no_fault(self, space: SearchSpace) -> None:
        outcomes = (Outcome.OOM_HOST, Outcome.TIMEOUT, Outcome.PRUNED, Outcome.OK)
        tried = _run(_study(self.sampler(space)), space, 16, outcomes=outcomes)
        assert len(set(tried)) == 16

    def test_each_proposal_says_where_it_comes_from(self, space: SearchSpace) -> None:
        sampler = self.sampler(space)
        _run(_study(sampler), space, 6)
        assert all(sampler.why(number) for number in range(6))

    def test_epochs_are_changed_to_what_is_left(self, space: SearchSpace) -> None:
        sampler = self.sampler(space)
        first: list[Configuration] = []

        def adapt(one: Configuration, is_first: bool) -> Configuration:
            found = one.model_copy(update={"parameters": {**one.parameters, "epochs": 1}})
            first.extend([found] if is_first else [])
            return found

        sampler.adapt = adapt
        tried = _run(_study(sampler), space, 8)
        assert {one.parameters["epochs"] for one in tried} == {1}
        # A first configuration is adapted as such, and nothing that is drawn.
        assert set(first) <= set(tried[: len(space.starts)])


def _features(extractor: str) -> FeatureVector:
    return FeatureVector(extractor=extractor, version="1.0", values={"x": 1.0}, units={"x": "1"})


def _study(sampler: Sampler, storage: optuna.storages.BaseStorage | None = None) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(
        directions=["maximize", "minimize"],
        sampler=sampler,
        storage=storage,
        study_name="suite",
        load_if_exists=True,
    )


def _run(
    study: optuna.Study,
    space: SearchSpace,
    trials: int,
    *,
    outcomes: Sequence[Outcome] = (Outcome.OK,),
) -> list[Configuration]:
    """Ask for trials one after the other, and tell the study the outcome of each."""
    tried = []
    for _ in range(trials):
        trial = study.ask()
        configuration = ask_configuration(trial, space)
        tried.append(configuration)
        outcome = outcomes[trial.number % len(outcomes)]
        trial.set_user_attr(OUTCOME_ATTRIBUTE, outcome.value)
        if outcome is Outcome.OK:
            study.tell(trial, _values(configuration))
        else:
            pruned = outcome is Outcome.PRUNED
            study.tell(trial, state=TrialState.PRUNED if pruned else TrialState.FAIL)
    return tried


def _values(tried: Configuration) -> tuple[float, float]:
    """Return F1 and seconds."""
    epochs, rate = tried.parameters["epochs"], tried.parameters["learning_rate"]
    assert isinstance(epochs, int)
    assert isinstance(rate, float)
    size = 2.0 if tried.model == "large" else 1.0
    return 0.5 + 0.03 * epochs + 1000 * rate, size * epochs
