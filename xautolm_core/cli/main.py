"""The command ``xautolm``: its entry point, and how errors are reported.

Nothing heavy is imported at the top of this package's command modules, so that ``--help`` answers
at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from xautolm_core import __version__
from xautolm_core.cli.export_command import export
from xautolm_core.cli.exporter_command import exporter
from xautolm_core.cli.features_command import features
from xautolm_core.cli.lazy import LazyCommands
from xautolm_core.cli.mlflow_commands import app as mlflow_app
from xautolm_core.cli.models_commands import app as models_app
from xautolm_core.cli.output import one_line
from xautolm_core.cli.predict_command import predict
from xautolm_core.cli.probe_command import probe
from xautolm_core.cli.report_command import report
from xautolm_core.cli.search_command import search
from xautolm_core.cli.space_commands import app as space_app
from xautolm_core.cli.store_commands import app as store_app
from xautolm_core.cli.trial_command import trial
from xautolm_core.cli.why_command import why
from xautolm_core.errors import XautolmError
from xautolm_core.storage_faults import as_store_error
from xautolm_core.streams import escape_unknown_characters

EXIT_BAD_INPUT = 2
EXIT_INTERNAL = 70
EXIT_INTERRUPTED = 130

app = typer.Typer(
    name="xautolm",
    cls=LazyCommands,
    help="AutoML for language models that remembers: fine-tune a text classifier from a file.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(search)
app.command()(predict)
app.command()(features)
app.command()(trial)
app.command()(probe)
app.command()(exporter)
app.command()(report)
app.command()(export)
app.command()(why)
app.add_typer(models_app, name="models")
app.add_typer(mlflow_app, name="mlflow")
app.add_typer(store_app, name="store")
app.add_typer(space_app, name="space")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"xautolm {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """AutoML for language models that remembers: fine-tune a text classifier from a file.

    Exit codes: 0 done, 2 bad input, 3 store or disk, 4 trials cannot be started, 5 no trial gave a
    model, 70 a fault of xautolm, 130 interrupted.
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code; every error is one line on standard error.

    Args:
        arguments: What comes after ``xautolm``; those of the process if None.
    """
    escape_unknown_characters()
    given = list(sys.argv[1:] if arguments is None else arguments)
    # The flag is removed here, so that it may stand anywhere, also after the command.
    debug = "--debug" in given or bool(os.environ.get("XAUTOLM_DEBUG"))
    given = [argument for argument in given if argument != "--debug"]
    try:
        code = app(given, prog_name="xautolm", standalone_mode=False)
        sys.stdout.flush()
    except XautolmError as error:
        return _fail(str(error), error.exit_code, error, debug)
    except KeyboardInterrupt as error:
        return _fail("interrupted", EXIT_INTERRUPTED, error, debug)
    except BrokenPipeError:
        # The reader (head, less) has gone; keep the interpreter from complaining at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:  # noqa: BLE001 - the last line of defence
        return _fail_unexpectedly(error, debug)
    return code if isinstance(code, int) else 0


def _fail_unexpectedly(error: Exception, debug: bool) -> int:
    """Report a usage error of typer (it has ``format_message``), a disk fault, or our own fault."""
    format_message = getattr(error, "format_message", None)
    if callable(format_message):
        message = f"{_sentence(format_message())} See {_help_command(error)}"
        return _fail(message, EXIT_BAD_INPUT, error, debug)
    disk = as_store_error(error)
    if disk is not None:
        return _fail(str(disk), disk.exit_code, error, debug)
    words = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    hint = "" if debug else ". This is a fault of xautolm; --debug shows where"
    return _fail(f"{words}{hint}", EXIT_INTERNAL, error, debug)


def _sentence(text: str) -> str:
    return text if text.endswith(("?", "!")) else f"{text.rstrip('.')}."


def _help_command(error: Exception) -> str:
    context = getattr(error, "ctx", None)
    return f"{context.command_path if context else 'xautolm'} --help"


def _fail(message: str, code: int, error: BaseException, debug: bool) -> int:
    if debug:
        import traceback

        traceback.print_exception(error)
    print(f"error: {one_line(message)}", file=sys.stderr)
    return code
