"""Commands of packages outside the core, found by name and loaded on use.

The core may not import them: they know Kubeflow Pipelines, and it does not. They come in the same
distribution, so a table of modules is enough.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from typer import Typer
from typer.core import TyperGroup
from typer.main import get_command

# Command: the module whose ``app`` it is. Such a module imports nothing heavy at its top.
COMMANDS = {"pipeline": "xautolm_pipelines.commands"}


class LazyCommands(TyperGroup):
    """The commands of the core, then those of other packages that are installed."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of all commands."""
        self._complete()
        return super().list_commands(ctx)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command, or None."""
        if cmd_name not in self.commands:
            self._complete()  # all, so that a mistyped name gets the nearest one suggested
        return super().get_command(ctx, cmd_name)

    def _complete(self) -> None:
        for name, module_name in COMMANDS.items():
            app = _load(module_name) if name not in self.commands else None
            if app is not None:
                self.commands[name] = get_command(app)
                self.commands[name].name = name


def _load(module_name: str) -> Typer | None:
    """Return the application of a module; None if it is absent, or not ours."""
    try:
        found = find_spec(module_name) is not None
    except ImportError:  # another package may have the name of ours
        found = False
    app = getattr(import_module(module_name), "app", None) if found else None
    return app if isinstance(app, Typer) else None
