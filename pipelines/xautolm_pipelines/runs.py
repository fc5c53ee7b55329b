"""Runs and schedules as the API reports them, as plain frozen data."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from xautolm_pipelines.transport import shortened

SUCCEEDED = "SUCCEEDED"
FINAL_STATES = frozenset({SUCCEEDED, "FAILED", "SKIPPED", "CANCELED", "ERROR"})
_FAILED_STATES = frozenset({"FAILED", "ERROR"})


@dataclass(frozen=True)
class FailedTask:
    """A task that failed itself, not because one within it did.

    Attributes:
        name: Its name in the pipeline.
        reason: What the server recorded, on one line; empty if nothing.
        pod: The pod, for its logs; empty if unknown.
    """

    name: str
    reason: str
    pod: str


@dataclass(frozen=True)
class RunStatus:
    """A run at one moment.

    Attributes:
        id: Its id.
        name: Its name.
        state: ``PENDING``, ``RUNNING``, ``SUCCEEDED``, ``FAILED``, ``CANCELED`` and others.
        created_at: When it was created.
        finished_at: When it ended, or None.
        error: The server's message about the run as a whole.
        failed: The tasks that failed.
        tasks: Number of tasks by state.
        recurring_run_id: The schedule that started it; empty if none.
        link: Its page.
    """

    id: str
    name: str
    state: str
    created_at: datetime | None
    finished_at: datetime | None
    error: str
    failed: tuple[FailedTask, ...]
    tasks: dict[str, int]
    recurring_run_id: str
    link: str

    @property
    def has_ended(self) -> bool:
        """Whether nothing will change any more."""
        return self.state in FINAL_STATES


@dataclass(frozen=True)
class RecurringRun:
    """A recurring run of the server.

    Attributes:
        id: Its id.
        name: Its name, which others may have too.
        description: Its description, which holds the marker of a schedule.
        enabled: Whether it fires.
        created_at: When it was created.
        when: Cron expression or interval, as people read it.
        max_concurrency: Number of its runs at the same time.
        no_catchup: Whether missed times are left out.
    """

    id: str
    name: str
    description: str
    enabled: bool
    created_at: datetime | None
    when: str
    max_concurrency: int
    no_catchup: bool


def run_status(run: Any, link: str) -> RunStatus:
    """Return a ``V2beta1Run`` as plain data."""
    details = (run.run_details.task_details if run.run_details else None) or []
    states: dict[str, int] = {}
    for task in details:
        state = task.state or "RUNTIME_STATE_UNSPECIFIED"
        states[state] = states.get(state, 0) + 1
    return RunStatus(
        id=run.run_id,
        name=run.display_name or "",
        state=run.state or "RUNTIME_STATE_UNSPECIFIED",
        created_at=run.created_at,
        finished_at=run.finished_at if run.state in FINAL_STATES else None,
        error=_error_of(run),
        failed=tuple(_failed(details)),
        tasks=states,
        recurring_run_id=run.recurring_run_id or "",
        link=link,
    )


def recurring_run(one: Any) -> RecurringRun:
    """Return a ``V2beta1RecurringRun`` as plain data."""
    trigger = one.trigger
    cron = trigger.cron_schedule if trigger else None
    periodic = trigger.periodic_schedule if trigger else None
    when = (
        f"cron {cron.cron}" if cron else f"every {periodic.interval_second} s" if periodic else ""
    )
    return RecurringRun(
        id=one.recurring_run_id,
        name=one.display_name or "",
        description=one.description or "",
        # Any other state means that its last run failed to start; it continues to fire.
        enabled=one.mode != "DISABLE" and one.status != "DISABLED",
        created_at=one.created_at,
        when=f"cron {cron.cron}" if cron else when,
        max_concurrency=int(one.max_concurrency or 1),
        no_catchup=bool(one.no_catchup),
    )


def _failed(details: Iterable[Any]) -> Iterable[FailedTask]:
    failed = [task for task in details if task.state in _FAILED_STATES]
    parents = {task.parent_task_id for task in failed if task.parent_task_id}
    for task in failed:
        if task.task_id in parents:
            continue
        pod = task.pod_name or (task.executor_detail.main_job if task.executor_detail else "") or ""
        name = shortened(task.display_name or task.task_id or "?", 80)
        yield FailedTask(name=name, reason=_error_of(task), pod=pod)


def _error_of(one: Any) -> str:
    """Return the message of a run or task, else the last one of its history."""
    history = one.state_history or []
    errors = [one.error, *(status.error for status in reversed(history))]
    return next((shortened(e.message) for e in errors if e is not None and e.message), "")
