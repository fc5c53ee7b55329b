"""From what was opened to a search that can begin: features, history, sampler, study."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

from xautolm_core.caches import folder_of_caches
from xautolm_core.errors import ConfigError
from xautolm_core.search.clock import Clock
from xautolm_core.search.contract import SEARCH_FILE
from xautolm_core.search.contract import SearchSpec
from xautolm_core.search.experiences import ExperienceWriter
from xautolm_core.search.folders import CACHE_FOLDER
from xautolm_core.search.folders import RunState
from xautolm_core.search.interrupts import Interrupts
from xautolm_core.search.memory import remember
from xautolm_core.search.memory import tell_memory
from xautolm_core.search.opening import Opening
from xautolm_core.search.resume import ResumedTrial
from xautolm_core.search.resume import resumed_values
from xautolm_core.search.run_folder import with_what_is_known
from xautolm_core.search.samplers.factory import learns_from_history
from xautolm_core.search.samplers.factory import make_sampler
from xautolm_core.search.samplers.factory import reads_history
from xautolm_core.search.setup import SearchSetup
from xautolm_core.search.study import create_study
from xautolm_core.whole_files import write_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    import optuna

    from xautolm_core.launch.contract import Launcher
    from xautolm_core.records.features import FeatureVector
    from xautolm_core.search.contract import SearchObserver
    from xautolm_core.search.history import History
    from xautolm_core.search.measured import Measured
    from xautolm_core.search.samplers.base import SpaceSampler
    from xautolm_core.space.space import SearchSpace


@dataclass(frozen=True)
class SearchSurroundings:
    """What a search is given from outside.

    Attributes:
        launcher: Runs trials.
        observer: Is told how the search goes on.
        clock: Time used.
        interrupts: Ctrl-C and SIGTERM.
        measured: Meta-features that are known already; measured here if None.
    """

    launcher: Launcher
    observer: SearchObserver
    clock: Clock
    interrupts: Interrupts
    measured: Measured | None = None


def set_up(
    spec: SearchSpec,
    out_folder: Path,
    opening: Opening,
    *,
    state: RunState,
    resumed: Sequence[ResumedTrial],
    around: SearchSurroundings,
) -> SearchSetup:
    """Prepare everything that the trials share.

    Raises:
        ConfigError: The space is another one than that of the resumed trials.
        StoreError: The store cannot be read, or the rows that the run folder keeps of it are gone.
    """
    from xautolm_core.tasks.prepared import write_prepared

    _check_space(opening, resumed)
    spec = spec.model_copy(update={"space": spec.space_for(opening.task.type)})
    cache = out_folder / CACHE_FOLDER
    with around.clock.phase("load"):
        task_folder = write_prepared(opening.task, cache)
    task_features, system_features = _features(opening, state, around)
    opening.feasibility.learn_token_lengths(task_features)
    spec = with_what_is_known(spec, out_folder)
    if state.expected_trials is None:
        state.expected_trials = opening.policy.expected_trials(
            opening.typical_trial_seconds(), workers=spec.workers
        )
    around.observer.phase("history")
    with around.clock.phase("history"):
        spec, history = _history(spec, out_folder, opening, task_features, system_features)
        write_json(out_folder / SEARCH_FILE, spec)
        caches = folder_of_caches()
        sampler = make_sampler(
            spec.sampler,
            space=opening.space,
            objectives=spec.objectives,
            seed=spec.seed,
            task_type=opening.task.type,
            task_features=task_features,
            system_features=system_features,
            options=spec.sampler_options,
            history=history,
            expected_trials=state.expected_trials,
            infeasible=opening.feasibility,
            task_name=opening.task.name,
            seconds_allowed=opening.feasibility.seconds_allowed,
            load=opening.feasibility.load,
            learnt_folder=None if caches is None else caches / "learnt",
        )
    report = sampler.report
    setup = SearchSetup(
        spec=spec,
        out_folder=out_folder,
        cache_folder=cache,
        task=opening.task,
        task_folder=task_folder,
        space=opening.space,
        sampler=sampler,
        study=_study(spec, out_folder, sampler, resumed),
        store=opening.store,
        launcher=around.launcher,
        observer=around.observer,
        feasibility=opening.feasibility,
        policy=opening.policy,
        clock=around.clock,
        interrupts=around.interrupts,
        writer=ExperienceWriter(
            search=spec,
            task=opening.task,
            task_features=task_features,
            system_features=system_features,
            warm_started=report.applied + report.mapped > 0,
            feasibility=opening.feasibility,
        ),
        state=state,
        threads=opening.threads,
        trial_memory_bytes=opening.trial_memory_bytes,
    )
    for note in opening.task.notes:
        setup.note(note)
    for warning in (*opening.task.warnings, *opening.space.warnings):
        setup.note(warning, warning=True)
    tell_memory(opening.store, history, setup.note)
    _tell_warm_start(setup, sampler)
    setup.save_state()
    return setup


def _check_space(opening: Opening, resumed: Sequence[ResumedTrial]) -> None:
    for one in resumed:
        if not opening.space.contains(one.proposal.configuration):
            raise ConfigError(
                f"Space {opening.space.name} has changed since this search began: trial "
                f"{one.proposal.number} is not in it any more",
                hint="Restore the space file and its models, or begin a new search",
            )


def _study(
    spec: SearchSpec, out_folder: Path, sampler: SpaceSampler, resumed: Sequence[ResumedTrial]
) -> optuna.Study:
    attributes: dict[str, Any] = {}
    for one in resumed:
        attributes.update(one.proposal.study_attributes)
    return create_study(
        out_folder,
        name=spec.search_id,
        objectives=spec.objectives,
        sampler=sampler,
        finished=[
            (r.proposal, r.final.result if r.final else None, resumed_values(r, spec.objectives))
            for r in resumed
        ],
        study_attributes=attributes,
    )


def _features(
    opening: Opening, state: RunState, around: SearchSurroundings
) -> tuple[FeatureVector, FeatureVector]:
    """Measure task and machine, or take what was measured before the search stopped."""
    from xautolm_core.features.system_features import extract_system_features
    from xautolm_core.features.task_extractors import extract_task_features
    from xautolm_core.records.features import FeatureVector
    from xautolm_core.space.space import tokenizer_files

    if state.task_features and state.system_features:
        return FeatureVector(**state.task_features), FeatureVector(**state.system_features)
    if around.measured is not None:
        state.task_features = around.measured.task.document()
        state.system_features = around.measured.system.document()
        return around.measured.task, around.measured.system
    around.observer.phase("features")
    with around.clock.phase("features"):
        task = extract_task_features(opening.task, tokenizers=tokenizer_files(opening.space))
        system = extract_system_features()
    state.task_features = task.document()
    state.system_features = system.document()
    return task, system


def _history(
    spec: SearchSpec,
    out_folder: Path,
    opening: Opening,
    task: FeatureVector,
    system: FeatureVector,
) -> tuple[SearchSpec, History | None]:
    """Return what the sampler learns from, if anything, and the spec that names it."""
    from xautolm_core.search.history.relevance import Relevance

    if not opening.space.branches or not reads_history(spec.sampler, spec.sampler_options):
        return spec, None
    relevance = Relevance(
        opening.task.type,
        (task.extractor, task.version),
        (system.extractor, system.version),
    )
    history, digest = remember(spec, out_folder, opening.store, relevance)
    return spec.model_copy(update={"history": digest}), history


def _learns(spec: SearchSpec, space: SearchSpace) -> bool:
    """Whether earlier experiences say what to draw: not where cheap candidates are all there is."""
    return bool(space.branches) and learns_from_history(spec.sampler, spec.sampler_options)


def _tell_warm_start(setup: SearchSetup, sampler: SpaceSampler) -> None:
    report = sampler.report
    setup.observer.warm_started(report)
    faults = len(setup.store.faults)
    if faults:
        setup.note(
            f"Objects of the store that cannot be read and were skipped: {faults}. "
            "'xautolm store verify' names them",
            warning=True,
        )
    if _learns(setup.spec, setup.space) and report.applied + report.mapped == 0:
        seen = sum(report.dropped.values())
        reasons = ", ".join(f"{count} {reason}" for reason, count in report.dropped.items())
        found = (
            f"none of {seen} experiences could be used ({reasons})"
            if seen
            else "the store \
holds no experience yet"
        )
        setup.note(f"No warm start: {found}; the search starts from scratch", warning=True)
