"""The fork server: a process that has imported what trials need, and forks one child for each.

Started by the launcher as ``python -m xautolm_core.launch.forkserver DESCRIPTOR``, where the
descriptor is a socket. It has one thread, so that forking is safe; it never touches CUDA, which
would be unusable in the children; it enforces the limits independently of its launcher; and it
kills all trials as soon as its launcher has died.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import select
import signal
import socket
import sys
import time
from pathlib import Path
from types import FrameType

from xautolm_core.launch import processes
from xautolm_core.launch.child import Target
from xautolm_core.launch.child import run_child
from xautolm_core.launch.memory_groups import MemoryGroup
from xautolm_core.launch.memory_groups import MemoryGroups
from xautolm_core.launch.memory_groups import find_groups
from xautolm_core.launch.memory_groups import find_own_group
from xautolm_core.launch.protocol import PACKET_BYTES
from xautolm_core.launch.protocol import Close
from xautolm_core.launch.protocol import End
from xautolm_core.launch.protocol import Ended
from xautolm_core.launch.protocol import Event
from xautolm_core.launch.protocol import MemoryGuard
from xautolm_core.launch.protocol import Ready
from xautolm_core.launch.protocol import Settings
from xautolm_core.launch.protocol import Start
from xautolm_core.launch.protocol import Started
from xautolm_core.launch.protocol import Unusable
from xautolm_core.launch.protocol import decode_request
from xautolm_core.launch.protocol import encode
from xautolm_core.launch.supervision import Stage
from xautolm_core.launch.supervision import WatchedTrial
from xautolm_core.trial.endings import EndedBy
from xautolm_core.trial.endings import ProcessEnd
from xautolm_core.trial.failures import describe

_IDLE_TICK_SECONDS = 0.25
_CLOSE_TICK_SECONDS = 0.1
_SWEEP_TICK_SECONDS = 0.01
# A killed process that still exists after this time hangs in the kernel: nothing can be done.
_SWEEP_SECONDS = 2.0


class UnusableError(Exception):
    """The fork server cannot do its work."""

    def __init__(self, problem: str, hint: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.hint = hint


class ForkServer:
    """Forks trials and watches them until the launcher closes the socket.

    Args:
        channel: Socket to the launcher (packets).
        settings: Settings of the launcher.
    """

    def __init__(self, channel: socket.socket, settings: Settings) -> None:
        self._channel = channel
        self._settings = settings
        self._target: Target | None = None
        self._guard: MemoryGuard = "none"
        self._groups: MemoryGroups | None = None
        self._trials: dict[int, WatchedTrial] = {}
        self._not_ours: set[int] = set()
        self._wake_reader, self._wake_writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def prepare(self) -> Ready:
        """Choose the memory guard and import everything.

        Raises:
            UnusableError: Trials cannot be started like this.
        """
        self._choose_guard()
        began = time.monotonic()
        self._target = preload(self._settings)
        gc.collect()
        gc.freeze()
        # Processes that imports have started do not belong to a trial.
        self._not_ours = set(processes.children(os.getpid()))
        processes.adopt_orphans()
        signal.set_wakeup_fd(self._wake_writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, _ignore)
        return Ready(
            memory_guard=self._guard,
            preload_seconds=time.monotonic() - began,
            threads=len(list(Path("/proc/self/task").iterdir())),
            groups_version=self._groups.version if self._groups else None,
            groups_base=str(self._groups.base) if self._groups else None,
        )

    def serve(self) -> None:
        """Serve until the launcher ends it, or has died, or SIGTERM arrives."""
        signal.signal(signal.SIGTERM, _leave)
        why: EndedBy = "shutdown"
        try:
            while self._launcher_lives() and self._handle_requests():
                self._reap()
                self._tick()
            why = "cancel"
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            self._kill_everything(why)

    def _launcher_lives(self) -> bool:
        # A copy of the socket in a fork of the launcher would hide the launcher's death.
        return os.getppid() == self._settings.launcher_pid

    def _handle_requests(self) -> bool:
        """Wait for events, and handle the launcher's requests; return False when it closes."""
        channel = self._channel.fileno()
        ready, _, _ = select.select(
            [channel, self._wake_reader], [], [], self._seconds_to_next_tick()
        )
        if self._wake_reader in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(self._wake_reader, 4096)
        if channel not in ready:
            return True
        try:
            packet = self._channel.recv(PACKET_BYTES)
        except ConnectionError:
            return False
        if not packet:
            return False
        request = decode_request(packet)
        if isinstance(request, Start):
            self._start(request)
        elif isinstance(request, End):
            for trial in self._trials.values():
                if trial.order.key == request.key:
                    trial.terminate("cancel", request.grace_seconds)
        return not isinstance(request, Close)

    def _seconds_to_next_tick(self) -> float:
        if any(trial.stage is Stage.REAPED for trial in self._trials.values()):
            return _SWEEP_TICK_SECONDS
        if any(trial.is_watched_closely for trial in self._trials.values()):
            return _CLOSE_TICK_SECONDS
        return _IDLE_TICK_SECONDS

    def _choose_guard(self) -> None:
        wanted = self._settings.memory_guard
        if wanted in ("auto", "cgroup"):
            self._groups = find_groups(self._settings.launcher_pid)
        if self._groups is not None:
            self._guard = "cgroup"
        elif wanted == "cgroup":
            raise UnusableError(
                "memory groups (cgroup) cannot be made here: the controller is not writable",
                "Choose memory_guard='auto', which watches the memory instead",
            )
        else:
            self._guard = "watchdog" if wanted == "auto" else wanted

    def _start(self, order: Start) -> None:
        group: MemoryGroup | None = None
        try:
            if self._groups is not None:
                group = self._groups.make(order.memory_limit_bytes)
            pid, report = self._fork(order, group)
        except OSError as problem:
            if group is not None:
                group.remove()
            self._say(Ended(key=order.key, end=ProcessEnd(failure=describe(problem))))
            return
        self._trials[pid] = WatchedTrial(
            order,
            pid,
            group=group,
            own_group=None if group else find_own_group(),
            watch_memory=self._guard == "watchdog",
            report=report,
            grace_seconds=self._settings.grace_seconds,
            linger_seconds=self._settings.linger_seconds,
        )
        self._say(Started(key=order.key, pid=pid))

    def _fork(self, order: Start, group: MemoryGroup | None) -> tuple[int, int]:
        """Fork a trial; return its process and the pipe for its exception."""
        assert self._target is not None
        server_pid = os.getpid()
        reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        # A SIGTERM before the child has its own handlers is delayed until then.
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        try:
            pid = os.fork()
            if pid == 0:
                for descriptor in (reader, self._wake_reader, self._wake_writer):
                    os.close(descriptor)
                self._channel.close()
                run_child(order, self._target, server_pid=server_pid, group=group, report=writer)
        except OSError:
            os.close(reader)
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
            os.close(writer)
        return pid, reader

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid in self._trials:
                self._trials[pid].reaped(status)

    def _tick(self) -> None:
        for trial in self._trials.values():
            trial.tick()
        reaped = [trial for trial in self._trials.values() if trial.stage is Stage.REAPED]
        if not reaped:
            return
        strays = self._kill_strays()
        for trial in reaped:
            overdue = time.monotonic() - trial.reaped_at > _SWEEP_SECONDS
            if overdue or (not strays and not (trial.group and trial.group.members())):
                del self._trials[trial.pid]
                self._say(trial.facts())
                if trial.group is not None:
                    trial.group.remove()

    def _kill_strays(self) -> list[int]:
        """Kill processes that ended trials have left behind; return those that still exist.

        Each living trial is the parent of its own orphans, so that any other child of this process
        was left by a trial that has ended.
        """
        living = {t.pid for t in self._trials.values() if t.stage is not Stage.REAPED}
        strays = set(processes.children(os.getpid())) - living - self._not_ours
        processes.kill_all(strays)
        for trial in self._trials.values():
            if trial.stage is Stage.REAPED and trial.group is not None:
                trial.group.kill()
        return [pid for pid in strays if processes.is_running(pid)]

    def _kill_everything(self, why: EndedBy) -> None:
        for trial in self._trials.values():
            if trial.stage is not Stage.REAPED:
                trial.kill(why)
        deadline = time.monotonic() + _SWEEP_SECONDS
        while self._trials and time.monotonic() < deadline:
            self._reap()
            self._tick()
            time.sleep(_SWEEP_TICK_SECONDS)
        if self._groups is not None:
            self._groups.remove_all(seconds=0.5)

    def _say(self, event: Event) -> None:
        with contextlib.suppress(OSError):  # the launcher has died: nobody reads it
            self._channel.send(encode(event))


