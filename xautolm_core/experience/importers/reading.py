"""Finds the importer of a source, and reads it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from xautolm_core.errors import ConfigError
from xautolm_core.experience.importers.exported import IMPORTER as EXPORTED
from xautolm_core.experience.importers.exported import is_exported
from xautolm_core.experience.importers.imported import DEFAULT_TENANT
from xautolm_core.experience.importers.imported import Imported
from xautolm_core.experience.keys import given_tenant
from xautolm_core.experience.policy import TenantPolicy
from xautolm_core.experience.scrub import STRICTEST

IMPORTERS = (EXPORTED, "published", "optuna", "csv")
OPTUNA_SCHEME = "optuna://"
DEFAULT_TASK_TYPE = "text-classification"

_TABLE_SUFFIXES = (".csv", ".tsv", ".parquet")


@dataclass(frozen=True)
class ImportRequest:
    """What to import, and how.

    Attributes:
        source: A folder, a file, or ``optuna://<storage>[#study]``.
        importer: ``published``, ``optuna`` or ``csv``; found from the source if None. Exported
            experiences are no foreign records (see ``exported``).
        tenant: Whose experiences they become.
        tasks: Of published records and tables, these tasks only; of a study, its task's name.
        column_map: YAML file that maps our fields to columns (``csv``, ``optuna``).
        task_type: Kind of task of a study; text classification if None.
        scores: Names of a study's values, in their order.
        policy: What the tenant allows its experiences to hold.
    """

    source: str
    importer: str | None = None
    tenant: str = DEFAULT_TENANT
    tasks: Sequence[str] = ()
    column_map: Path | None = None
    task_type: str | None = None
    scores: Sequence[str] = ()
    policy: TenantPolicy = STRICTEST


def read_foreign(request: ImportRequest) -> Imported:
    """Return the experiences of a source with the account; write nothing.

    Raises:
        ConfigError: The source or an option is wrong.
        StoreError: The tenant's name looks like a credential.
    """
    given_tenant(request.tenant, "--tenant")
    importer = request.importer or importer_of(request.source)
    match importer:
        case "published":
            from xautolm_core.experience.importers.published import import_published

            refuse_option(importer, "map", request.column_map)
            refuse_option(importer, "score", request.scores)
            refuse_option(importer, "task-type", request.task_type)
            return import_published(
                Path(request.source),
                tenant=request.tenant,
                tasks=request.tasks,
                policy=request.policy,
            )
        case "optuna":
            from xautolm_core.experience.importers.optuna_study import import_optuna

            if len(request.tasks) > 1:
                raise ConfigError("A study is of one task", hint="Give --task once")
            return import_optuna(
                request.source,
                task_name=next(iter(request.tasks), ""),
                task_type=request.task_type or DEFAULT_TASK_TYPE,
                scores=request.scores,
                column_map=request.column_map,
                tenant=request.tenant,
                policy=request.policy,
            )
        case "csv":
            from xautolm_core.experience.importers.table import import_table

            refuse_option(importer, "score", request.scores)
            refuse_option(importer, "task-type", request.task_type)
            return import_table(
                Path(request.source),
                request.column_map,
                tenant=request.tenant,
                tasks=request.tasks,
                policy=request.policy,
            )
    raise ConfigError(f"There is no importer {importer!r}", hint=f"Use {', '.join(IMPORTERS)}")


def importer_of(source: str) -> str:
    """Return the importer that a source calls for, by its form.

    Raises:
        ConfigError: Its format is unknown.
    """
    if source.startswith(OPTUNA_SCHEME):
        return "optuna"
    if "://" in source:
        raise ConfigError(
            f"Nothing can be imported from a {source.split('://', maxsplit=1)[0]}:// address",
            hint="Give a file, a folder, or optuna://<storage>#<study>",
        )
    path = Path(source)
    if (path / "experiences").is_dir() or (path / "segments").is_dir():
        raise ConfigError(
            f"{source} is an experience store already", hint="Use xautolm store copy FROM TO"
        )
    if is_exported(path):
        return EXPORTED
    if path.suffix.lower() in _TABLE_SUFFIXES:
        return "csv"
    if path.is_dir() or path.suffix.lower() in (".json", ".jsonl", ".ndjson"):
        return "published"
    if not path.exists():
        raise ConfigError(f"There is no {source}", hint="Check the path")
    raise ConfigError(
        f"{source} has a name that does not show its format",
        hint=f"Say it with --from {', --from '.join(IMPORTERS)}",
    )


def refuse_option(importer: str, option: str, value: object) -> None:
    """Refuse an option that an importer has no use for.

    Raises:
        ConfigError: It was given.
    """
    if value:
        what = "exported experiences" if importer == EXPORTED else f"{importer} records"
        raise ConfigError(f"--{option} has no meaning for {what}", hint="Leave it out")
