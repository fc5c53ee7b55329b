"""Targets for the launcher's tests: trials that behave, and trials that do not.

What a trial shall do stands in its configuration's parameters, as in a real search.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import signal
import stat
import subprocess
import sys
import time
from datetime import UTC
from datetime import datetime
from pathlib import Path

from xautolm_core.records.attempt import TrialResult
from xautolm_core.records.outcome import Failure
from xautolm_core.records.outcome import Outcome
from xautolm_core.records.scores import Score
from xautolm_core.trial.contract import RESULT_FILE
from xautolm_core.trial.contract import TrialSpec
from xautolm_core.whole_files import write_json

PIDS_FILE = "pids.txt"
MIB = 1 << 20
# Of Linux; Python's mmap has no name for it.
MAP_NORESERVE = 0x4000


def run(spec: TrialSpec) -> None:
    """Do what the configuration's ``behaviour`` names."""
    note_pid(spec, os.getpid())
    behaviours = {
        "succeed": succeed,
        "allocate": allocate,
        "allocate_in_grandchild": allocate_in_grandchild,
        "touch_what_was_granted": touch_what_was_granted,
        "sleep": sleep,
        "ignore_sigterm": ignore_sigterm,
        "report_cancelled": report_cancelled,
        "exit_silently": exit_silently,
        "exit_with_status": exit_with_status,
        "segfault": segfault,
        "abort": abort,
        "raise_with_text": raise_with_text,
        "succeed_and_hang": succeed_and_hang,
        "write_torn_result": write_torn_result,
        "write_foreign_result": write_foreign_result,
        "spawn_family": spawn_family,
        "leave_orphan": leave_orphan,
        "tell_surroundings": tell_surroundings,
        "fail_as_infra_when_helper_dies": fail_as_infra_when_helper_dies,
    }
    behaviours[str(spec.configuration.parameters["behaviour"])](spec)


def number(spec: TrialSpec, name: str) -> float:
    value = spec.configuration.parameters[name]
    assert isinstance(value, int | float)
    return float(value)


def note_pid(spec: TrialSpec, pid: int) -> None:
    with (spec.out_folder / PIDS_FILE).open("a") as stream:
        stream.write(f"{pid}\n")


def write_result(spec: TrialSpec, outcome: Outcome = Outcome.OK, **more: object) -> None:
    result = TrialResult(
        search_id=spec.search_id,
        trial_number=spec.trial_number,
        attempt=spec.attempt,
        outcome=outcome,
        scores={"macro_f1": Score(value=0.5)} if outcome is Outcome.OK else {},
        seconds={"train": 1.0},
        started_at=datetime.now(UTC),
        **more,
    )
    write_json(spec.out_folder / RESULT_FILE, result)


def succeed(spec: TrialSpec) -> None:
    time.sleep(float(spec.configuration.parameters.get("seconds", 0) or 0))
    write_result(spec)


