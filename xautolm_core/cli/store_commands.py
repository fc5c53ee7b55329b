"""``xautolm store``: what earlier searches have learnt."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING
from typing import Annotated

import typer

from xautolm_core.cli.import_command import import_experiences

if TYPE_CHECKING:
    from xautolm_core.experience.contract import ExperienceStore
    from xautolm_core.experience.schema import Experience
    from xautolm_core.outcomes import Outcome

app = typer.Typer(help="Look at the experience store.", no_args_is_help=True)
app.command("import")(import_experiences)

EXIT_FAULTS = 3

_STORE = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="DIR",
        help="The store; by default $XAUTOLM_STORE, else ~/.local/share/xautolm/experiences.",
    ),
]
_JSON = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("ls")
def list_experiences(
    *,
    store: _STORE = None,
    tenant: Annotated[str | None, typer.Option(help="Only of this tenant.")] = None,
    task: Annotated[str | None, typer.Option(help="Only of this task.")] = None,
    search: Annotated[str | None, typer.Option(help="Only of this search.")] = None,
    outcome: Annotated[
        list[str] | None, typer.Option(help="Only with this outcome; may be repeated.")
    ] = None,
    limit: Annotated[int, typer.Option(min=0, help="Show the newest N; 0 for all.")] = 50,
    as_json: _JSON = False,
) -> None:
    """List the experiences, oldest first."""
    from xautolm_core.cli.output import print_json
    from xautolm_core.cli.output import print_table
    from xautolm_core.experience.contract import ExperienceFilter

    opened = _open(store)
    wanted = ExperienceFilter(
        tenant=tenant, task_name=task, search_id=search, outcomes=_outcomes(outcome or [])
    )
    count = 0
    newest: deque[Experience] = deque(maxlen=limit or None)
    for experience in opened.scan(wanted):
        count += 1
        newest.append(experience)
    _report_faults(opened)
    if as_json:
        print_json([experience.model_dump(mode="json") for experience in newest])
        return
    if not count:
        typer.echo("no experiences")
        return
    print_table(
        ("id", "ended (UTC)", "task", "model", "method", "outcome", "macro F1", "time"),
        [_row(experience) for experience in newest],
        right=("macro F1", "time"),
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
    store: _STORE = None,
) -> None:
    """Print one experience as JSON."""
    from xautolm_core.cli.output import print_json
    from xautolm_core.errors import ConfigError

    opened = _open(store)
    experience = opened.get(identifier)
    if experience is None:
        raise ConfigError(
            f"no experience's id is or begins with '{identifier}', or more than one does",
            hint="xautolm store ls lists them",
        )
    print_json(experience.model_dump(mode="json"))


@app.command()
def verify(store: _STORE = None, as_json: _JSON = False) -> int:
    """Check every object against its digest and the schema; exit code 3 on faults."""
    from xautolm_core.cli.output import print_json

    report = _open(store).verify()
    if as_json:
        faults = [{"key": fault.key, "problem": fault.problem} for fault in report.faults]
        print_json({"objects": report.objects, "faults": faults})
    else:
        for fault in report.faults:
            typer.echo(f"{fault.key}: {fault.problem}")
        typer.echo(f"{report.objects} objects, {len(report.faults)} faults")
    return EXIT_FAULTS if report.faults else 0


@app.command()
def compact(store: _STORE = None) -> None:
    """Merge single objects into one file, so that the store is read faster. Safe at any time."""
    from xautolm_core.cli.locations import store_location
    from xautolm_core.experience.open import open_store

    _open(store)  # without it a mistyped folder would be made
    merged = open_store(store_location(store)).compact()
    typer.echo(f"{merged} objects merged")


def _open(store: str | None) -> ExperienceStore:
    from xautolm_core.cli.locations import store_location
    from xautolm_core.experience.open import open_store

    return open_store(store_location(store), create=False)


def _report_faults(store: ExperienceStore) -> None:
    from xautolm_core.cli.output import warn

    for fault in store.faults:
        warn(f"skipped {fault.key}: {fault.problem}")


def _outcomes(names: list[str]) -> tuple[Outcome, ...]:
    from xautolm_core.errors import ConfigError
    from xautolm_core.outcomes import Outcome

    unknown = [name for name in names if name not in set(Outcome)]
    if unknown:
        raise ConfigError(
            f"--outcome: '{unknown[0]}' is no outcome", hint=f"Known are: {', '.join(Outcome)}"
        )
    return tuple(Outcome(name) for name in names)


def _row(experience: Experience) -> tuple[str, ...]:
    from xautolm_core.report.wording import score_words
    from xautolm_core.report.wording import seconds_words

    score = experience.scores.get("macro_f1")
    return (
        experience.id[:10],
        f"{experience.ended_at:%Y-%m-%d %H:%M}",
        experience.task_name,
        experience.configuration.model.rsplit("/", 1)[-1],
        experience.configuration.method,
        experience.outcome.value,
        score_words(score.value if score else None),
        seconds_words(experience.time_seconds),
    )
