from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.running import Call
from xautolm_core import __version__
from xautolm_core.cli import main as main_module
from xautolm_core.errors import LaunchError
from xautolm_core.errors import StoreError

_HEAVY = (
    "torch",
    "transformers",
    "peft",
    "datasets",
    "optuna",
    "pandas",
    "pyarrow",
    "sklearn",
    "numpy",
    "jinja2",
    "minio",
)


def test_the_version(call: Call) -> None:
    ended = call("--version")
    assert (ended.code, ended.out) == (0, f"xautolm {__version__}\n")


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("search",),
        ("predict",),
        ("features",),
        ("trial",),
        ("why",),
        ("store", "ls"),
        ("space", "check"),
    ],
)
def test_every_command_has_help(call: Call, arguments: tuple[str, ...]) -> None:
    ended = call(*arguments, "--help")
    assert ended.code == 0
    assert "Usage: xautolm" in ended.out
    assert ended.err == ""


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys; from xautolm_core.cli.main import main; main(['search', '--help']);"
        f"print([name for name in {_HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_help_answers_at_once() -> None:
    # Processor time, the best of five: what counts is the command, not what else the machine does.
    seconds = []
    for _ in range(5):
        before = _processor_seconds_of_children()
        subprocess.run(
            [sys.executable, "-m", "xautolm_core.cli", "--help"], capture_output=True, check=True
        )
        seconds.append(_processor_seconds_of_children() - before)
    assert min(seconds) < 0.7


def _processor_seconds_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("search", "--nonsense"),
        ("search", "a.csv", "b.csv"),
        ("search", "a.csv", "--trials", "x"),
        ("search", "a.csv", "--trials", "0"),
        ("search", "a.csv", "--seed", "-1"),
        ("search", "a.csv", "--budget"),
        ("predict",),
        ("store", "show"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(call: Call, arguments: tuple[str, ...]) -> None:
    ended = call(*arguments)
    assert ended.code == 2
    assert ended.out == ""
    assert ended.err.startswith("error: ")
    assert ended.err.count("\n") == 1
    assert "--help" in ended.err


@pytest.mark.parametrize(
    ("problem", "code", "line"),
    [
        (StoreError("the store is broken", hint="Mend it"), 3, "the store is broken. Mend it"),
        (LaunchError("no process"), 4, "no process"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (
            ValueError("a\nb"),
            70,
            "ValueError: a b. This is a fault of xautolm; --debug shows where",
        ),
    ],
)
def test_errors_are_one_line_with_their_exit_code(
    call: Call, monkeypatch: pytest.MonkeyPatch, problem: BaseException, code: int, line: str
) -> None:
    def fail(*arguments: object, **keywords: object) -> None:
        raise problem

    monkeypatch.setattr(main_module, "app", fail)
    ended = call("search", "a.csv")
    assert ended.code == code
    assert ended.err == f"error: {line}\n"


def test_debug_shows_the_traceback(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object, **keywords: object) -> None:
        raise ValueError("deep down")

    monkeypatch.setattr(main_module, "app", fail)
    ended = call("search", "a.csv", "--debug")
    assert ended.code == 70
    assert "Traceback" in ended.err
    assert ended.err.splitlines()[-1] == "error: ValueError: deep down"


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    done = subprocess.run(
        f"{sys.executable} -m xautolm_core.cli space show starter | head -c 1",
        shell=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert "Traceback" not in done.stderr
    assert "error" not in done.stderr.lower()
