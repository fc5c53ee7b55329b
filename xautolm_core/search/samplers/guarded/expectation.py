"""Predictions for candidates, by the history and the trials so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xautolm_core.search.contract import Objective
from xautolm_core.search.samplers.guarded.censoring import UNKNOWN_NOISE
from xautolm_core.search.samplers.guarded.censoring import below
from xautolm_core.search.samplers.guarded.scores import noise_of
from xautolm_core.search.samplers.guarded.scores import normal_scores
from xautolm_core.search.samplers.guarded.sources import better_values
from xautolm_core.search.samplers.guarded.structures import Beliefs
from xautolm_core.search.samplers.guarded.structures import Observations
from xautolm_core.search.samplers.guarded.structures import StructureSet

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xautolm_core.records.configuration import Configuration
    from xautolm_core.search.samplers.guarded.design import Design
    from xautolm_core.search.samplers.guarded.memory import Memory
    from xautolm_core.search.samplers.guarded.own_trials import OwnTrials


@dataclass(frozen=True)
class Expectation:
    """Beliefs over the own trials and candidates.

    The rows are: scored trials, pruned ones, running ones, candidates.

    Attributes:
        design: The configurations of all rows.
        beliefs: One entry per objective.
        scored: Number of scored trials.
        first_candidate: Row of the first candidate.
        values: Shape (scored, objectives): of the scored trials, more is better.
        scores: Shape (scored, objectives): their normal scores.
        front_scores: Shape (points, objectives): normal scores of all trials with an outcome, cheap
            candidates included.
        floors: Shape (objectives,): normal scores below which a result has no worth, see
            ``expected_gain``; None where there are no cheap candidates.
    """

    design: Design
    beliefs: tuple[Beliefs, ...]
    scored: int
    first_candidate: int
    values: NDArray[np.float64]
    scores: NDArray[np.float64]
    front_scores: NDArray[np.float64]
    floors: tuple[float, ...] | None

    @property
    def candidates(self) -> slice:
        """The rows of the candidates."""
        return slice(self.first_candidate, None)


def expectation(
    memory: Memory,
    own: OwnTrials,
    candidates: Sequence[Configuration],
    objectives: tuple[Objective, ...],
) -> Expectation:
    """Return the predictions for candidates.

    Own trials are ranked together with the cheap candidates: a language model that is worse than a
    cheap candidate is poor, even if it is the best language model. A trial that was stopped early
    has at most a middling score, one that was cut would have taken longer: such bounds are replaced
    by the expected value within them.

    Args:
        memory: The history's structures.
        own: The trials so far.
        candidates: The candidates.
        objectives: The objectives.
    """
    ended, pending = [*own.scored, *own.pruned], list(own.pending)
    design = memory.space.of_configurations([*ended, *pending, *candidates], own.screening)
    values = better_values(np.vstack([own.costs, own.beside]), objectives)
    scores = np.column_stack(
        [normal_scores(values[:, c], noise=noise_of(o)) for c, o in enumerate(objectives)]
    )
    scored = len(own.scored)
    beliefs = []
    for column, (structures, objective) in enumerate(
        zip(memory.structures, objectives, strict=True)
    ):
        observed = np.append(scores[:scored, column], np.zeros(len(own.pruned)))
        bounds = np.full(len(ended), np.nan)
        if objective is Objective.F1:
            bounds[scored:] = 0.0
        elif objective.grows_with_schedule:
            bounds[:scored][own.is_cut] = scores[:scored, column][own.is_cut]
        noise = np.where(np.arange(len(ended)) < scored, 0.0, UNKNOWN_NOISE)
        noise[np.isfinite(bounds)] = UNKNOWN_NOISE
        belief = _with_bounds(structures, design, Observations(observed, noise), bounds)
        beliefs.append(_with_pending(structures, design, belief, len(pending)))
    return Expectation(
        design,
        tuple(one.beliefs for one in beliefs),
        scored,
        len(ended) + len(pending),
        values[:scored],
        scores[:scored],
        scores,
        _floors(values[scored:], scores[scored:], objectives),
    )


def _floors(
    values: NDArray[np.float64], scores: NDArray[np.float64], objectives: tuple[Objective, ...]
) -> tuple[float, ...] | None:
    """Return the score of the quickest cheap candidate; minus infinity for costs.

    Args:
        values: Shape (cheap candidates, objectives), more is better.
        scores: Likewise, their normal scores.
        objectives: Objectives of the columns.
    """
    costs = [column for column, one in enumerate(objectives) if one is not Objective.F1]
    if len(values) == 0 or not costs:
        return None
    quickest = int(np.argmax(values[:, costs[0]]))
    return tuple(
        float(scores[quickest, column]) if one is Objective.F1 else -np.inf
        for column, one in enumerate(objectives)
    )


@dataclass(frozen=True)
class _Step:
    beliefs: Beliefs
    observations: Observations


def _with_bounds(
    structures: StructureSet,
    design: Design,
    observations: Observations,
    bounds: NDArray[np.float64],
) -> _Step:
    """Return beliefs in which bounds are replaced by the expected values within them."""
    beliefs = structures.beliefs(design, observations)
    bounded = np.flatnonzero(np.isfinite(bounds))
    if len(bounded) == 0:
        return _Step(beliefs, observations)
    mean = beliefs.average()[bounded]
    found, left = below(bounds[bounded], mean, beliefs.spread()[bounded])
    scores, noise = observations.scores.copy(), observations.extra_noise.copy()
    scores[bounded], noise[bounded] = found, left
    known = Observations(scores, noise)
    return _Step(structures.beliefs(design, known).weighed_by(beliefs), known)


def _with_pending(structures: StructureSet, design: Design, step: _Step, pending: int) -> _Step:
    """Return beliefs as if running trials had their expected outcomes."""
    if pending == 0:
        return step
    known = len(step.observations.scores)
    expected = step.beliefs.average()[known : known + pending]
    more = Observations(
        np.append(step.observations.scores, expected),
        np.append(step.observations.extra_noise, np.zeros(pending)),
    )
    found = structures.beliefs(design, more)
    return _Step(found.weighed_by(step.beliefs), more)
