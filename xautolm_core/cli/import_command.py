"""``xautolm store import``: exported experiences, and foreign records that become some."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Annotated

import typer

if TYPE_CHECKING:
    from xautolm_core.experience.importers.account import Account
    from xautolm_core.experience.importers.reading import ImportRequest
    from xautolm_core.experience.importers.writing import Counts
    from xautolm_core.experience.store import ObjectExperienceStore


def import_experiences(
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="FROM",
            help="What store export wrote (.jsonl, .parquet), folder or file of published records "
            "(.json, .jsonl), a table (.csv, .tsv, .parquet), or optuna://STORAGE#STUDY.",
        ),
    ] = None,
    *,
    importer: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="KIND",
            help="experiences, published, optuna or csv; found by itself.",
        ),
    ] = None,
    store: Annotated[
        str | None,
        typer.Option(
            "--store",
            metavar="STORE",
            help="Where to; by default $XAUTOLM_STORE, else ~/.local/share/xautolm/experiences.",
        ),
    ] = None,
    tenant: Annotated[
        str | None,
        typer.Option(
            help="Whose experiences foreign records become (default: default); exported ones keep "
            "their own."
        ),
    ] = None,
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
    """Import what another store exported, or foreign records; say what is dropped, and why.

    Exit code 2 if nothing of it is in the store afterwards.
    """
    from xautolm_core.cli.output import print_json
    from xautolm_core.errors import ConfigError
    from xautolm_core.experience.importers.exported import IMPORTER as EXPORTED
    from xautolm_core.experience.importers.imported import DEFAULT_TENANT
    from xautolm_core.experience.importers.reading import ImportRequest
    from xautolm_core.experience.importers.reading import importer_of
    from xautolm_core.experience.importers.reading import refuse_option
    from xautolm_core.experience.keys import given_tenant
    from xautolm_core.request.locations import store_location

    if source is None:
        # ``--from optuna://...`` says both at once.
        source, importer = importer, None
    if source is None:
        raise ConfigError("Nothing to import was named", hint="Give a file, a folder or an address")
    request = ImportRequest(
        source=source,
        importer=importer or importer_of(source),
        tenant=DEFAULT_TENANT if tenant is None else given_tenant(tenant, "--tenant"),
        tasks=task or (),
        column_map=column_map,
        task_type=task_type,
        scores=score or (),
    )
    location = store_location(store)
    if request.importer == EXPORTED:
        refuse_option(EXPORTED, "tenant", tenant)
        refuse_option(EXPORTED, "map", column_map)
        refuse_option(EXPORTED, "score", score)
        refuse_option(EXPORTED, "task-type", task_type)
        account, counts = _import_exported(request, location, dry_run=dry_run)
    else:
        account, counts = _import_foreign(request, location, dry_run=dry_run)
    if as_json:
        document = {"store": dataclasses.asdict(counts), "dry_run": dry_run}
        print_json({**account.document(), **document})
    else:
        _print(account, counts, dry_run=dry_run)
    if not counts.kept:
        raise ConfigError(
            f"nothing of {source} {'would be' if dry_run else 'was'} kept",
            hint="The account says what was read, and why it was dropped"
            if account.read
            else "It holds no record",
        )


def _import_exported(
    request: ImportRequest, location: str, *, dry_run: bool
) -> tuple[Account, Counts]:
    from xautolm_core.errors import ConfigError
    from xautolm_core.experience.importers.exported import import_exported
    from xautolm_core.experience.open import open_store

    path = Path(request.source)
    if not path.is_file():
        raise ConfigError(f"There is no file {path}", hint="Give a .jsonl or .parquet file")
    store = _existing_store(location) if dry_run else open_store(location)
    return import_exported(path, store, tasks=request.tasks, dry_run=dry_run)


def _import_foreign(
    request: ImportRequest, location: str, *, dry_run: bool
) -> tuple[Account, Counts]:
    from xautolm_core.experience.importers.reading import read_foreign
    from xautolm_core.experience.importers.writing import Counts
    from xautolm_core.experience.importers.writing import plan_import
    from xautolm_core.experience.open import open_store
    from xautolm_core.experience.policy import read_policy

    opened = _existing_store(location)
    if opened is not None:
        policy = read_policy(opened.storage, request.tenant)
        request = dataclasses.replace(request, policy=policy)
    imported = read_foreign(request)
    if not dry_run:
        opened = open_store(location)
    if opened is None:
        return imported.account, Counts(len(imported.experiences))
    new, counts = plan_import(imported.experiences, opened)
    # It may be broken off and repeated at any point: an experience is appended once.
    for experience in () if dry_run else new:
        opened.append(experience)
    return imported.account, counts


def _print(account: Account, counts: Counts, *, dry_run: bool) -> None:
    typer.echo(account.text())
    words = f"{counts.new} {'would be written' if dry_run else 'written'}"
    if counts.already_there:
        words += f", {counts.already_there} already in the store"
    if counts.twins:
        words += f", {counts.twins} in the store as another record of the same failure"
    typer.echo(words)
    if counts.conflicts:
        from xautolm_core.cli.output import warn

        warn(
            f"{counts.conflicts} not written: the store holds their ids with another content; map "
            "search_id to something that tells the searches apart"
        )


def _existing_store(location: str) -> ObjectExperienceStore | None:
    """Return the store if there is one. A folder that does not exist is not made."""
    from xautolm_core.experience.open import open_store

    if "://" not in location and not Path(location).expanduser().exists():
        return None
    return open_store(location, create=False)
