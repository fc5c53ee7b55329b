"""``xautolm store``: init, stats, export, copy and forget."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Annotated

import typer

from xautolm_core.cli.store_options import JSON_OPTION
from xautolm_core.cli.store_options import STORE_OPTION
from xautolm_core.cli.store_options import TENANT_OPTION
from xautolm_core.cli.store_options import checked_tenant
from xautolm_core.cli.store_options import open_existing
from xautolm_core.cli.store_options import open_there
from xautolm_core.cli.store_options import report_faults

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xautolm_core.experience.calibration import Calibration
    from xautolm_core.experience.forget import ForgetReport
    from xautolm_core.experience.stats import StoreStats

_MOST_LINES = 20
_PREDICTED_WORDS = {"seconds": "time", "joules": "energy"}


def init(
    *,
    store: STORE_OPTION = None,
    tenant: Annotated[
        str, typer.Option(help="Whose policy is written, unless there is one.")
    ] = "default",
    make_bucket: Annotated[
        bool, typer.Option("--make-bucket", help="Create the bucket unless there is one.")
    ] = False,
) -> None:
    """Make a store where there is none, and see what its keys may do; safe to repeat.

    Exit code 3 if objects cannot be written, listed and read there.
    """
    from xautolm_core.errors import ConfigError
    from xautolm_core.experience.beginning import begin_store
    from xautolm_core.experience.open import open_store
    from xautolm_core.request.locations import store_location

    whose = checked_tenant(tenant)
    assert whose is not None
    storage = open_store(store_location(store)).storage
    if make_bucket:
        # Only what lies in a bucket has one.
        make = getattr(storage, "make_bucket", None)
        if make is None:
            raise ConfigError(
                "--make-bucket: the store lies in no bucket",
                hint="Leave it out; a folder is made without it",
            )
        if make():
            typer.echo("bucket created")
    begun = begin_store(storage, whose)
    typer.echo("store made" if begun.wrote_policy else "the store was there; nothing was changed")
    if not begun.may_delete:
        typer.echo(
            "warning: these keys may not delete objects, which store compact and store forget need",
            err=True,
        )


def stats(*, store: STORE_OPTION = None, as_json: JSON_OPTION = False) -> None:
    """Show how many experiences the store holds, by kind, and how well trials were predicted."""
    from xautolm_core.cli.output import print_json

    opened = open_existing(store)
    found = opened.stats()
    if as_json:
        document = dataclasses.asdict(found)
        for name in ("first_ended_at", "last_ended_at", "compacted_at"):
            time = document[name]
            document[name] = None if time is None else time.isoformat()
        print_json(document)
        return
    _print_stats(found)
    report_faults(opened)


def export(
    file: Annotated[Path, typer.Argument(help="Written: *.jsonl or *.parquet.")],
    *,
    store: STORE_OPTION = None,
    tenant: TENANT_OPTION = None,
    task: Annotated[str | None, typer.Option(help="Only of this task (its name).")] = None,
) -> None:
    """Write the experiences to a file, oldest first."""
    from xautolm_core.experience.contract import ExperienceFilter
    from xautolm_core.experience.transfer import export_experiences

    wanted = ExperienceFilter(tenant=checked_tenant(tenant), task_name=task)
    opened = open_existing(store)
    count = export_experiences(opened, file, wanted)
    report_faults(opened)
    typer.echo(f"{count} experiences written to {file}")


def copy(
    source: Annotated[str, typer.Argument(metavar="FROM", help="Folder or s3:// address.")],
    target: Annotated[str, typer.Argument(metavar="TO", help="Folder or s3:// address.")],
) -> None:
    """Copy the experiences that another store lacks; copying again adds nothing."""
    from xautolm_core.experience.open import open_store
    from xautolm_core.experience.transfer import copy_store

    opened = open_there(source)
    count = copy_store(opened, open_store(target))
    report_faults(opened)
    typer.echo(f"{count} experiences copied")


def forget(
    *,
    task: Annotated[
        str | None,
        typer.Option(metavar="FINGERPRINT", help="The task, by its fingerprint (see store show)."),
    ] = None,
    tenant: Annotated[str | None, typer.Option(help="Or all of this tenant.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    store: STORE_OPTION = None,
) -> None:
    """Forget all experiences of a task or a tenant, in every file; anonymous totals stay."""
    from xautolm_core.errors import ConfigError
    from xautolm_core.experience.contract import ExperienceFilter

    if (task is None) == (tenant is None):
        raise ConfigError(
            "give what is to be forgotten: a task or a tenant",
            hint="--task FINGERPRINT or --tenant NAME",
        )
    wanted = ExperienceFilter(tenant=checked_tenant(tenant), task_fingerprint=task)
    opened = open_existing(store)
    count = sum(1 for _ in opened.rows(wanted))
    whose = f"tenant {tenant}" if task is None else f"the task with fingerprint {task}"
    if task is not None and not count:
        # A forget that was killed is completed; otherwise the fingerprint is wrong.
        report = opened.forget(task_fingerprint=task)
        if not (report.rewritten_segments or report.deleted_objects or report.left):
            raise ConfigError(
                f"the store holds no experience of {whose}",
                hint="Take the fingerprint from: xautolm store show ID",
            )
        _print_report(report)
        return
    typer.echo(f"{count} experiences of {whose} are to be forgotten")
    if not yes and not typer.confirm("This cannot be undone. Continue?"):
        typer.echo("nothing was changed")
        return
    _print_report(opened.forget(task_fingerprint=task, tenant=tenant))


def _print_report(report: ForgetReport) -> None:
    typer.echo(
        f"{report.experiences} experiences forgotten; rewritten: {report.rewritten_segments} "
        f"segments; deleted: {report.deleted_objects} single objects"
    )
    for fault in report.left:
        typer.echo(f"left: {fault.key}: {fault.problem}")


def _print_stats(found: StoreStats) -> None:
    from xautolm_core.cli.output import print_table

    typer.echo(f"{found.experiences} experiences, {found.forgotten} forgotten")
    if found.first_ended_at is not None and found.last_ended_at is not None:
        typer.echo(f"ended {found.first_ended_at:%Y-%m-%d} to {found.last_ended_at:%Y-%m-%d} (UTC)")
    compacted = found.compacted_at
    typer.echo(
        f"{found.segments} segments, {found.tail} single objects outside of them; last compacted "
        + ("never" if compacted is None else f"{compacted:%Y-%m-%d %H:%M} UTC")
    )
    print_table(
        ("kind", "objects", "bytes"),
        [
            (kind.rstrip("/"), str(count), str(found.bytes_by_kind[kind]))
            for kind, count in found.objects_by_kind.items()
            if count
        ],
        right=("objects", "bytes"),
    )
    for title, counts in (
        ("tenant", found.by_tenant),
        ("task", found.by_task),
        ("outcome", found.by_outcome),
    ):
        _print_counts(title, counts)
    _print_predictions(found.predictions)


def _print_counts(title: str, counts: Mapping[str, int]) -> None:
    from xautolm_core.cli.output import print_table

    most = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    rows = [(name, str(count)) for name, count in most[:_MOST_LINES]]
    if len(most) > _MOST_LINES:
        rest = sum(count for _, count in most[_MOST_LINES:])
        rows.append((f"{len(most) - _MOST_LINES} others", str(rest)))
    if rows:
        print_table((title, "experiences"), rows, right=("experiences",))


def _print_predictions(found: Calibration) -> None:
    """Print how well trials were predicted; nothing where none was."""
    from xautolm_core.cli.output import print_table
    from xautolm_core.report.wording import share_words

    if found.objectives:
        print_table(
            ("predicted", "trials", "in their 80 % interval", "median error"),
            [
                (
                    _PREDICTED_WORDS.get(name, name),
                    str(one.trials),
                    share_words(one.inside_share),
                    f"{one.median_error:.4f}" if name == "score" else f"x {one.median_error:.2f}",
                )
                for name, one in found.objectives.items()
            ],
            right=("trials", "in their 80 % interval", "median error"),
        )
    failures = found.failures
    if failures is not None:
        print_table(
            ("probability of failure", "trials", "predicted", "failed"),
            [
                (
                    f"{one.low:.0%} to {one.high:.0%}".replace("%", " %"),
                    str(one.trials),
                    "" if one.predicted is None else share_words(one.predicted),
                    "" if one.observed is None else share_words(one.observed),
                )
                for one in failures.bins
            ],
            right=("trials", "predicted", "failed"),
        )
        typer.echo(f"Brier score {failures.brier_score:.4f} over {failures.trials} trials")