def preload(settings: Settings) -> Target:
    """Import the modules, and call the ``preload`` function of those that have one.

    Raises:
        UnusableError: Something cannot be imported, or has touched CUDA.
    """
    target_module, _, function = settings.target.partition(":")
    try:
        for name in dict.fromkeys((*settings.preload, target_module)):
            module = importlib.import_module(name)
            if hasattr(module, "preload"):
                module.preload()
        target: Target = getattr(sys.modules[target_module], function)
    except Exception as problem:
        import traceback

        traceback.print_exc()
        kind = type(problem).__name__
        missing = isinstance(problem, ModuleNotFoundError)
        raise UnusableError(
            f"the trials' code cannot be imported: {kind}: {problem}",
            "Install it with: pip install 'xautolm[trial]'" if missing else "",
        ) from problem
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        raise UnusableError("an import has initialised CUDA, which forked trials cannot use then")
    return target


def _ignore(number: int, frame: FrameType | None) -> None:
    """Let a signal interrupt select through the wake-up descriptor, and do nothing else."""


def _leave(number: int, frame: FrameType | None) -> None:
    raise SystemExit(0)


def _die_if_orphaned(launcher_pid: int) -> None:
    """Watch the launcher by a timer while imports block this process."""

    def look(number: int, frame: FrameType | None) -> None:
        if os.getppid() != launcher_pid:
            os._exit(1)

    signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, 0.5, 0.5)


def main() -> int:
    """Serve on the socket whose descriptor is the first argument."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    channel = socket.socket(fileno=int(sys.argv[1]))
    channel.set_inheritable(False)
    packet = channel.recv(PACKET_BYTES)
    if not packet:
        return 0
    settings = decode_request(packet)
    assert isinstance(settings, Settings)
    sys.path[:] = settings.import_paths
    if settings.python_path is None:
        os.environ.pop("PYTHONPATH", None)
    else:
        os.environ["PYTHONPATH"] = settings.python_path
    _die_if_orphaned(settings.launcher_pid)
    server = ForkServer(channel, settings)
    try:
        ready = server.prepare()
    except UnusableError as problem:
        with contextlib.suppress(OSError):
            channel.send(encode(Unusable(problem=problem.problem, hint=problem.hint)))
        return 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    with contextlib.suppress(OSError):
        channel.send(encode(ready))
    server.serve()
    return 0


if __name__ == "__main__":
    sys.exit(main())
