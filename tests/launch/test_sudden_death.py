"""What is left when the search, or the fork server, is killed by SIGKILL: nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.launch.conftest import REPOSITORY
from tests.launch.conftest import MakeSpec
from tests.launch.conftest import all_gone
from tests.launch.conftest import pids_of
from tests.launch.conftest import wait_for
from xautolm_core.launch.local import LocalLauncher
from xautolm_core.launch.memory_groups import find_groups
from xautolm_core.launch.memory_groups import find_own_group
from xautolm_core.launch.protocol import TOKEN_VARIABLE
from xautolm_core.records.outcome import Outcome
from xautolm_core.trial.contract import TrialSpec
from xautolm_core.whole_files import write_json

MakeLauncher = Callable[..., LocalLauncher]

LIMIT_SECONDS = 5.0


def start_search(
    guard: str, specs: list[TrialSpec], folder: Path, fork: bool
) -> tuple[subprocess.Popen[str], int, list[int]]:
    """Start a search; return it, its fork server and its forks."""
    files = []
    for spec in specs:
        file = folder / f"{spec.trial_number}.json"
        write_json(file, spec)
        files.append(str(file))
    search = subprocess.Popen(
        [sys.executable, "-m", "tests.launch.searching", guard, "fork" if fork else "-", *files],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert search.stdout is not None
    server, child = map(int, search.stdout.readline().split())
    for spec in specs:
        assert wait_for((spec.out_folder / "family").exists)
    return search, server, [child] if fork else []


def processes_with_token(token: bytes) -> list[int]:
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                if token in (folder / "environ").read_bytes():
                    found.append(int(folder.name))
            except OSError:
                continue
    return found


def token_of(pid: int) -> bytes:
    variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return next(v for v in variables if v.startswith(f"{TOKEN_VARIABLE}=".encode()))


@pytest.mark.parametrize("fork", [False, True], ids=["alone", "forked"])
@pytest.mark.parametrize("guard", ["auto", "watchdog"])
def test_no_trial_outlives_its_killed_search(
    make_spec: MakeSpec, tmp_path: Path, guard: str, fork: bool
) -> None:
    specs = [make_spec("spawn_family") for _ in range(2)]
    search, server, forks = start_search(guard, specs, tmp_path, fork)
    try:
        pids = [pid for spec in specs for pid in pids_of(spec)]
        assert len(pids) == 8
        token = token_of(server)
        assert set(processes_with_token(token)) >= {server, *pids}

        search.kill()
        began = time.monotonic()
        search.wait()
        assert wait_for(lambda: all_gone([server, *pids]), LIMIT_SECONDS)
        assert time.monotonic() - began < LIMIT_SECONDS
        assert processes_with_token(token) == []
    finally:
        for pid in forks:
            os.kill(pid, signal.SIGKILL)
        search.kill()
        search.communicate()


def test_no_trial_outlives_a_search_killed_with_its_server(
    make_spec: MakeSpec, tmp_path: Path
) -> None:
    """Then nobody is left to look after the trials; the kernel does."""
    spec = make_spec("spawn_family")
    search, server, _ = start_search("auto", [spec], tmp_path, fork=False)
    trial, *family = pids_of(spec)
    try:
        os.kill(server, signal.SIGSTOP)  # it must not notice
        search.kill()
        os.kill(server, signal.SIGKILL)
        search.communicate()
        assert wait_for(lambda: all_gone([trial, server]), LIMIT_SECONDS)
        # The next launcher removes the groups of dead ones, and what is in them; an ordinary user's
        # has none.
        if find_groups(os.getpid()) is not None:
            assert wait_for(lambda: all_gone(family), LIMIT_SECONDS)
    finally:
        for pid in family:
            if not all_gone([pid]):
                os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("guard", ["auto", "watchdog"])
def test_the_trials_of_a_killed_server_end_as_infra(
    make_launcher: MakeLauncher, make_spec: MakeSpec, guard: str
) -> None:
    launcher = make_launcher(memory_guard=guard)
    specs = [make_spec("spawn_family") for _ in range(2)]
    handles = [launcher.submit(spec) for spec in specs]
    for spec in specs:
        assert wait_for((spec.out_folder / "family").exists)
    first_server = launcher.server_pid
    os.kill(first_server, signal.SIGKILL)
    launcher.wait(handles, 5)
    for handle, spec in zip(handles, specs, strict=True):
        result = launcher.poll(handle)
        assert result is not None
        assert result.outcome is Outcome.INFRA
        assert result.failure is not None
        assert result.failure.kind == "ForkServerLost"
        assert all_gone(pids_of(spec))

    again = launcher.submit(make_spec("succeed"))
    assert launcher.server_pid != first_server
    launcher.wait([again], 10)
    result = launcher.poll(again)
    assert result is not None
    assert result.outcome is Outcome.OK
    own = find_own_group()
    if own is not None:
        assert not list(own.path.glob(f"xautolm-*-{first_server}-*"))


def test_a_result_survives_the_server(make_launcher: MakeLauncher, make_spec: MakeSpec) -> None:
    launcher = make_launcher()
    spec = make_spec("succeed_and_hang")
    handle = launcher.submit(spec)
    assert wait_for((spec.out_folder / "result.json").exists)
    os.kill(launcher.server_pid, signal.SIGKILL)
    launcher.wait([handle], 5)
    result = launcher.poll(handle)
    assert result is not None
    assert result.outcome is Outcome.OK


def test_a_server_that_is_told_to_end(make_launcher: MakeLauncher, make_spec: MakeSpec) -> None:
    """As when a machine is shut down: every process gets SIGTERM."""
    launcher = make_launcher()
    spec = make_spec("sleep", seconds=60)
    handle = launcher.submit(spec)
    os.kill(launcher.server_pid, signal.SIGTERM)
    launcher.wait([handle], 5)
    result = launcher.poll(handle)
    assert result is not None
    assert result.outcome is Outcome.PREEMPTED
    assert all_gone([int(handle.native_id)])


def test_a_search_that_is_killed_during_the_imports(tmp_path: Path) -> None:
    (tmp_path / "imports_slowly.py").write_text("import time\ntime.sleep(60)\n")
    code = (
        "from xautolm_core.launch.local import LocalLauncher\nimport time\n"
        f"launcher = LocalLauncher(target='imports_slowly:run', import_paths=[{str(tmp_path)!r}])\n"
        "print(launcher.server_pid, flush=True)\ntime.sleep(60)\n"
    )
    search = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=REPOSITORY
    )
    assert search.stdout is not None
    server = int(search.stdout.readline())
    time.sleep(1.0)
    search.kill()
    search.communicate()
    assert wait_for(lambda: all_gone([server]), LIMIT_SECONDS)


def test_ctrl_c_is_for_the_search_alone(make_spec: MakeSpec, tmp_path: Path) -> None:
    """The terminal sends SIGINT to the whole foreground group: the trials are not in it."""
    spec = make_spec("spawn_family")
    file = tmp_path / "spec.json"
    write_json(file, spec)
    code = (
        "import os, signal, time\nfrom pathlib import Path\n"
        "from xautolm_core.launch.local import LocalLauncher\n"
        "from xautolm_core.trial.contract import TrialSpec\n"
        "launcher = LocalLauncher(target='tests.launch.misbehaving:run', preload=())\n"
        f"spec = TrialSpec.model_validate_json(Path({str(file)!r}).read_bytes())\n"
        "handle = launcher.submit(spec)\n"
        "while not (spec.out_folder / 'family').exists(): time.sleep(0.02)\n"
        "try:\n    os.killpg(0, signal.SIGINT); time.sleep(10)\n"
        "except KeyboardInterrupt:\n    time.sleep(0.5)\n"
        "print(launcher.poll(handle), flush=True)\n"
        "launcher.close()\nprint(launcher.poll(handle).outcome.value, flush=True)\n"
    )
    search = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        start_new_session=True,
        timeout=30,
        check=True,
    )
    assert search.stdout.split() == ["None", "cancelled"]
    assert all_gone(pids_of(spec))
