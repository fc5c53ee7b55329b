"""The protocol of launcher and fork server: one JSON document per packet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated
from typing import Literal

from pydantic import BaseModel
from pydantic import ConfigDict
from pydantic import Field
from pydantic import TypeAdapter

from xautolm_core.trial.endings import ProcessEnd

MemoryGuard = Literal["auto", "cgroup", "watchdog", "none"]

# Inherited by everything that the fork server starts, so that all of it can be found again.
TOKEN_VARIABLE = "XAUTOLM_LAUNCHER"  # noqa: S105

# The largest packet; a Unix socket takes about 200 KB.
PACKET_BYTES = 128 * 1024


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Settings(_Message):
    """The first message to a fork server.

    Attributes:
        launcher_pid: The process that must be alive for trials to be alive.
        target: ``module:function`` that runs a trial; it gets the ``TrialSpec``.
        preload: Modules to import before the first fork.
        import_paths: The whole ``sys.path``.
        python_path: ``PYTHONPATH`` of the trials; None for none.
        memory_guard: How memory limits are enforced.
        grace_seconds: Time between SIGTERM and SIGKILL where a trial exceeds a limit.
        linger_seconds: Time that a trial may still exist after it wrote its result.
    """

    do: Literal["settings"] = "settings"
    launcher_pid: int
    target: str
    preload: tuple[str, ...]
    import_paths: tuple[str, ...]
    python_path: str | None
    memory_guard: MemoryGuard
    grace_seconds: float
    linger_seconds: float


class Start(_Message):
    """Start a trial whose spec is written."""

    do: Literal["start"] = "start"
    key: str
    spec_file: str
    out_folder: str
    threads: int
    wall_limit_seconds: float | None
    memory_limit_bytes: int | None


class End(_Message):
    """End a trial: SIGTERM first, SIGKILL after the grace."""

    do: Literal["end"] = "end"
    key: str
    grace_seconds: float


class Close(_Message):
    """Kill all trials and end."""

    do: Literal["close"] = "close"


class Ready(_Message):
    """The fork server has finished its imports and accepts trials.

    Attributes:
        memory_guard: The chosen guard.
        preload_seconds: Duration of the imports.
        threads: Threads of the server; forking is safe only with one.
        groups_version: Version of the control group interface, where groups are used.
        groups_base: Folder of the groups, which its launcher removes if the server is lost.
    """

    event: Literal["ready"] = "ready"
    memory_guard: MemoryGuard
    preload_seconds: float
    threads: int
    groups_version: Literal[1, 2] | None = None
    groups_base: str | None = None


class Unusable(_Message):
    """The fork server cannot start trials and ends."""

    event: Literal["unusable"] = "unusable"
    problem: str
    hint: str = ""


class Started(_Message):
    """A trial's process was started."""

    event: Literal["started"] = "started"
    key: str
    pid: int


class Ended(_Message):
    """A trial's process, and all that it started, has ended."""

    event: Literal["ended"] = "ended"
    key: str
    end: ProcessEnd


Request = Annotated[Settings | Start | End | Close, Field(discriminator="do")]
Event = Annotated[Ready | Unusable | Started | Ended, Field(discriminator="event")]

_REQUESTS: TypeAdapter[Request] = TypeAdapter(Request)
_EVENTS: TypeAdapter[Event] = TypeAdapter(Event)


def encode(message: BaseModel) -> bytes:
    """Return the packet of a message."""
    return message.model_dump_json().encode()


def decode_request(packet: bytes) -> Request:
    """Decode a packet of the launcher."""
    return _REQUESTS.validate_json(packet)


def decode_event(packet: bytes) -> Event:
    """Decode a packet of the fork server."""
    return _EVENTS.validate_json(packet)


def environment_of_threads(threads: int) -> Mapping[str, str]:
    """Return the variables that tell numeric libraries how many threads to use."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS")
    return dict.fromkeys(names, str(threads))
