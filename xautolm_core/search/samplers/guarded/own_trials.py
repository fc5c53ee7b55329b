"""The trials of the search itself, read from its study."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from optuna.study import StudyDirection
from optuna.trial import TrialState

from xautolm_core.records.outcome import Outcome
from xautolm_core.search.samplers.base import CONTINUES_ATTRIBUTE
from xautolm_core.search.samplers.base import CUT_ATTRIBUTE
from xautolm_core.search.samplers.base import SCREENING_ATTRIBUTE
from xautolm_core.search.samplers.encoding import OUTCOME_ATTRIBUTE
from xautolm_core.search.samplers.screening import screening_scores
from xautolm_core.space.draw import BRANCH_HANDLE
from xautolm_core.space.draw import decode

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from optuna import Study
    from optuna.trial import FrozenTrial

    from xautolm_core.records.configuration import Configuration
    from xautolm_core.space.space import SearchSpace


@dataclass(frozen=True)
class OwnTrials:
    """The trials of a search so far.

    Attributes:
        scored: Configurations of language models with all objectives; of a chain of continuations
            the last one.
        costs: Shape (scored, objectives), all minimised.
        is_cut: Shape (scored,): whether the trial was ended before the end of its schedule.
        pruned: Configurations whose trials were stopped early.
        ended: Configurations of all informative trials, failures included.
        pending: Configurations of running trials.
        beside: Shape (cheap candidates, objectives): their costs.
        screening: Model id to its screening score.
    """

    scored: tuple[Configuration, ...]
    costs: NDArray[np.float64]
    is_cut: NDArray[np.bool_]
    pruned: tuple[Configuration, ...]
    ended: tuple[Configuration, ...]
    pending: tuple[Configuration, ...]
    beside: NDArray[np.float64]
    screening: Mapping[str, float]


def nothing_tried(objectives: int) -> OwnTrials:
    """Return the value for a search without trials."""
    nothing = np.zeros((0, objectives))
    return OwnTrials((), nothing, np.zeros(0, dtype=bool), (), (), (), nothing, {})


def own_trials(study: Study, space: SearchSpace, number: int) -> OwnTrials:
    """Return a study's trials, without the given one."""
    trials = [t for t in study.get_trials(deepcopy=False) if t.number != number]
    complete = [t for t in trials if t.state is TrialState.COMPLETE and t.values is not None]
    superseded = {t.user_attrs.get(CONTINUES_ATTRIBUTE) for t in complete}
    scored = [t for t in complete if BRANCH_HANDLE in t.params and t.number not in superseded]
    ended = [t for t in trials if _says_something(t)]
    pending = [t for t in trials if t.state is TrialState.RUNNING and BRANCH_HANDLE in t.params]
    pruned = [t for t in ended if _outcome(t) is Outcome.PRUNED]
    beside = [
        t
        for t in complete
        if BRANCH_HANDLE not in t.params and SCREENING_ATTRIBUTE not in t.user_attrs
    ]
    return OwnTrials(
        scored=tuple(decode(space, t.params) for t in scored),
        costs=_costs(study, scored),
        is_cut=np.asarray([CUT_ATTRIBUTE in t.user_attrs for t in scored], dtype=bool),
        pruned=tuple(decode(space, t.params) for t in pruned),
        ended=tuple(decode(space, t.params) for t in ended),
        pending=tuple(decode(space, t.params) for t in pending),
        beside=_costs(study, beside),
        screening=screening_scores(study),
    )


def _says_something(trial: FrozenTrial) -> bool:
    if BRANCH_HANDLE not in trial.params:
        return False
    is_final = trial.state in (TrialState.COMPLETE, TrialState.FAIL, TrialState.PRUNED)
    return is_final and _outcome(trial).says_something_about_configuration


def _outcome(trial: FrozenTrial) -> Outcome:
    known = trial.user_attrs.get(OUTCOME_ATTRIBUTE)
    if known is not None:
        return Outcome(known)
    match trial.state:
        case TrialState.COMPLETE:
            return Outcome.OK
        case TrialState.PRUNED:
            return Outcome.PRUNED
        case _:
            return Outcome.INVALID


def _costs(study: Study, trials: Sequence[FrozenTrial]) -> NDArray[np.float64]:
    signs = [-1.0 if d is StudyDirection.MAXIMIZE else 1.0 for d in study.directions]
    rows = [[sign * v for sign, v in zip(signs, t.values, strict=True)] for t in trials]
    return np.asarray(rows, dtype=float).reshape(len(rows), len(signs))
