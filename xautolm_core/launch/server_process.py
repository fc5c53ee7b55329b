"""The launcher's side of a fork server: start it, exchange messages, and notice its end."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel

import xautolm_core
from xautolm_core.launch import processes
from xautolm_core.launch.memory_groups import MemoryGroups
from xautolm_core.launch.protocol import PACKET_BYTES
from xautolm_core.launch.protocol import TOKEN_VARIABLE
from xautolm_core.launch.protocol import Close
from xautolm_core.launch.protocol import Event
from xautolm_core.launch.protocol import Ready
from xautolm_core.launch.protocol import Settings
from xautolm_core.launch.protocol import decode_event
from xautolm_core.launch.protocol import encode
from xautolm_core.launch.protocol import environment_of_threads

_ARROW_ALLOCATOR = "JE_ARROW_MALLOC_CONF"


class ServerProcess:
    """A fork server. Starting it returns at once; it reports when it is ready.

    ``ready`` is that report, ``lost`` whether the server has died, ``last_error`` the last line of
    its standard error, once it was destroyed.

    Args:
        settings: Its settings.
        environment: Variables to set for it and for all trials.

    Raises:
        OSError: No process can be started.
    """

    def __init__(self, settings: Settings, environment: Mapping[str, str]) -> None:
        self.lost = False
        self.ready: Ready | None = None
        self.last_error = ""
        self._token = uuid.uuid4().hex
        # A file rather than a pipe: it cannot fill up and stop the server.
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the server
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-P",
                    "-m",
                    "xautolm_core.launch.forkserver",
                    str(theirs.fileno()),
                ],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._errors,
                env=self._environment(environment),
                # Ctrl-C in the terminal is for the search only, which decides what it means.
                start_new_session=True,
            )
        except OSError:
            self._channel.close()
            self._errors.close()
            raise
        finally:
            theirs.close()
        self.send(settings)

    def _environment(self, extra: Mapping[str, str]) -> dict[str, str]:
        package_root = str(Path(xautolm_core.__file__).parent.parent)
        paths = [package_root, *filter(None, [os.environ.get("PYTHONPATH")])]
        allocator = [*filter(None, [os.environ.get(_ARROW_ALLOCATOR)]), "background_thread:false"]
        return {
            # Threads that wait for one another in a loop take the processor from a neighbour: two
            # threads beside a busy one were measured to be over five times slower than these.
            "GOMP_SPINCOUNT": "1000",
            **os.environ,
            # numpy's library starts its threads when it is loaded; a trial sets its own number.
            **environment_of_threads(1),
            # pyarrow's allocator starts one when it is loaded.
            _ARROW_ALLOCATOR: ",".join(allocator),
            # Asking whether there is a GPU must not initialise CUDA.
            "PYTORCH_NVML_BASED_CUDA_CHECK": "1",
            **extra,
            "PYTHONPATH": os.pathsep.join(paths),
            TOKEN_VARIABLE: self._token,
        }

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def send(self, message: BaseModel) -> bool:
        """Send a message; return False if the server has died."""
        try:
            self._channel.send(encode(message))
        except OSError:
            self.lost = True
        return not self.lost

    def receive(self, timeout_seconds: float) -> list[Event]:
        """Return the server's events; wait for one up to the timeout."""
        events: list[Event] = []
        if self.lost:
            return events
        # Not select, which does not support descriptors above 1023.
        poll = select.poll()
        poll.register(self._channel, select.POLLIN)
        said_something = bool(poll.poll(max(0.0, timeout_seconds) * 1000))
        while said_something:
            try:
                packet = self._channel.recv(PACKET_BYTES, socket.MSG_DONTWAIT)
            except BlockingIOError:
                break
            except OSError:
                packet = b""
            if not packet:
                self.lost = True
                break
            event = decode_event(packet)
            if isinstance(event, Ready):
                self.ready = event
            events.append(event)
        return events

    def close(self, timeout_seconds: float = 1.5) -> list[Event]:
        """Let it kill its trials and end, if need be by SIGKILL; return its last events."""
        events: list[Event] = []
        if self.ready is None:
            timeout_seconds = 0.0  # it imports, and has no trials
        deadline = time.monotonic() + timeout_seconds
        self.send(Close())
        while not self.lost and time.monotonic() < deadline:
            events += self.receive(deadline - time.monotonic())
        self.destroy()
        return events

    def destroy(self) -> None:
        """Kill it and all processes that it has started, and free its resources."""
        self.lost = True
        if self._errors.closed:
            return
        self._channel.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(0.1)
        self._process.kill()
        self._process.wait()
        self._remove_groups()
        deadline = time.monotonic() + 1.0
        left = list(processes.carrying(TOKEN_VARIABLE, self._token))
        while left and time.monotonic() < deadline:
            for pid in left:
                processes.send_signal(pid, signal.SIGKILL)
            time.sleep(0.01)
            left = list(processes.carrying(TOKEN_VARIABLE, self._token))
        self.last_error = self._read_last_error()
        self._errors.close()

    def _read_last_error(self) -> str:
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return lines[-1].strip() if lines else f"it ended with status {self._process.returncode}"

    def _remove_groups(self) -> None:
        ready = self.ready
        if ready is not None and ready.groups_version is not None and ready.groups_base is not None:
            base = Path(ready.groups_base)
            groups = MemoryGroups(ready.groups_version, base, os.getpid(), self.pid)
            groups.remove_all(seconds=1.0)
