"""The trial's process before and after the target: it makes sure that it can be ended."""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from typing import NoReturn

from xautolm_core.launch import processes
from xautolm_core.launch.memory_groups import MemoryGroup
from xautolm_core.launch.protocol import Start
from xautolm_core.launch.protocol import environment_of_threads
from xautolm_core.records.attempt import TrialResult
from xautolm_core.records.outcome import Failure
from xautolm_core.trial.contract import LOG_FILE
from xautolm_core.trial.contract import TrialSpec
from xautolm_core.trial.failures import describe

# Of sysexits.h: an internal fault, and an error of the operating system.
EXIT_SOFTWARE = 70
EXIT_OS_ERROR = 71

Target = Callable[[TrialSpec], Any]

# Where a machine runs out of memory, its kernel should kill a trial rather than the search.
_OOM_SCORE_ADJUSTMENT = "500"


def run_child(
    order: Start, target: Target, *, server_pid: int, group: MemoryGroup | None, report: int
) -> NoReturn:
    """Become the trial's process: call the target and end. Called right after the fork.

    Args:
        order: The trial to run.
        target: The function to call.
        server_pid: The fork server, with which this process dies.
        group: Memory group to enter, if any.
        report: Pipe for the ``Failure`` of an exception, or that the target returned.
    """
    status = EXIT_OS_ERROR
    try:
        if group is not None:
            group.enter()
        _detach(server_pid)
        _redirect_output(Path(order.out_folder) / LOG_FILE)
        os.environ.update(environment_of_threads(order.threads))
        status = EXIT_SOFTWARE
        spec = TrialSpec.model_validate_json(Path(order.spec_file).read_bytes())
        gc.enable()
        result = target(spec)
        status = 0
        if isinstance(result, TrialResult) and result.failure is not None:
            # It is used where the result itself could not be written.
            _tell(result.failure, report)
    except SystemExit as problem:
        status = _exit_status(problem)
    except BaseException as problem:  # noqa: BLE001 - the process ends here, whatever it was
        _report(problem, report)
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        # Not sys.exit: the exit handlers are the fork server's.
        os._exit(status)


def _detach(server_pid: int) -> None:
    """Detach from the fork server's signals and session, but die with it."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    os.setsid()
    processes.die_with_parent(server_pid)
    processes.adopt_orphans()
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE_ADJUSTMENT)


def _redirect_output(log_file: Path) -> None:
    log = os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    faulthandler.enable(file=2)


def _exit_status(problem: SystemExit) -> int:
    if problem.code is None:
        return 0
    return problem.code & 0xFF if isinstance(problem.code, int) else 1


def _report(problem: BaseException, report: int) -> None:
    """Write the whole exception to the log, and a Failure without any data to the launcher."""
    import traceback

    with contextlib.suppress(Exception):
        traceback.print_exception(problem)
    with contextlib.suppress(Exception):
        _tell(describe(problem), report)


def _tell(failure: Failure, report: int) -> None:
    with contextlib.suppress(OSError):
        os.write(report, failure.model_dump_json().encode())
