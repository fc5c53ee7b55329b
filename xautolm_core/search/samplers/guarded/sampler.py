"""The guarded sampler: it uses history where the own trials agree with it.

Bayesian model averaging over structures that use the history or do not (``structures``), expected
improvement of the hypervolume (``acquisition``) times the probability not to fail
(``failure_model``). docs/samplers.md has the rationale.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Any

import numpy as np

from xautolm_core.search.contract import Objective
from xautolm_core.search.pareto import non_dominated_fronts
from xautolm_core.search.samplers.base import FirstConfiguration
from xautolm_core.search.samplers.base import Infeasibility
from xautolm_core.search.samplers.base import SpaceSampler
from xautolm_core.search.samplers.encoding import handles_key
from xautolm_core.search.samplers.guarded.acquisition import expected_gain
from xautolm_core.search.samplers.guarded.candidates import all_configurations
from xautolm_core.search.samplers.guarded.candidates import drawn
from xautolm_core.search.samplers.guarded.candidates import unique
from xautolm_core.search.samplers.guarded.expectation import Expectation
from xautolm_core.search.samplers.guarded.expectation import expectation
from xautolm_core.search.samplers.guarded.explaining import explanation
from xautolm_core.search.samplers.guarded.own_trials import OwnTrials
from xautolm_core.search.samplers.guarded.own_trials import own_trials
from xautolm_core.space.draw import encode

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from optuna import Study

    from xautolm_core.records.configuration import Configuration
    from xautolm_core.records.configuration import Value
    from xautolm_core.search.contract import WarmStartReport
    from xautolm_core.search.samplers.failure_model import FailureProbabilities
    from xautolm_core.search.samplers.failure_rows import FailureForecaster
    from xautolm_core.search.samplers.guarded.memory import Memory
    from xautolm_core.search.samplers.options import GuardedOptions
    from xautolm_core.space.space import SearchSpace

FIRST_DRAWS = 5
"""Number of first trials without a history, drawn from all that can run."""

_CAUTION_WHEN_EXPLORING = 2.0
_RATE_DECADES = 0.5
_OPTIMISM = 2.0
"""Standard deviations above the expected value."""


class GuardedSampler(SpaceSampler):
    """Proposes the configuration with the largest expected gain of the front.

    Args:
        space: The space to draw from.
        seed: Seed of all draws.
        options: See ``GuardedOptions``.
        objectives: Objectives of the search.
        memory: The history's models.
        infeasible: See ``SpaceSampler``.
        report: See ``SpaceSampler``.
        failures: See ``SpaceSampler``.
        from_memory: See ``SpaceSampler``.
    """

    def __init__(
        self,
        space: SearchSpace,
        *,
        seed: int,
        options: GuardedOptions,
        objectives: tuple[Objective, ...],
        memory: Memory,
        infeasible: Infeasibility | None = None,
        report: WarmStartReport | None = None,
        failures: FailureForecaster | None = None,
        from_memory: Sequence[FirstConfiguration] = (),
    ) -> None:
        super().__init__(
            space,
            seed=seed,
            options=options,
            infeasible=infeasible,
            report=report,
            failures=failures,
            from_memory=from_memory,
        )
        self._options = options
        self._objectives = objectives
        self._memory = memory
        self._whole = all_configurations(space)

    def foretell(self, study: Study, number: int, configuration: Configuration) -> None:
        """Store the predictions for a first configuration."""
        own = own_trials(study, self.space, number)
        self._foretell(number, own, configuration, self._foreseen(study, [configuration]))

    def propose(
        self, study: Study, number: int, tried: set[frozenset[Any]]
    ) -> tuple[dict[str, Value], str] | None:
        """Return the candidate with the largest expected gain."""
        generator = np.random.default_rng([self._seed, number])
        own = own_trials(study, self.space, number)
        explores = generator.random() < self._options.exploration and bool(own.ended)
        # Without knowledge the least known configurations would look best: outliers.
        tells = len(own.scored) + len(own.pending)
        explores = explores or (tells < FIRST_DRAWS and not self._memory.knows_score)
        candidates = self._candidates(own, generator, tried)
        if not candidates:
            return None
        failures = self._foreseen(study, candidates)
        chance = np.ones(len(candidates)) if failures is None else 1.0 - failures.any
        if explores:
            weights = chance**_CAUTION_WHEN_EXPLORING * self._plausible(candidates) + 1e-12
            place = int(generator.choice(len(candidates), p=weights / weights.sum()))
            foreseen = self._foreseen(study, [candidates[place]])
            self._foretell(number, own, candidates[place], foreseen)
            return encode(self.space, candidates[place]), self._exploration_in_words(own)
        found = expectation(self._memory, own, candidates, self._objectives)
        gain = chance * expected_gain(
            found.beliefs,
            self._memory.curves,
            found.candidates,
            found.front_scores,
            generator=generator,
            floors=found.floors,
        )
        # If no gain is expected, take the best upper bound of the score.
        score = found.beliefs[0]
        might = (score.average() + _OPTIMISM * np.sqrt(score.spread()))[found.candidates]
        place = int(np.lexsort((-chance, -might, -gain))[0])
        self._explain(number, found, place, failures)
        return encode(self.space, candidates[place]), self._in_words(own)

    def _foretell(
        self,
        number: int,
        own: OwnTrials,
        configuration: Configuration,
        failures: FailureProbabilities | None,
    ) -> None:
        found = expectation(self._memory, own, [configuration], self._objectives)
        self._explain(number, found, 0, failures)

    def _foreseen(
        self, study: Study, candidates: Sequence[Configuration]
    ) -> FailureProbabilities | None:
        if self._failures is None:
            return None
        return self._failures.probabilities(candidates, study)

    def _explain(
        self, number: int, found: Expectation, place: int, failures: FailureProbabilities | None
    ) -> None:
        """Store the predictions for a candidate."""
        self._explanations[number] = explanation(
            self._memory,
            found,
            found.first_candidate + place,
            self._objectives,
            failure_probabilities={} if failures is None else failures.of(place),
            failure_probability=None if failures is None else float(failures.any[place]),
        )

    def _plausible(self, candidates: Sequence[Configuration]) -> NDArray[np.float64]:
        """Return how near each learning rate is to its method's usual one, in (0, 1]."""
        rates = self._memory.space.relative_rates(candidates)
        return np.asarray(np.exp(-0.5 * (np.nan_to_num(rates) / _RATE_DECADES) ** 2))

    def _candidates(
        self, own: OwnTrials, generator: np.random.Generator, tried: set[frozenset[Any]]
    ) -> list[Configuration]:
        if self._whole is not None:
            found = list(self._whole)
        else:
            front = [own.scored[place] for place in _front(own.costs)]
            found = drawn(self.space, generator, history=self._memory.candidates, front=front)
        # Costs are predicted once for all candidates that can run.
        adapted = unique(self.adapt(one, False) for one in found if self._infeasible(one) is None)
        return [
            one
            for one in adapted
            if handles_key(encode(self.space, one)) not in tried and self._infeasible(one) is None
        ]

    def _exploration_in_words(self, own: OwnTrials) -> str:
        if not own.ended:
            return "drawn from all that can run, before anything is known"
        return "exploration: drawn from all that can run"

    def _in_words(self, own: OwnTrials) -> str:
        tasks = len(self._memory.sources.others)
        learnt = f"{len(own.scored)} trials" if own.scored else "no trial yet"
        if tasks == 0:
            return f"largest expected gain, by {learnt}"
        return (
            f"largest expected gain, by {learnt} and {tasks} earlier task{'s' if tasks > 1 else ''}"
        )


def _front(costs: NDArray[np.float64]) -> list[int]:
    return non_dominated_fronts(costs)[0] if len(costs) else []
