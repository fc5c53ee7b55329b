"""The entry of a step in a pod: user errors are one line, with an exit code by kind."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from typing import ParamSpec
from typing import TypeVar

from xautolm_core.errors import XautolmError
from xautolm_core.storage_faults import as_store_error
from xautolm_core.streams import escape_unknown_characters

Parameters = ParamSpec("Parameters")
Answer = TypeVar("Answer")
# Libraries that fork or print in the middle of a log.
_QUIET = {"TOKENIZERS_PARALLELISM": "false", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}


def step(function: Callable[Parameters, Answer]) -> Callable[Parameters, Answer]:
    """Make a function the entry of a pipeline's step.

    An ``XautolmError``, or the fault of a full disk, ends the process with one line and its exit
    code; any other error keeps its traceback. The plain function is
    ``__wrapped__``.
    """

    @functools.wraps(function)
    def entry(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Answer:
        for name, value in _QUIET.items():
            os.environ.setdefault(name, value)
        escape_unknown_characters()
        try:
            return function(*args, **kwargs)
        except Exception as error:
            told = error if isinstance(error, XautolmError) else as_store_error(error)
            if told is None:
                raise
            print(f"error: {told}", file=sys.stderr, flush=True)
            sys.exit(told.exit_code)

    return entry
