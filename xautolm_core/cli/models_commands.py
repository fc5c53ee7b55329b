"""``xautolm models``: list registered models, show, fetch and promote versions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from typing import Annotated

import typer

if TYPE_CHECKING:
    from xautolm_core.registry.model import RegisteredModel
    from xautolm_core.registry.registry import ModelRegistry

app = typer.Typer(help="Look at registered models, and fetch or promote one.", no_args_is_help=True)

_REGISTRY = Annotated[
    str,
    typer.Argument(help="Folder, file:///folder or s3://bucket/prefix of the registry."),
]
_TASK = Annotated[str, typer.Argument(help="Name of the task.")]
_VERSION = Annotated[
    str | None,
    typer.Option("--version", metavar="ID", help="Which version (default: the champion)."),
]
_JSON = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


@app.command("list")
def list_models(
    registry: _REGISTRY,
    task: Annotated[str | None, typer.Argument(help="Name of one task.")] = None,
    as_json: _JSON = False,
) -> None:
    """List the versions of every task's model, oldest first."""
    from xautolm_core.cli.output import print_json
    from xautolm_core.cli.output import print_table
    from xautolm_core.cli.output import warn
    from xautolm_core.registry.description import describe_model
    from xautolm_core.registry.registry import ModelRegistry

    opened = ModelRegistry.open(registry)
    found: list[tuple[RegisteredModel, bool]] = []
    for name in opened.tasks() if task is None else [task]:
        champion = _champion_version(opened, name)
        found += [(model, model.version == champion) for model in opened.versions(name)]
        for version, problem in opened.damaged_versions(name).items():
            warn(f"{version} of {name}: {problem}")
    if as_json:
        print_json([{**describe_model(m), "is_champion": is_in_use} for m, is_in_use in found])
        return
    print_table(
        ("task", "version", "", "macro F1", "on", "model", "method"),
        [
            (
                model.task_name,
                model.version,
                "champion" if is_in_use else "",
                "" if (scores := model.record.scores) is None else f"{scores.macro_f1:.4f}",
                "" if scores is None else ("test" if model.record.test else "validation"),
                str(model.record.configuration.get("model") or ""),
                str(model.record.configuration.get("method", "")),
            )
            for model, is_in_use in found
        ],
        right=("macro F1",),
    )


@app.command()
def show(registry: _REGISTRY, task: _TASK, version: _VERSION = None) -> None:
    """Print the record of a version as JSON, with the promotions of its task."""
    from xautolm_core.cli.output import print_json
    from xautolm_core.registry.description import describe_model
    from xautolm_core.registry.registry import ModelRegistry

    opened = ModelRegistry.open(registry)
    model = _find(opened, task, version)
    print_json(
        {
            **describe_model(model),
            "is_champion": _champion_version(opened, task) == model.version,
            "record": model.record.model_dump(mode="json"),
            "promotions": [p.model_dump(mode="json") for p in opened.promotions(task)],
        }
    )


@app.command()
def fetch(
    registry: _REGISTRY,
    task: _TASK,
    version: _VERSION = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where to (default: TASK-VERSION).")
    ] = None,
) -> None:
    """Download a version's files and check each; files of another model there are replaced."""
    from xautolm_core.registry.layout import task_key
    from xautolm_core.registry.registry import ModelRegistry

    opened = ModelRegistry.open(registry)
    model = _find(opened, task, version)
    folder = out or Path(f"{task_key(task)}-{model.version}")
    typer.echo(str(opened.fetch(model, folder)))


@app.command()
def promote(
    registry: _REGISTRY,
    task: _TASK,
    version: Annotated[str, typer.Argument(help="Which version.")],
    reason: Annotated[str, typer.Option(help="Why, in words.")] = "promoted by hand",
) -> None:
    """Make a version the champion by hand, for instance to go back to an earlier one."""
    from xautolm_core.registry.registry import ModelRegistry

    opened = ModelRegistry.open(registry)
    model = opened.version(task, version)
    opened.promote(model, replaces=_champion_version(opened, task), reason=reason)
    typer.echo(f"{model.version} is the champion of {task}")


def _find(registry: ModelRegistry, task: str, version: str | None) -> RegisteredModel:
    return registry.require_champion(task) if version is None else registry.version(task, version)


def _champion_version(registry: ModelRegistry, task: str) -> str | None:
    """Return the champion's version, or None with a warning if it is damaged."""
    from xautolm_core.cli.output import warn
    from xautolm_core.registry.documents import DamagedVersionError

    try:
        champion = registry.champion(task)
    except DamagedVersionError as error:
        warn(str(error))
        return None
    return None if champion is None else champion.version
