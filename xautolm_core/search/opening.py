"""The checks before a search: task, space, machine and store, without writing anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xautolm_core.energy.surroundings import SWITCH_VARIABLE
from xautolm_core.energy.surroundings import is_switched_off
from xautolm_core.errors import ConfigError
from xautolm_core.errors import SpaceError
from xautolm_core.search.contract import Objective
from xautolm_core.search.feasibility import Feasibility
from xautolm_core.search.feasibility import text_statistics
from xautolm_core.search.plan import BudgetPolicy
from xautolm_core.search.samplers.factory import check_sampler

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xautolm_core.experience.union import UnionStore
    from xautolm_core.search.clock import Clock
    from xautolm_core.search.contract import SearchObserver
    from xautolm_core.search.contract import SearchSpec
    from xautolm_core.search.measured import TrialMachine
    from xautolm_core.space.space import SearchSpace
    from xautolm_core.tasks.task import AnyTask

_SHARE_OF_FREE_MEMORY = 0.9


@dataclass(frozen=True)
class Opening:
    """What was loaded and opened.

    Attributes:
        task: The task.
        space: The search space.
        feasibility: Estimates and refusals for this machine.
        policy: The budget.
        store: Where experiences are: one store that is written, and those that are read besides.
        threads: CPU threads of a trial.
        trial_memory_bytes: Host memory of a trial.
        device: What trials run on: ``cuda`` or ``cpu``.
    """

    task: AnyTask
    space: SearchSpace
    feasibility: Feasibility
    policy: BudgetPolicy
    store: UnionStore
    threads: int
    trial_memory_bytes: int | None
    device: str

    def typical_trial_seconds(self) -> list[float]:
        """Return the estimated seconds of the space's starts, or of what there is."""
        starts = list(self.space.starts)
        return [self.feasibility.estimate(start).train_seconds for start in starts]


def open_search(
    spec: SearchSpec,
    observer: SearchObserver,
    clock: Clock,
    *,
    machine: TrialMachine | None = None,
) -> Opening:
    """Check everything that can be wrong with a search before it begins.

    Args:
        spec: What is asked.
        observer: Is told of the phases.
        clock: Counts their seconds.
        machine: What a trial has where trials run; a share of this machine if None.

    Raises:
        ConfigError: The sampler, the data or the space cannot be used, or energy that is asked for
            is not metered.
        StoreError: The store cannot be used.
    """
    from xautolm_core.search.memory import open_memory
    from xautolm_core.space.load import load_space
    from xautolm_core.space.starts import weigh_classes
    from xautolm_core.tasks.load import load_task
    from xautolm_core.tasks.task_type import task_kind

    check_sampler(spec.sampler, spec.sampler_options)
    if machine is None:
        require_meter(spec)
    observer.phase("load", spec.task.name or spec.task.data or "")
    with clock.phase("load"):
        task = load_task(spec.task)
    space_name = spec.space_for(task.type)
    observer.phase("space", space_name)
    with clock.phase("space"):
        space = load_space(
            space_name,
            model_folders=spec.model_folders,
            offline=spec.offline,
            methods=spec.methods,
        )
        if space.task_type != task.type:
            raise SpaceError(
                f"Search space {space_name} is for {space.task_type}, and task {task.name} is one"
                f" of {task.type}",
                hint=f"Use another one, such as --space {task_kind(task.type).space}",
            )
        space = weigh_classes(space, task_kind(task.type).class_rows(task))
        policy = BudgetPolicy(
            spec.budget_seconds,
            spec.max_trials,
            spec.trial_timeout_seconds,
            is_bounded_otherwise=spec.spending.is_limited,
        )
        machine = machine or share_of_this_machine(spec.workers)
        memory = spec.trial_memory_bytes or machine.host_bytes
        allowed = policy.allowance(
            left_seconds=policy.left_seconds(elapsed_seconds=0.0, reserve_seconds=0.0),
            overhead_seconds=0.0,
            wanted_seconds=None,
        ).soft_deadline_seconds
        feasibility = Feasibility(
            space=space,
            statistics=text_statistics(task),
            threads=machine.threads,
            host_bytes=memory,
            gpu_bytes=machine.gpu_bytes,
            seconds_allowed=allowed,
        )
        feasibility.require_any(spec.seed)
    store = open_memory(spec)
    device = "cpu" if machine.gpu_bytes is None else "cuda"
    return Opening(task, space, feasibility, policy, store, machine.threads, memory, device)


def require_meter(spec: SearchSpec, environment: Mapping[str, str] | None = None) -> None:
    """Make sure that a search which needs energy readings is not known to have none.

    Args:
        spec: What is asked.
        environment: Variables of its trials; those of this process if None.

    Raises:
        ConfigError: Energy is an objective or limited, and metering is switched off.
    """
    is_objective = Objective.ENERGY in spec.objectives
    if not (is_objective or spec.spending.needs_energy) or not is_switched_off(environment):
        return
    what, way_out = "a limit on energy", "without that limit"
    if is_objective:
        what, way_out = "energy as an objective", "without that objective (--objectives)"
    raise ConfigError(
        f"{what} needs readings, and no trial has any with {SWITCH_VARIABLE}=off",
        hint=f"Unset the variable, or search {way_out}",
    )


def share_of_this_machine(workers: int) -> TrialMachine:
    """Return what each of so many trials side by side has of this machine."""
    from xautolm_core.features.cgroup import available_memory_bytes
    from xautolm_core.features.cgroup import cpu_count
    from xautolm_core.features.gpus import list_gpus
    from xautolm_core.search.measured import TrialMachine

    gpus = list_gpus()  # trials take the first one, and share it
    return TrialMachine(
        threads=max(1, cpu_count() // workers),
        host_bytes=int(available_memory_bytes() * _SHARE_OF_FREE_MEMORY / workers),
        gpu_bytes=gpus[0].memory_bytes // workers if gpus else None,
    )
