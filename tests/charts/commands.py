"""Command lines of the chart, parsed by the real command."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from typer.main import get_command

from xautolm_core.cli.main import app


def parse(arguments: Sequence[str]) -> tuple[str, dict[str, Any]]:
    """Return the command that arguments name, and its parameters. Nothing is run.

    Raises:
        Exception: There is no such command, or it does not take them.
    """
    command: Any = get_command(app)
    context = command.make_context("xautolm", list(arguments))
    while hasattr(command, "commands"):
        rest = [*context._protected_args, *context.args]
        name, command, rest = command.resolve_command(context, rest)
        context = command.make_context(name, rest, parent=context)
    return context.command_path, context.params
