"""The Optuna study of a search: a journal file that ``optuna-dashboard`` opens.

The study is a view of the search, rebuilt from the run folder whenever a search is resumed: a
journal that was cut off by a kill is never repaired, but replaced.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

from xautolm_core.records.methods import is_cheap
from xautolm_core.records.outcome import Outcome
from xautolm_core.search.contract import STUDY_FILE
from xautolm_core.search.contract import Objective
from xautolm_core.search.records import values_to_tell
from xautolm_core.search.resume import planned_again
from xautolm_core.search.samplers.base import CONTINUES_ATTRIBUTE
from xautolm_core.search.samplers.base import CUT_ATTRIBUTE
from xautolm_core.search.samplers.base import METHOD_ATTRIBUTE
from xautolm_core.search.samplers.base import MODEL_ATTRIBUTE
from xautolm_core.search.samplers.base import ROWS_ATTRIBUTE
from xautolm_core.search.samplers.base import SCREENING_ATTRIBUTE
from xautolm_core.search.samplers.encoding import OUTCOME_ATTRIBUTE
from xautolm_core.search.samplers.encoding import ask_configuration
from xautolm_core.search.samplers.encoding import distributions
from xautolm_core.space.draw import encode
from xautolm_core.space.screening import screening_rows

if TYPE_CHECKING:
    import optuna

    from xautolm_core.records.attempt import TrialResult
    from xautolm_core.records.configuration import Configuration
    from xautolm_core.records.configuration import Value
    from xautolm_core.search.explanation import TrialExplanation
    from xautolm_core.search.folders import Proposal
    from xautolm_core.search.planned import PlannedTrial
    from xautolm_core.search.samplers.base import SpaceSampler
    from xautolm_core.space.space import SearchSpace

WHY_ATTRIBUTE = "why"
PREDICTED_ATTRIBUTE = "predicted"


def create_study(
    out_folder: Path,
    *,
    name: str,
    objectives: Sequence[Objective],
    sampler: SpaceSampler,
    finished: Sequence[tuple[Proposal, TrialResult | None, Mapping[str, float]]] = (),
    study_attributes: Mapping[str, Any] | None = None,
) -> optuna.Study:
    """Create the study of a run, replacing an existing one.

    Args:
        out_folder: The run folder.
        name: Name of the study: the search's id.
        objectives: Their directions and names.
        sampler: Proposes the next trials.
        finished: Trials so far, in the order of their numbers: proposal, result and the
            objectives' values. Trials without a result are enqueued: they are asked for next, with
            the same number and configuration.
        study_attributes: Attributes that the sampler had set.
    """
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    path = out_folder / STUDY_FILE
    draft = path.with_name(f".{path.name}")
    for leftover in (draft, *out_folder.glob(f"{STUDY_FILE}.lock*")):
        leftover.unlink(missing_ok=True)
    better = optuna.study.StudyDirection
    directions = [better.MAXIMIZE if o.maximize else better.MINIMIZE for o in objectives]
    study = optuna.create_study(
        storage=JournalStorage(JournalFileBackend(str(draft))),
        study_name=name,
        directions=directions,
        sampler=sampler,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study.set_metric_names([o.value for o in objectives])
    for key, value in (study_attributes or {}).items():
        study.set_user_attr(key, value)
    added = 0
    for proposal, result, values in finished:
        # Numbers without a trial are kept, as the trials' numbers would change otherwise.
        for _ in range(added, proposal.number):
            study.add_trial(_nothing_left())
        added = proposal.number + 1
        _add_trial(
            study,
            sampler.space,
            proposal,
            result,
            values_to_tell(values, objectives),
        )
    draft.replace(path)
    return optuna.load_study(
        storage=JournalStorage(JournalFileBackend(str(path))), study_name=name, sampler=sampler
    )


def _add_trial(
    study: optuna.Study,
    space: SearchSpace,
    proposal: Proposal,
    result: TrialResult | None,
    values: list[float] | None,
) -> None:
    import optuna

    handles = handles_of(space, proposal.configuration)
    attributes = attributes_of(planned_again(proposal), proposal.explanation)
    if result is None:
        study.enqueue_trial(handles, user_attrs=attributes)
        return
    known = distributions(space)
    study.add_trial(
        optuna.trial.create_trial(
            state=told_state(result, values),
            values=values,
            params=handles,
            distributions={handle: known[handle] for handle in handles},
            user_attrs={**attributes, **result_attributes(result)},
        )
    )


def handles_of(space: SearchSpace, configuration: Configuration) -> dict[str, Value]:
    """Return the parameters of a configuration's trial; a cheap candidate has none to draw."""
    return {} if is_cheap(configuration.method) else encode(space, configuration)


