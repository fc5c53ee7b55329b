"""The base class of all samplers, a plug-in of Optuna's public ``BaseSampler``."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Any
from typing import ClassVar
from typing import Self

import numpy as np
from optuna.samplers import BaseSampler
from optuna.trial import TrialState

from xautolm_core.records.configuration import Configuration
from xautolm_core.records.configuration import Value
from xautolm_core.search.contract import WarmStartReport
from xautolm_core.search.epochs import EPOCHS
from xautolm_core.search.explanation import TrialExplanation
from xautolm_core.search.samplers.encoding import distributions
from xautolm_core.search.samplers.encoding import handles_key
from xautolm_core.search.samplers.options import RandomOptions
from xautolm_core.search.samplers.probabilistic_model import UniformChooser
from xautolm_core.space.draw import Chooser
from xautolm_core.space.draw import draw
from xautolm_core.space.draw import encode
from xautolm_core.space.space import SearchSpace

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

    from xautolm_core.search.samplers.contract import SamplerInputs
    from xautolm_core.search.samplers.failure_rows import FailureForecaster

MAX_TRIES = 200
REFUSED_PROBABILITY = 0.9
"""Probability of failure above which a first configuration from memory or defaults is skipped."""

# This many experiences, and configurations from memory, are a better guide than the space's own
# first configurations.
ENOUGH_HISTORY = 8
ENOUGH_FROM_MEMORY = 2
CONTINUES_ATTRIBUTE = "continues"
CUT_ATTRIBUTE = "cut_by"
METHOD_ATTRIBUTE = "method"
MODEL_ATTRIBUTE = "model"
SCREENING_ATTRIBUTE = "screening_rows"
ROWS_ATTRIBUTE = "rows"

Infeasibility = Callable[[Configuration], str | None]


@dataclass(frozen=True)
class FirstConfiguration:
    """A configuration to try before any draw, with its origin in words."""

    configuration: Configuration
    why: str


class SpaceExhaustedError(Exception):
    """Everything feasible that could be found has been tried already."""


class SpaceSampler(BaseSampler):
    """Draws whole configurations of a search space.

    Its proposals depend only on its seed, the trial's number and the finished trials of the study:
    a new instance on the same study continues where another one stopped. The first proposals are
    configurations from memory, then the space's own starts (one of them, where memory gave enough).
    Configurations that cannot run, and exact repetitions, are drawn again, up to ``MAX_TRIES``
    times, and then uniformly as often. With a failure model a draw that fails with probability p is
    drawn again with probability p; where nothing else was found, the least risky one is taken.

    Args:
        space: The space to draw from.
        seed: Seed of all draws.
        options: Which first configurations, whether repetitions are allowed.
        infeasible: Returns why a configuration cannot run here, or None if it can.
        report: Effect of the history on the sampler.
        from_memory: Configurations to try before the space's own starts.
        failures: Predicts probabilities of failure; None to draw without a failure model.

    Attributes:
        options_type: The options that a sampler of this class has.
        adapt: Adapts a trial's epochs to the time left, before it is proposed; its arguments are a
            configuration, and whether it is a first one. The loop sets it, as it knows the time.
            The identity by default.
    """

    options_type: ClassVar[type[RandomOptions]] = RandomOptions
    adapt: Callable[[Configuration, bool], Configuration]

    @classmethod
    def build(cls, inputs: SamplerInputs) -> Self:
        """Return the sampler of a search; a subclass with other arguments has its own.

        Args:
            inputs: Inputs of the search.
        """
        return cls(
            inputs.space,
            seed=inputs.seed,
            options=inputs.options,
            infeasible=inputs.infeasible,
            failures=inputs.failures,
        )

    def __init__(
        self,
        space: SearchSpace,
        *,
        seed: int,
        options: RandomOptions,
        infeasible: Infeasibility | None = None,
        report: WarmStartReport | None = None,
        from_memory: Sequence[FirstConfiguration] = (),
        failures: FailureForecaster | None = None,
    ) -> None:
        self.space = space
        self.report = report or WarmStartReport()
        self._seed = seed
        self._common = options
        self._infeasible = infeasible or (lambda _: None)
        self._from_memory = tuple(from_memory)
        self._failures = failures
        self.adapt = _as_it_is
        self._distributions = distributions(space)
        self._why: dict[int, str] = {}
        self._explanations: dict[int, TrialExplanation] = {}

    @property
    def options(self) -> RandomOptions:
        """The options of the sampler."""
        return self._common

    def chooser(
        self, study: Study, number: int, generator: np.random.Generator
    ) -> tuple[Chooser, str]:
        """Return the chooser that draws the trial's configuration, and its origin in words."""
        raise NotImplementedError

    def why(self, number: int) -> str:
        """Return the origin of a trial's configuration, in words."""
        return self._why.get(number, "given from outside")

    def explanation(self, number: int) -> TrialExplanation | None:
        """Return the explanation of a trial's proposal; None where no model proposed it."""
        return self._explanations.get(number)

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return all handles of the space: conditional ones are drawn jointly."""
        return dict(self._distributions)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Draw a configuration; handles of other branches are absent.

        Raises:
            SpaceExhaustedError: Nothing new and feasible was found.
        """
        tried = self._tried(study, trial.number)
        first_ones = list(self._first_configurations())
        asked = {handles_key(encode(self.space, first.configuration)) for first in first_ones}
        # A configuration that ran with fewer epochs than proposed counts as tried.
        shortened = {_without_epochs(key) for key in tried - asked}
        risk = self._risk(study)
        for first in first_ones:
            whole = handles_key(encode(self.space, first.configuration))
            if whole in tried or _without_epochs(whole) in shortened:
                continue
            configuration = self.adapt(first.configuration, True)
            handles = encode(self.space, configuration)
            if handles_key(handles) in tried or self._infeasible(configuration) is not None:
                continue
            if risk(configuration) > REFUSED_PROBABILITY:
                continue
            self._why[trial.number] = first.why
            self.foretell(study, trial.number, configuration)
            return handles
        if self._common.allow_duplicates:
            tried = set()
        proposed = self.propose(study, trial.number, tried)
        if proposed is None:
            self._explanations.pop(trial.number, None)
            generator = np.random.default_rng([self._seed, trial.number, len(tried)])
            drawn = self._draw_new(UniformChooser(generator), tried, self._risk(study), generator)
            if drawn is None:
                raise SpaceExhaustedError
            proposed = drawn, "uniform draw, since all else was tried already or cannot run"
        handles, self._why[trial.number] = proposed
        return handles

    def foretell(self, study: Study, number: int, configuration: Configuration) -> None:
        """Store the predictions for a first configuration; samplers without predictions do nothing.

        Args:
            study: The study with the finished trials.
            number: Number of the trial.
            configuration: Its configuration.
        """

    def propose(
        self, study: Study, number: int, tried: set[frozenset[Any]]
    ) -> tuple[dict[str, Value], str] | None:
        """Return the next configuration and its origin; None if all found were tried or cannot run.

        Args:
            study: The study with the finished trials.
            number: Number of the trial.
            tried: Keys of configurations that must not be proposed again.
        """
        generator = np.random.default_rng([self._seed, number])
        chooser, why = self.chooser(study, number, generator)
        drawn = self._draw_new(chooser, tried, self._risk(study), generator)
        return None if drawn is None else (drawn, why)

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Draw one value uniformly (a handle that the configuration does not have)."""
        from optuna.distributions import CategoricalDistribution
        from optuna.distributions import IntDistribution

        name_seed = zlib.crc32(param_name.encode())
        generator = np.random.default_rng([self._seed, trial.number, name_seed])
        match param_distribution:
            case CategoricalDistribution(choices=choices):
                return choices[int(generator.integers(len(choices)))]
            case IntDistribution(low=low, high=high):
                return int(generator.integers(low, high + 1))
        raise TypeError(f"{param_name}: the space has no such kind of parameter")

    def _first_configurations(self) -> Iterator[FirstConfiguration]:
        """Yield the first configurations in order: those from memory, then the space's starts."""
        yield from self._from_memory
        for index, start in enumerate(self._starts):
            why = f"first configuration {index + 1} of space {self.space.name}"
            yield FirstConfiguration(start, why)

    @property
    def _starts(self) -> Sequence[Configuration]:
        """The space's own first configurations to try."""
        learnt_from = self.report.applied + self.report.mapped
        enough = learnt_from >= ENOUGH_HISTORY and len(self._from_memory) >= ENOUGH_FROM_MEMORY
        match self._common.starts:
            case "none":
                return ()
            case "auto" if enough:
                return self.space.starts[:1]
            case _:
                return self.space.starts

    def _risk(self, study: Study) -> Callable[[Configuration], float]:
        """Return a function from a configuration to its current probability of failure."""
        failures = self._failures
        if failures is None:
            return lambda _: 0.0
        model = failures.model(study)
        return lambda one: float(failures.foreseen([one], model).any[0])

    def _tried(self, study: Study, number: int) -> set[frozenset[Any]]:
        return {
            handles_key(other.params)
            for other in study.get_trials(deepcopy=False)
            if other.number != number and other.state is not TrialState.WAITING
        }

    def _draw_new(
        self,
        chooser: Chooser,
        tried: set[frozenset[Any]],
        risk: Callable[[Configuration], float],
        generator: np.random.Generator,
    ) -> dict[str, Value] | None:
        least_risky: dict[str, Value] | None = None
        lowest = np.inf
        for _ in range(MAX_TRIES):
            configuration = self.adapt(draw(self.space, chooser), False)
            handles = encode(self.space, configuration)
            if handles_key(handles) in tried or self._infeasible(configuration) is not None:
                continue
            probability = risk(configuration)
            if probability == 0 or generator.random() >= probability:
                return handles
            if probability < lowest:
                least_risky, lowest = handles, probability
        return least_risky


def _as_it_is(configuration: Configuration, is_first: bool) -> Configuration:
    return configuration


def _without_epochs(key: frozenset[Any]) -> frozenset[Any]:
    return frozenset(pair for pair in key if not pair[0].endswith(f".{EPOCHS}"))
