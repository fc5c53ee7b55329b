"""``xautolm space``: list, show and check search spaces."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from typing import Annotated

import typer

if TYPE_CHECKING:
    from xautolm_core.space.model import ModelReference

app = typer.Typer(help="Look at search spaces and check your own.", no_args_is_help=True)

_MODELS = Annotated[
    list[Path] | None,
    typer.Option("--models", metavar="FOLDER", help="Folder with local models; may be repeated."),
]
_OFFLINE = Annotated[bool, typer.Option("--offline", help="Do not ask the hub for models.")]


@app.command("list")
def list_presets() -> None:
    """List the spaces that come with xautolm."""
    from xautolm_core.space.presets import preset_names

    for name in preset_names():
        typer.echo(name)


@app.command()
def show(name: Annotated[str, typer.Argument(help="Name of a preset, or a space's file.")]) -> None:
    """Print a space's file, to be copied and edited: xautolm space show starter > mine.yaml."""
    from xautolm_core.errors import SpaceError
    from xautolm_core.space.presets import preset_names
    from xautolm_core.space.presets import preset_text

    if name in preset_names():
        typer.echo(preset_text(name), nl=False)
        return
    path = Path(name)
    if not path.is_file():
        raise SpaceError(
            f"there is no space '{name}'",
            hint=f"Give one of {', '.join(preset_names())}, or a YAML file",
        )
    typer.echo(path.read_text(encoding="utf-8"), nl=False)


@app.command()
def check(
    name: Annotated[str, typer.Argument(help="Name of a preset, or a space's file.")],
    models: _MODELS = None,
    offline: _OFFLINE = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Check a space's file, and show which of its models are available here."""
    from xautolm_core.cli.output import print_json
    from xautolm_core.cli.output import print_table
    from xautolm_core.cli.output import warn
    from xautolm_core.space.load import load_space

    space = load_space(name, model_folders=tuple(models or ()), offline=offline)
    for warning in space.warnings:
        warn(warning)
    branches = [
        {
            "name": branch.name,
            "method": branch.method,
            "models": [str(choice) for choice in branch.model.choices],
            "parameters": [parameter.name for parameter in branch.parameters],
        }
        for branch in space.branches
    ]
    if as_json:
        print_json(
            {
                "space": space.name,
                "branches": branches,
                "models": {
                    identifier: {
                        "source": _where(model.reference),
                        **model.descriptor.model_dump(mode="json"),
                    }
                    for identifier, model in space.models.items()
                },
                "starts": [start.model_dump(mode="json") for start in space.starts],
                "cheap": [cheap.model_dump(mode="json") for cheap in space.cheap],
                "screening": [one.model_dump(mode="json") for one in space.screening],
                "warnings": list(space.warnings),
            }
        )
        return
    print_table(
        ("branch", "method", "models", "hyper-parameters"),
        [
            (
                branch.name,
                branch.method,
                str(len(branch.model.choices)),
                str(len(branch.parameters)),
            )
            for branch in space.branches
        ],
        right=("models", "hyper-parameters"),
    )
    print()
    print_table(
        ("model", "parameters", "layers", "longest input", "where"),
        [
            (
                identifier,
                f"{model.descriptor.parameters / 1e6:.1f} M",
                str(model.descriptor.layers),
                str(model.descriptor.max_length),
                _where(model.reference),
            )
            for identifier, model in space.models.items()
        ],
        right=("parameters", "layers", "longest input"),
    )
    cheap = ", ".join(candidate.method for candidate in space.cheap) or "none"
    typer.echo(f"\nCheap candidates: {cheap}")
    typer.echo(f"Models to be screened: {len(space.screening) or 'none'}")
    typer.echo(f"{space.name}: no fault found; {len(space.starts)} start configurations")


def _where(reference: ModelReference) -> str:
    if reference.untrained_config is not None:
        return "random weights (not pretrained)"
    return reference.path or "hub"