def attributes_of(
    planned: PlannedTrial, explanation: TrialExplanation | None = None
) -> dict[str, Any]:
    """Return the user attributes of a trial that describe its configuration.

    Args:
        planned: The planned trial.
        explanation: Explanation of the proposal. Only its predictions are kept, as the journal is
            read often.
    """
    known = {
        WHY_ATTRIBUTE: planned.why,
        METHOD_ATTRIBUTE: planned.configuration.method,
        MODEL_ATTRIBUTE: planned.configuration.model,
        SCREENING_ATTRIBUTE: screening_rows(planned.configuration),
        CONTINUES_ATTRIBUTE: planned.continues,
        PREDICTED_ATTRIBUTE: None if explanation is None else _predicted(explanation) or None,
    }
    return {name: value for name, value in known.items() if value is not None}


def _predicted(explanation: TrialExplanation) -> dict[str, Any]:
    """Return objective to low, median and high; ``failure`` to its probability."""
    found: dict[str, Any] = {
        name: [one.low, one.median, one.high] for name, one in explanation.predictions.items()
    }
    if explanation.failure_probability is not None:
        found["failure"] = explanation.failure_probability
    return found


def ask_for(study: optuna.Study, space: SearchSpace, planned: PlannedTrial) -> optuna.Trial:
    """Return a new trial of a given configuration, without asking the sampler."""
    configuration = planned.configuration
    study.enqueue_trial(
        handles_of(space, configuration),
        user_attrs=attributes_of(planned),
    )
    trial = study.ask()
    settle_parameters(trial, space, configuration)
    return trial


def settle_parameters(
    trial: optuna.Trial, space: SearchSpace, configuration: Configuration
) -> None:
    """Set the parameters of an enqueued trial."""
    if not is_cheap(configuration.method):
        ask_configuration(trial, space)


def told_state(result: TrialResult, values: Sequence[float] | None) -> optuna.trial.TrialState:
    """Return the Optuna state of a finished trial."""
    import optuna

    if values:
        return optuna.trial.TrialState.COMPLETE
    if result.outcome is Outcome.PRUNED:
        return optuna.trial.TrialState.PRUNED
    return optuna.trial.TrialState.FAIL


def result_attributes(result: TrialResult) -> dict[str, Any]:
    """Return the user attributes of a result."""
    attributes: dict[str, Any] = {
        OUTCOME_ATTRIBUTE: result.outcome.value,
        ROWS_ATTRIBUTE: result.progress.rows,
    }
    if result.cut_by is not None:
        attributes[CUT_ATTRIBUTE] = result.cut_by
    if result.failure is not None:
        attributes["failure"] = result.failure.kind
    return attributes


def tell(
    study: optuna.Study, trial: optuna.Trial, result: TrialResult, values: list[float] | None
) -> None:
    """Tell the study how a trial ended."""
    for key, value in result_attributes(result).items():
        trial.set_user_attr(key, value)
    study.tell(trial, values, state=told_state(result, values))


def _nothing_left() -> optuna.trial.FrozenTrial:
    """Return a trial for which no configuration was left (``tell_exhausted``)."""
    import optuna

    return optuna.trial.create_trial(
        state=optuna.trial.TrialState.FAIL,
        user_attrs={OUTCOME_ATTRIBUTE: Outcome.CANCELLED.value},
    )


def tell_exhausted(study: optuna.Study, trial: optuna.Trial) -> None:
    """Tell the study that no configuration was left for a trial."""
    import optuna

    trial.set_user_attr(OUTCOME_ATTRIBUTE, Outcome.CANCELLED.value)
    study.tell(trial, state=optuna.trial.TrialState.FAIL)


def sampler_attributes(study: optuna.Study) -> dict[str, Any]:
    """Return the attributes that a sampler stores in its study, by name."""
    return {k: v for k, v in study.user_attrs.items() if not k.startswith("_")}
