"""``xautolm store``: what earlier searches have learnt."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING
from typing import Annotated

import typer

from xautolm_core.cli.import_command import import_experiences
from xautolm_core.cli.store_options import JSON_OPTION
from xautolm_core.cli.store_options import STORE_OPTION
from xautolm_core.cli.store_options import TENANT_OPTION
from xautolm_core.cli.store_options import checked_tenant
from xautolm_core.cli.store_options import open_existing
from xautolm_core.cli.store_options import report_faults
from xautolm_core.cli.store_upkeep import copy
from xautolm_core.cli.store_upkeep import export
from xautolm_core.cli.store_upkeep import forget
from xautolm_core.cli.store_upkeep import stats
from xautolm_core.tasks.task_type import primary_score

if TYPE_CHECKING:
    from xautolm_core.records.experience import Experience
    from xautolm_core.records.outcome import Outcome

app = typer.Typer(help="Look at the experience store.", no_args_is_help=True)
app.command("import")(import_experiences)
for _command in (stats, export, copy, forget):
    app.command()(_command)

EXIT_FAULTS = 3


@app.command("ls")
def list_experiences(
    *,
    store: STORE_OPTION = None,
    tenant: TENANT_OPTION = None,
    task: Annotated[str | None, typer.Option(help="Only of this task.")] = None,
    search: Annotated[str | None, typer.Option(help="Only of this search.")] = None,
    outcome: Annotated[
        list[str] | None, typer.Option(help="Only with this outcome; may be repeated.")
    ] = None,
    limit: Annotated[int, typer.Option(min=0, help="Show the newest N; 0 for all.")] = 50,
    as_json: JSON_OPTION = False,
) -> None:
    """List the experiences, oldest first."""
    from xautolm_core.cli.output import print_json
    from xautolm_core.cli.output import print_table
    from xautolm_core.experience.contract import ExperienceFilter

    opened = open_existing(store)
    wanted = ExperienceFilter(
        tenant=checked_tenant(tenant),
        task_name=task,
        search_id=search,
        outcomes=_outcomes(outcome or []),
    )
    count = 0
    newest: deque[Experience] = deque(maxlen=limit or None)
    for experience in opened.scan(wanted):
        count += 1
        newest.append(experience)
    report_faults(opened)
    if as_json:
        print_json([experience.model_dump(mode="json") for experience in newest])
        return
    if not count:
        typer.echo("no experiences")
        return
    print_table(
        ("id", "ended (UTC)", "task", "model", "method", "outcome", "score", "time"),
        [_row(experience) for experience in newest],
        right=("score", "time"),
    )
    if count > len(newest):
        typer.echo(f"{count} experiences, the newest {len(newest)} shown; --limit 0 shows all")
    else:
        typer.echo(f"{count} experience{'s' if count != 1 else ''}")


@app.command()
def show(
    identifier: Annotated[
        str, typer.Argument(metavar="ID", help="The experience's id, or its beginning.")
    ],
    store: STORE_OPTION = None,
) -> None:
    """Print one experience as JSON."""
    from xautolm_core.cli.output import print_json
    from xautolm_core.errors import ConfigError

    opened = open_existing(store)
    experience = opened.get(identifier)
    if experience is None:
        raise ConfigError(
            f"no experience's id is or begins with '{identifier}', or more than one does",
            hint="xautolm store ls lists them",
        )
    print_json(experience.model_dump(mode="json"))


@app.command()
def verify(
    *,
    store: STORE_OPTION = None,
    quarantine: Annotated[
        bool,
        typer.Option("--quarantine", help="Move what is corrupt to quarantine/ in the store."),
    ] = False,
    as_json: JSON_OPTION = False,
) -> int:
    """Check every object against its digest and the schema; exit code 3 on faults."""
    from xautolm_core.cli.output import print_json

    report = open_existing(store).verify(quarantine=quarantine)
    if as_json:
        parts = {"faults": report.faults, "notes": report.notes}
        print_json(
            {
                "objects": report.objects,
                **{
                    name: [{"key": fault.key, "problem": fault.problem} for fault in found]
                    for name, found in parts.items()
                },
                "quarantined": list(report.quarantined),
            }
        )
    else:
        for fault in report.faults:
            typer.echo(f"{fault.key}: {fault.problem}")
        for note in report.notes:
            typer.echo(f"note: {note.key}: {note.problem}")
        for key in report.quarantined:
            typer.echo(f"moved to {key}")
        typer.echo(f"{report.objects} objects, {len(report.faults)} faults")
    return EXIT_FAULTS if report.faults else 0


@app.command()
def compact(
    *,
    store: STORE_OPTION = None,
) -> None:
    """Gather single objects in few files, so that the store is read faster. Safe at any time."""
    from xautolm_core.experience.open import open_store
    from xautolm_core.request.locations import store_location

    open_existing(store)  # without it a mistyped folder would be made
    merged = open_store(store_location(store)).compact()
    typer.echo(f"{merged} objects merged")


def _outcomes(names: list[str]) -> tuple[Outcome, ...]:
    from xautolm_core.errors import ConfigError
    from xautolm_core.records.outcome import Outcome

    unknown = [name for name in names if name not in set(Outcome)]
    if unknown:
        raise ConfigError(
            f"--outcome: '{unknown[0]}' is no outcome", hint=f"Known are: {', '.join(Outcome)}"
        )
    return tuple(Outcome(name) for name in names)


def _row(experience: Experience) -> tuple[str, ...]:
    from xautolm_core.report.wording import score_words
    from xautolm_core.report.wording import seconds_words

    score = primary_score(experience.scores)
    return (
        experience.id[:10],
        f"{experience.ended_at:%Y-%m-%d %H:%M}",
        experience.task_name,
        experience.configuration.model_label.rsplit("/", 1)[-1],
        experience.configuration.method,
        experience.outcome.value,
        score_words(score.value if score else None),
        seconds_words(experience.comparable_seconds),
    )
