"""Engines that run in a Python environment of their own, driven by JSON lines."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import IO
from typing import TYPE_CHECKING
from typing import Any

from benchmarks.replay.problem import Observed
from benchmarks.replay.problem import Problem
from xautolm_core.space.draw import BRANCH_HANDLE
from xautolm_core.space.draw import decode
from xautolm_core.space.draw import encode
from xautolm_core.space.parameters import Boolean
from xautolm_core.space.parameters import Categorical
from xautolm_core.space.parameters import Integer
from xautolm_core.space.parameters import Parameter

if TYPE_CHECKING:
    from benchmarks.replay.regimes import Sources
    from xautolm_core.records.configuration import Configuration
    from xautolm_core.space.space import SearchSpace

REQUIREMENTS: Mapping[str, tuple[str, ...]] = {
    "smac": ("smac==2.4.1",),
    # Its transfer methods import the hub's client, which it does not ask for.
    "syne_tune": ("syne-tune==0.16.0", "huggingface_hub"),
}
"""Engine to the packages of its environment."""

_SCRIPTS = Path(__file__).with_name("engines")
_INSTALL_SECONDS = 900
_READY = ".installed"


class EngineMissingError(Exception):
    """The environment of an engine cannot be created; the message gives the reason."""


def environment_of(engine: str, folder: Path) -> Path:
    """Return the Python of an engine's environment, made if it is not there.

    Args:
        engine: One of ``REQUIREMENTS``.
        folder: Where environments are kept.

    Raises:
        EngineMissingError: It cannot be installed.
    """
    return make_environment(engine, REQUIREMENTS[engine], folder)


def make_environment(name: str, wanted: Sequence[str], folder: Path) -> Path:
    """Return the Python of an environment with some packages, made if it is not there.

    Args:
        name: Of the environment.
        wanted: Its packages, as pip takes them.
        folder: Where environments are kept.

    Raises:
        EngineMissingError: They cannot be installed.
    """
    home = folder / name
    python = home / "bin" / "python"
    ready = home / _READY
    if ready.is_file() and ready.read_text().split() == list(wanted):
        return python
    print(f"making the environment of {name} in {home}", flush=True)
    _run([sys.executable, "-m", "venv", "--clear", str(home)])
    _run([str(python), "-m", "pip", "install", "--quiet", *wanted])
    ready.write_text("\n".join(wanted))
    return python


def _run(command: list[str]) -> None:
    try:
        subprocess.run(
            command,
            check=True,
            capture_output=True,
            text=True,
            timeout=_INSTALL_SECONDS,
            env=_clean_environment(),
        )
    except subprocess.CalledProcessError as error:
        raise EngineMissingError(_last_line(error.stderr)) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EngineMissingError(str(error)) from error


def _last_line(output: str) -> str:
    lines = [line for line in output.splitlines() if line.strip()]
    return lines[-1] if lines else "no message"


def _clean_environment() -> dict[str, str]:
    """Return this process's environment without what leads to this project's packages.

    Of joblib one process is wanted: searches run side by side already.
    """
    hidden = ("PYTHONPATH", "VIRTUAL_ENV")
    kept = {name: value for name, value in os.environ.items() if name not in hidden}
    return {**kept, "LOKY_MAX_CPU_COUNT": "1"}


def space_document(space: SearchSpace) -> dict[str, Any]:
    """Return a space as plain values: its branches with their parameters, models first."""
    handles = [p.handle for b in space.branches for p in (b.model, *b.parameters)]
    return {
        "branches": [
            {
                "name": branch.name,
                "parameters": [
                    {**_domain(p), "handle": p.handle, "shared": handles.count(p.handle) > 1}
                    for p in (branch.model, *branch.parameters)
                ],
            }
            for branch in space.branches
        ]
    }


def _domain(parameter: Parameter) -> dict[str, Any]:
    match parameter:
        case Categorical(choices=choices):
            return {"choices": list(choices)}
        case Integer(low=low, high=high):
            return {"low": low, "high": high}
        case Boolean():
            return {"choices": [False, True]}


class ExternalEngine:
    """An engine in a process of its own.

    Args:
        problem: What is searched on.
        found: The trials of other tasks; they are sent to engines that read them.
        seed: Of the engine.
        python: Of the engine's environment.
        engine: One of ``REQUIREMENTS``.
        request: Further fields of its first message.
    """

    def __init__(
        self,
        problem: Problem,
        found: Sources,
        seed: int,
        *,
        python: Path,
        engine: str,
        request: Mapping[str, Any],
    ) -> None:
        self._space = problem.offered
        self.other_cpu_seconds = 0.0
        # A file, since nobody reads along: a pipe would fill up.
        self._words = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        self._process = subprocess.Popen(
            [str(python), str(_SCRIPTS / f"{engine}_engine.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._words,
            text=True,
            env=_clean_environment(),
        )
        self._end = weakref.finalize(self, _stop, self._process, self._words)
        self._say(
            {
                **request,
                "seed": seed % 2**31,
                "space": space_document(self._space),
                "history": [self._told_history(problem, trials) for trials in found.values()],
            }
        )

    def propose(self, number: int) -> Configuration:
        """Return what the engine proposes."""
        return decode(self._space, self._say({"ask": number})["choices"])

    def answer(self, number: int, observed: Observed) -> None:
        """Send the engine the outcome of its proposal."""
        self._say({"tell": number, **_told(observed)})

    def _told_history(self, problem: Problem, trials: list[Any]) -> list[dict[str, Any]]:
        """Return the successes of a task whose configurations can be had here."""
        infeasible = problem.infeasible or (lambda _: None)
        return [
            {**_told(one.observed), "choices": _choices(self._space, one.configuration)}
            for one in trials
            if one.observed.score is not None and infeasible(one.configuration) is None
        ]

    def _say(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """Send a line, and return the answer.

        Raises:
            RuntimeError: The engine has ended.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(message) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise RuntimeError(f"The engine has ended: {self._last_words()}")
        reply: dict[str, Any] = json.loads(line)
        self.other_cpu_seconds = float(reply["cpu_seconds"])
        return reply

    def _last_words(self) -> str:
        self._words.seek(0)
        return _last_line(self._words.read().decode(errors="replace"))


def _told(observed: Observed) -> dict[str, Any]:
    return {
        "score": observed.score,
        "seconds": observed.seconds,
        "log_seconds": math.log(observed.seconds),
        "outcome": observed.outcome.value,
    }


def _choices(space: SearchSpace, configuration: Configuration) -> dict[str, Any]:
    chosen = encode(space, configuration)
    return {handle: value for handle, value in chosen.items() if handle != BRANCH_HANDLE}


def _stop(process: subprocess.Popen[str], words: IO[bytes]) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout, words):
        if pipe is not None:
            pipe.close()
