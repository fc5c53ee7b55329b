"""``xautolm store import``: foreign records become experiences."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from typing import Annotated

import typer

if TYPE_CHECKING:
    from xautolm_core.experience.importers.account import Account
    from xautolm_core.experience.importers.writing import Plan
    from xautolm_core.experience.store import ObjectExperienceStore


def import_experiences(
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="FROM",
            help="Folder or file of published records (.json, .jsonl), a table (.csv, .tsv, "
            ".parquet), or optuna://STORAGE#STUDY.",
        ),
    ] = None,
    *,
    importer: Annotated[
        str | None,
        typer.Option("--from", metavar="KIND", help="published, optuna or csv; found by itself."),
    ] = None,
    store: Annotated[
        str | None,
        typer.Option(
            "--store",
            metavar="STORE",
            help="Where to; by default $XAUTOLM_STORE, else ~/.local/share/xautolm/experiences.",
        ),
    ] = None,
    tenant: Annotated[str, typer.Option(help="Whose experiences they become.")] = "default",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell what would come in, and write nothing.")
    ] = False,
    column_map: Annotated[
        Path | None,
        typer.Option("--map", metavar="FILE", help="YAML: our fields to columns or constants."),
    ] = None,
    task: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only this task; of a study, its name. May be repeated."),
    ] = None,
    task_type: Annotated[
        str | None,
        typer.Option(help="Kind of task of a study; by default text-classification."),
    ] = None,
    score: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Name of a study's value, such as macro_f1; repeatable."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the account as JSON.")] = False,
) -> None:
    """Import foreign records; say what comes in, what is dropped, and why."""
    from xautolm_core.cli.locations import store_location
    from xautolm_core.cli.output import print_json
    from xautolm_core.errors import ConfigError
    from xautolm_core.experience.importers.reading import ImportRequest
    from xautolm_core.experience.importers.reading import read_foreign
    from xautolm_core.experience.importers.writing import Plan
    from xautolm_core.experience.importers.writing import plan_import
    from xautolm_core.experience.importers.writing import write_import
    from xautolm_core.experience.open import open_store
    from xautolm_core.experience.policy import read_policy
    from xautolm_core.experience.scrub import STRICTEST

    if source is None:
        # ``--from optuna://...`` says both at once.
        source, importer = importer, None
    if source is None:
        raise ConfigError("Nothing to import was named", hint="Give a file, a folder or an address")
    location = store_location(store)
    opened = _existing_store(location)
    imported = read_foreign(
        ImportRequest(
            source=source,
            importer=importer,
            tenant=tenant,
            tasks=task or (),
            column_map=column_map,
            task_type=task_type,
            scores=score or (),
            policy=STRICTEST if opened is None else read_policy(opened.storage, tenant),
        )
    )
    if not dry_run:
        opened = open_store(location)
    plan = plan_import(imported.experiences, opened) if opened else Plan(imported.experiences)
    if opened is not None and not dry_run:
        write_import(plan, opened)
    if as_json:
        print_json({**imported.account.document(), "store": plan.document(), "dry_run": dry_run})
    else:
        _print(imported.account, plan, dry_run=dry_run)


def _print(account: Account, plan: Plan, *, dry_run: bool) -> None:
    typer.echo(account.text())
    words = f"{len(plan.new)} {'would be written' if dry_run else 'written'}"
    if plan.already_there:
        words += f", {plan.already_there} already in the store"
    if plan.twins:
        words += f", {plan.twins} in the store as another record of the same failure"
    typer.echo(words)
    if plan.conflicts:
        from xautolm_core.cli.output import warn

        warn(
            f"{plan.conflicts} not written: the store holds their ids with another content; map "
            "search_id to something that tells the searches apart"
        )


def _existing_store(location: str) -> ObjectExperienceStore | None:
    """Return the store if there is one. A folder that does not exist is not made."""
    from xautolm_core.experience.open import open_store

    if "://" not in location and not Path(location).expanduser().exists():
        return None
    return open_store(location, create=False)
