"""What ``xautolm search`` does around the search itself: show its progress and its result."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

import typer

if TYPE_CHECKING:
    from xautolm import SearchResult
    from xautolm_core.report.green.assumptions import Basis
    from xautolm_core.request.search_request import SearchRequest
    from xautolm_core.search.contract import SearchObserver

EXIT_NO_MODEL = 5
EXIT_INTERRUPTED = 130

# Options that may be repeated are arguments with several values.
_REPEATED = ("sampler_options", "read_stores", "meters")


class Shown:
    """Shows the progress of a search, and keeps its run folder.

    Args:
        as_json: Keep standard output for the document.
        quiet: Show warnings only.
        metrics_port: Port at which metrics are served meanwhile, if any.
    """

    def __init__(self, *, as_json: bool, quiet: bool, metrics_port: str | None) -> None:
        self._as_json = as_json
        self._quiet = quiet
        self._metrics_port = metrics_port
        self.out_folder: Path | None = None

    @contextmanager
    def __call__(self, request: SearchRequest) -> Iterator[SearchObserver]:
        """Show the search until the context is left."""
        from xautolm_core.cli.search_metrics import metrics_of
        from xautolm_core.progress.observers import make_observer

        self.out_folder = request.out_folder
        how = "quiet" if self._quiet else "auto"
        with (
            metrics_of(request, self._metrics_port),
            make_observer(
                request.spec, resumed=request.resume, to_stderr=self._as_json, how=how
            ) as observer,
        ):
            yield observer

    @property
    def begun(self) -> Path | None:
        """The run folder of a search that has started."""
        from xautolm_core.search.contract import SEARCH_FILE

        folder = self.out_folder
        return folder if folder is not None and (folder / SEARCH_FILE).exists() else None


def run_search(given: dict[str, Any], resume: Path | None, shown: Shown) -> SearchResult:
    """Run a search, or continue one, and return its result.

    Args:
        given: Arguments of ``xautolm.search``, or of ``xautolm.resume``.
        resume: The run to continue; None for a new search.
        shown: Shows its progress.

    Raises:
        XautolmError: As these two raise; a store that cannot be used from the start is bad input.
    """
    import xautolm
    from xautolm._words import as_command_line
    from xautolm_core.cli.summary import resume_command
    from xautolm_core.errors import ConfigError
    from xautolm_core.errors import StoreError

    try:
        with as_command_line():
            if resume is not None:
                _check_changeable(given)
                return xautolm.resume(resume, progress=shown, **given)
            if "data" not in given:
                raise ConfigError(
                    "no data given",
                    hint="Write for example: xautolm search reviews.csv --budget 10m",
                )
            return xautolm.search(progress=shown, **given)
    except StoreError as error:
        # A store that could not be used from the start is bad input: nothing has started.
        if shown.begun is not None:
            raise
        raise ConfigError(error.problem, hint=error.hint) from error
    except KeyboardInterrupt:
        if shown.begun is not None:
            typer.echo(f"resume: {resume_command(shown.begun)}", err=True)
        raise


def _check_changeable(given: Mapping[str, Any]) -> None:
    """Refuse arguments that would change the search that is resumed.

    Raises:
        ConfigError: Such an argument is given.
    """
    import inspect

    import xautolm
    from xautolm_core.errors import ConfigError

    changeable = inspect.signature(xautolm.resume).parameters
    for name in given:
        if name not in changeable:
            option = name.removesuffix("s") if name in _REPEATED else name
            what = "other data" if name == "data" else f"--{option.replace('_', '-')}"
            raise ConfigError(
                f"--resume continues the search as it was: {what} cannot be given",
                hint="Leave it out, or start a new search",
            )


def tell_result(result: SearchResult, *, as_json: bool, basis: Basis | None) -> int:
    """Print the result of a search, and return the exit code.

    Args:
        result: Its result.
        as_json: Print one document.
        basis: What joules are turned into grams with; without it there is no Green AI report.

    Raises:
        StoreError: Experiences could not be written to the store.
    """
    from xautolm_core.cli.output import print_json
    from xautolm_core.cli.report_of_run import report_run
    from xautolm_core.cli.summary import print_summary
    from xautolm_core.search.outbox import require_kept

    if basis is not None:
        report_run(result.out_folder, basis)
    if as_json:
        print_json(result.summary)
    else:
        print_summary(result)
    if result.stopped_by == "interrupted":
        return EXIT_INTERRUPTED
    require_kept(result)
    return 0 if result.best is not None else EXIT_NO_MODEL