def allocate(spec: TrialSpec) -> None:
    blocks = []
    for _ in range(int(number(spec, "mebibytes")) // 8):
        blocks.append(bytearray(os.urandom(1)) * (8 * MIB))
        time.sleep(0.01)
    write_result(spec)
    # Long enough for a watchdog to look at what was allocated.
    time.sleep(0.5)


def touch_what_was_granted(spec: TrialSpec) -> None:
    """Ask for 1 TiB at once, as where the kernel overcommits: it is granted, whatever there is."""
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_NORESERVE
    granted = mmap.mmap(-1, 1 << 40, flags=flags)
    for start in range(0, int(number(spec, "mebibytes")) * MIB, 8 * MIB):
        granted[start : start + 8 * MIB] = bytes(8 * MIB)
        time.sleep(0.01)
    write_result(spec)
    time.sleep(0.5)


def allocate_in_grandchild(spec: TrialSpec) -> None:
    size = int(number(spec, "mebibytes"))
    code = (
        f"import time; b = []\nfor _ in range({size} // 8):\n"
        "    b.append(bytearray(8 << 20)); time.sleep(0.01)\n"
        "time.sleep(60)"
    )
    helper = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    note_pid(spec, helper.pid)
    helper.wait()
    time.sleep(60)


def fail_as_infra_when_helper_dies(spec: TrialSpec) -> None:
    size = int(number(spec, "mebibytes"))
    helper = subprocess.Popen([sys.executable, "-c", f"bytearray({size} << 20)"])
    if helper.wait() != 0:
        write_result(spec, Outcome.INFRA, failure=Failure(kind="HelperDied"))


def sleep(spec: TrialSpec) -> None:
    time.sleep(number(spec, "seconds"))


def ignore_sigterm(spec: TrialSpec) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    (spec.out_folder / "ignoring").touch()
    time.sleep(60)


def report_cancelled(spec: TrialSpec) -> None:
    """End as a well-behaved trial does when SIGTERM comes."""

    def end(received: int, frame: object) -> None:
        write_result(spec, Outcome.CANCELLED)
        os._exit(0)

    signal.signal(signal.SIGTERM, end)
    (spec.out_folder / "prepared").touch()
    time.sleep(60)


def exit_silently(spec: TrialSpec) -> None:
    """Return without a result."""


def exit_with_status(spec: TrialSpec) -> None:
    sys.exit(int(number(spec, "status")))


def segfault(spec: TrialSpec) -> None:
    ctypes.string_at(0)


def abort(spec: TrialSpec) -> None:
    os.abort()


def raise_with_text(spec: TrialSpec) -> None:
    print("the text of row 7 is: my secret diary")
    raise ValueError("cannot read 'my secret diary' in /home/someone/task/train.csv")


def succeed_and_hang(spec: TrialSpec) -> None:
    write_result(spec)
    time.sleep(60)


def write_torn_result(spec: TrialSpec) -> None:
    (spec.out_folder / RESULT_FILE).write_text('{"schema_version": 1, "search_id": "s", "outc')


def write_foreign_result(spec: TrialSpec) -> None:
    write_result(spec.model_copy(update={"attempt": spec.attempt + 1}))


def spawn_family(spec: TrialSpec) -> None:
    """Start a child, one in a session of its own, and a daemon whose parent has ended."""
    sleeping = [sys.executable, "-c", "import time; time.sleep(120)"]
    note_pid(spec, subprocess.Popen(sleeping).pid)
    note_pid(spec, subprocess.Popen(sleeping, start_new_session=True).pid)
    leave_daemon(spec)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    (spec.out_folder / "family").touch()
    time.sleep(120)


def leave_daemon(spec: TrialSpec) -> None:
    before = len((spec.out_folder / PIDS_FILE).read_text().split())
    child = os.fork()
    if child == 0:
        os.setsid()
        if os.fork() == 0:
            note_pid(spec, os.getpid())
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            time.sleep(120)
        os._exit(0)
    os.waitpid(child, 0)
    # The daemon notes itself; wait for it, so that a test can read its id.
    deadline = time.monotonic() + 5
    while len((spec.out_folder / PIDS_FILE).read_text().split()) <= before:
        if time.monotonic() > deadline:
            break
        time.sleep(0.01)


def leave_orphan(spec: TrialSpec) -> None:
    leave_daemon(spec)
    write_result(spec)


def tell_surroundings(spec: TrialSpec) -> None:
    """Write what the trial's process looks like from within."""
    facts = {
        "session": os.getsid(0) == os.getpid(),
        "threads": len(list(Path("/proc/self/task").iterdir())),
        "omp": os.environ.get("OMP_NUM_THREADS"),
        "extra": os.environ.get("EXTRA"),
        "python_path": os.environ.get("PYTHONPATH"),
        "sigterm": signal.getsignal(signal.SIGTERM) is signal.SIG_DFL,
        "sockets": sum(
            stat.S_ISSOCK(file.stat().st_mode)
            for file in Path("/proc/self/fd").iterdir()
            if file.exists()
        ),
        "cgroup": Path("/proc/self/cgroup").read_text(),
    }
    print("a line for the log", flush=True)
    write_json(spec.out_folder / "surroundings.json", facts)
    write_result(spec)
