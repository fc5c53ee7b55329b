"""Everything that the trials of a search share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from xautolm_core.search.folders import STATE_FILE
from xautolm_core.whole_files import write_json

if TYPE_CHECKING:
    import optuna

    from xautolm_core.experience.union import UnionStore
    from xautolm_core.launch.contract import Launcher
    from xautolm_core.search.clock import Clock
    from xautolm_core.search.contract import SearchObserver
    from xautolm_core.search.contract import SearchSpec
    from xautolm_core.search.experiences import ExperienceWriter
    from xautolm_core.search.feasibility import Feasibility
    from xautolm_core.search.folders import RunState
    from xautolm_core.search.interrupts import Interrupts
    from xautolm_core.search.plan import BudgetPolicy
    from xautolm_core.search.samplers.base import SpaceSampler
    from xautolm_core.space.space import SearchSpace
    from xautolm_core.tasks.task import AnyTask


@dataclass(frozen=True)
class SearchSetup:
    """What a search has found out and opened before its first trial.

    Attributes:
        spec: What was asked.
        out_folder: The run folder.
        cache_folder: Tokenised data, shared by the trials.
        task: The loaded task.
        task_folder: Its prepared form, for the trials.
        space: What may be tried.
        sampler: Proposes configurations.
        study: The Optuna study.
        store: Where experiences go.
        launcher: Runs trials.
        observer: Is told how the search goes on.
        feasibility: Estimates and refusals.
        policy: The budget.
        clock: Time used.
        interrupts: Ctrl-C and SIGTERM.
        writer: Makes experiences.
        state: What is pinned for a resume.
        threads: CPU threads of a trial.
        trial_memory_bytes: Host memory of a trial.
    """

    spec: SearchSpec
    out_folder: Path
    cache_folder: Path
    task: AnyTask
    task_folder: Path
    space: SearchSpace
    sampler: SpaceSampler
    study: optuna.Study
    store: UnionStore
    launcher: Launcher
    observer: SearchObserver
    feasibility: Feasibility
    policy: BudgetPolicy
    clock: Clock
    interrupts: Interrupts
    writer: ExperienceWriter
    state: RunState
    threads: int
    trial_memory_bytes: int | None

    def save_state(self) -> None:
        """Write the state down, with the time used so far."""
        self.state.elapsed_seconds = self.clock.elapsed_seconds
        self.state.phase_seconds = dict(self.clock.phase_seconds)
        write_json(self.out_folder / STATE_FILE, self.state)

    def note(self, text: str, *, warning: bool = False) -> None:
        """Tell the user something, now and in the report."""
        if text not in self.state.notes:
            self.state.notes.append(text)
            self.observer.note(text, warning=warning)
