"""The side of the search: starts the process that sends, and tells what came of it."""

from __future__ import annotations

import contextlib
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from xautolm_core.report.wording import count_words
from xautolm_core.search.contract import SEARCH_FILE
from xautolm_core.tracking.client_environment import CLIENT_ENVIRONMENT
from xautolm_core.tracking.sender import MODULE
from xautolm_core.tracking.sender import SendOrder
from xautolm_core.tracking.sender import SendReport
from xautolm_core.tracking.settings import TrackingSettings
from xautolm_core.tracking.settings import write_settings

if TYPE_CHECKING:
    from xautolm_core.search.contract import SearchObserver

LAST_SECONDS = 600.0
"""What sending may take after a search; it gives up by itself where the server does not answer."""
INTERRUPTED_SECONDS = 5.0


@contextmanager
def tracked(
    settings: TrackingSettings | None, out_folder: Path, observer: SearchObserver
) -> Iterator[None]:
    """Send a search to MLflow while it runs and when it has ended.

    The search is to have left its result before the context ends. Nothing that goes wrong here
    reaches it: what is missing is said by a note, and sent by ``xautolm mlflow sync``.

    Args:
        settings: Where to; None for nowhere.
        out_folder: The run folder; it may not be there yet.
        observer: Is told what came of it.
    """
    if settings is None:
        yield
        return
    process = _start(SendOrder(settings=settings, out_folder=out_folder, follow=True))
    if isinstance(process, SendReport):
        try:
            yield
        finally:
            keep_settings(settings, out_folder)
        _tell(process, settings, out_folder, observer)
        return
    try:
        yield
    except BaseException:
        has_begun = (out_folder / SEARCH_FILE).is_file()
        _finish(process, INTERRUPTED_SECONDS if has_begun else 0.0)
        keep_settings(settings, out_folder)
        raise
    keep_settings(settings, out_folder)
    _tell(_finish(process, LAST_SECONDS), settings, out_folder, observer)


def send_once(settings: TrackingSettings, out_folder: Path) -> SendReport:
    """Send what MLflow does not have yet of a search; return what came of it.

    Args:
        settings: Where to.
        out_folder: The run folder.
    """
    process = _start(SendOrder(settings=settings, out_folder=out_folder, follow=False))
    return process if isinstance(process, SendReport) else _finish(process, None)


def report_words(report: SendReport, settings: TrackingSettings) -> str:
    """Return in a sentence what MLflow has of a search."""
    trials = count_words(max(report.runs - 1, 0), "trial")
    words = f"MLflow at {settings.place} has the search with {trials}"
    if report.run_id:
        words += f" (run {report.run_id})"
    if report.model:
        name, _, version = report.model.rpartition("/")
        words += f"; its model is version {version} of {name!r}"
    return f"{words}. {report.note}" if report.note else words


def sync_command(out_folder: Path) -> str:
    """Return the command that sends what is missing."""
    return f"xautolm mlflow sync {shlex.quote(str(out_folder))}"


def _tell(
    report: SendReport, settings: TrackingSettings, out_folder: Path, observer: SearchObserver
) -> None:
    if report.is_complete:
        observer.note(report_words(report, settings), warning=bool(report.note))
    else:
        observer.note(
            f"{report.problem}. The search is not affected; send what is missing later with: "
            f"{sync_command(out_folder)}",
            warning=True,
        )


def keep_settings(settings: TrackingSettings, out_folder: Path) -> None:
    """Write down where a search is tracked, where its run folder can be written."""
    # On a disk that is full the search says so itself.
    with contextlib.suppress(OSError):
        if (out_folder / SEARCH_FILE).is_file():
            write_settings(settings, out_folder)


def _start(order: SendOrder) -> subprocess.Popen[bytes] | SendReport:
    """Start the process that sends; return a report of the problem where it cannot be started."""
    environment = {**os.environ, **CLIENT_ENVIRONMENT, **order.settings.environment()}
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", MODULE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            # Ctrl-C is the search's: it ends this process itself.
            start_new_session=True,
        )
    except OSError as error:
        said = error.strerror or type(error).__name__
        return SendReport(problem=f"The process that sends to MLflow cannot be started ({said})")
    assert process.stdin is not None
    with contextlib.suppress(OSError):  # it has gone already: its missing report says so
        process.stdin.write(order.model_dump_json().encode() + b"\n")
        process.stdin.flush()
    return process


def _finish(process: subprocess.Popen[bytes], seconds: float | None) -> SendReport:
    """Let the process send what is left; return its report."""
    try:
        output, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return SendReport(problem="Sending to MLflow took too long")
    except BaseException:
        process.kill()
        process.wait()
        raise
    try:
        return SendReport.model_validate_json(output)
    except ValidationError:
        return SendReport(problem=f"Sending to MLflow ended with code {process.returncode}")
