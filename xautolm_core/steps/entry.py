"""How a step ends in a pod: errors of its user are one line, and the exit code says which kind."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from typing import ParamSpec
from typing import TypeVar

from xautolm_core.cli.streams import escape_unknown_characters
from xautolm_core.errors import XautolmError

Parameters = ParamSpec("Parameters")
Answer = TypeVar("Answer")
# Libraries that fork or print in the middle of a log.
_QUIET = {"TOKENIZERS_PARALLELISM": "false", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}


def step(function: Callable[Parameters, Answer]) -> Callable[Parameters, Answer]:
    """Make a function the entry of a pipeline's step.

    An error that we raise on purpose ends the process with one line and its exit code; anything
    else keeps its traceback. The plain function is ``__wrapped__``.
    """

    @functools.wraps(function)
    def entry(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Answer:
        for name, value in _QUIET.items():
            os.environ.setdefault(name, value)
        escape_unknown_characters()
        try:
            return function(*args, **kwargs)
        except XautolmError as error:
            print(f"error: {error}", file=sys.stderr, flush=True)
            sys.exit(error.exit_code)

    return entry
