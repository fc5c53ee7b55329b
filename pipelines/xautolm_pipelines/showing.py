"""Output of the commands: lines for people, documents for programs."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import typer

from xautolm_core.cli.output import print_json
from xautolm_core.cli.output import print_table
from xautolm_pipelines.runs import RunStatus
from xautolm_pipelines.schedule import Applied
from xautolm_pipelines.schedule import Marked


def print_state(run: RunStatus) -> None:
    """Print a change of state of an awaited run on standard error."""
    typer.echo(f"{datetime.now():%H:%M:%S} {run.state.lower()}", err=True)


def print_end(run: RunStatus, *, as_json: bool) -> None:
    """Print the state of an awaited run."""
    if as_json:
        print_json(_document(run))
        return
    typer.echo(f"state {run.state.lower()}" + ("" if run.has_ended else ", not ended yet"))
    _print_failures(run)


def print_run(run: RunStatus, *, as_json: bool) -> None:
    """Print a run."""
    if as_json:
        print_json(_document(run))
        return
    typer.echo(f"run {run.id} ({run.name})")
    typer.echo(f"state {run.state.lower()}")
    typer.echo(f"created {_time(run.created_at)}, ended {_time(run.finished_at)}")
    if run.tasks:
        counts = ", ".join(f"{n} {state.lower()}" for state, n in sorted(run.tasks.items()))
        typer.echo(f"tasks {counts}")
    _print_failures(run)
    typer.echo(run.link)


def print_runs(runs: Sequence[RunStatus], *, as_json: bool) -> None:
    """Print several runs, a line each."""
    if as_json:
        print_json([_document(run) for run in runs])
    elif not runs:
        typer.echo("no runs")
    else:
        print_table(
            ("id", "made (UTC)", "state", "name"),
            [(run.id, _time(run.created_at), run.state.lower(), run.name) for run in runs],
        )


def print_applied(applied: Applied, *, as_json: bool) -> None:
    """Print what was done to a schedule."""
    one = applied.current
    if as_json:
        print_json(
            {
                "schedule": one.name,
                "change": applied.change.value,
                "id": one.id,
                "when": one.when,
                "removed": applied.removed,
                "replaced_meanwhile": not applied.is_ours,
            }
        )
        return
    typer.echo(f"schedule {one.name}: {applied.change.value}, {one.when} ({one.id})")
    if not applied.is_ours:
        typer.echo("note: somebody else replaced it at the same time; theirs is active", err=True)


def print_deleted(name: str, count: int, *, as_json: bool) -> None:
    """Print that a schedule is gone."""
    if as_json:
        print_json({"schedule": name, "change": "deleted", "removed": count})
    else:
        typer.echo(f"schedule {name}: deleted")


def print_schedules(found: Sequence[tuple[Marked, bool]], *, as_json: bool) -> None:
    """Print the schedules, and what an interrupted replacement has left behind."""
    if as_json:
        print_json([_schedule_document(one, is_current) for one, is_current in found])
        return
    if not found:
        typer.echo("no schedules")
        return
    print_table(
        ("name", "pipeline", "when", "state", "made (UTC)", "id"),
        [
            (
                one.run.name,
                one.pipeline,
                one.run.when,
                _state(one, is_current),
                _time(one.run.created_at),
                one.run.id,
            )
            for one, is_current in found
        ],
    )
    if not all(is_current for _, is_current in found):
        typer.echo(
            "note: a replacement was interrupted; run xautolm pipeline schedule again to end it",
            err=True,
        )


def _state(one: Marked, is_current: bool) -> str:
    state = "enabled" if one.run.enabled else "disabled"
    return state if is_current else f"{state}, superseded"


def _print_failures(run: RunStatus) -> None:
    if run.error:
        typer.echo(f"error: {run.error}")
    for task in run.failed:
        reason = task.reason or "the server recorded no reason"
        logs = f" (logs: pod {task.pod})" if task.pod else ""
        typer.echo(f"failed: {task.name}: {reason}{logs}")


def _document(run: RunStatus) -> dict[str, Any]:
    return {
        "run": run.id,
        "name": run.name,
        "state": run.state,
        "created_at": _stamp(run.created_at),
        "finished_at": _stamp(run.finished_at),
        "error": run.error or None,
        "failed": [
            {"task": task.name, "reason": task.reason or None, "pod": task.pod or None}
            for task in run.failed
        ],
        "tasks": run.tasks,
        "recurring_run": run.recurring_run_id or None,
        "link": run.link,
    }


def _schedule_document(one: Marked, is_current: bool) -> dict[str, Any]:
    return {
        "schedule": one.run.name,
        "pipeline": one.pipeline,
        "when": one.run.when,
        "enabled": one.run.enabled,
        "superseded": not is_current,
        "max_concurrency": one.run.max_concurrency,
        "catchup": not one.run.no_catchup,
        "created_at": _stamp(one.run.created_at),
        "digest": one.digest,
        "generation": one.generation,
        "id": one.run.id,
    }


def _stamp(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment is not None else None


def _time(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if moment is not None else "-"
