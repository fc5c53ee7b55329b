"""Arguments of Python calls, and messages in the words of whoever calls."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from xautolm_core.errors import ConfigError
from xautolm_core.errors import XautolmError

_SPEAKS_OPTIONS = ContextVar("speaks_options", default=False)
# The messages of the core name options: --label COL, --keep-models, --resume RUN.
# Paths with blanks are quoted, as for a shell; others may hold two hyphens.
_PATH = r"'[^']+'|[^\s']*[^\s',;.]"
_TERM = re.compile(
    rf"xautolm\ search\ --resume\ (?P<run>{_PATH})"
    rf"|(?<!\S)--resume\ (?='?/)(?P<folder>{_PATH})"
    r"|xautolm\ (?P<help>search|report)\ --help"
    r"|(?<![^\s(\[\"'`])--(?P<option>[a-z][a-z0-9-]*)(?:\ (?P<value>[A-Z]+(?:=[A-Z]+)?)\b)?",
    re.VERBOSE,
)
_NEGATED = {"no_screening": "screening=False", "no_early_stopping": "early_stopping=False"}
_SEVERAL = {"price": "prices", "read_store": "read_stores", "sampler_option": "sampler_options"}


def given_path(given: object, argument: str) -> Path:
    """Return the path that an argument gives, with the home folder for ``~``.

    Raises:
        ConfigError: It is neither text nor a path.
    """
    if not isinstance(given, str | os.PathLike):
        raise ConfigError(
            f"{argument}: a {type(given).__name__} is no path", hint="Give a string or a Path"
        )
    return Path(given).expanduser()


@contextmanager
def as_command_line() -> Iterator[None]:
    """Leave the options in the messages of all calls within the context."""
    token = _SPEAKS_OPTIONS.set(True)
    try:
        yield
    finally:
        _SPEAKS_OPTIONS.reset(token)


@contextmanager
def in_callers_words() -> Iterator[None]:
    """Let errors that leave the context name arguments where they name options."""
    try:
        yield
    except XautolmError as error:
        if not _SPEAKS_OPTIONS.get():
            error.problem, error.hint = python_words(error.problem), python_words(error.hint)
        raise


def python_words(text: str) -> str:
    """Return a message with arguments in the place of options: ``--label COL`` is ``label=COL``."""
    return _TERM.sub(_in_python, text)


def _in_python(found: re.Match[str]) -> str:
    if run := found["run"] or found["folder"]:
        return f"xautolm.resume({run.strip(chr(39))!r})"
    if found["help"]:
        return f"help(xautolm.{found['help']})"
    name = found["option"].replace("-", "_")
    if name in _NEGATED:
        return _NEGATED[name]
    name = _SEVERAL.get(name, name)
    return f"{name}={found['value']}" if found["value"] else name
