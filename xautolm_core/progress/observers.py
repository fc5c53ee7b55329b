"""Choose the view of a running search: in a notebook, live, as lines, or warnings only."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from xautolm_core.progress.line_view import LineView
from xautolm_core.progress.line_view import QuietView
from xautolm_core.progress.live_view import LiveView
from xautolm_core.progress.notebook_view import NotebookView
from xautolm_core.progress.notebook_view import in_notebook

if TYPE_CHECKING:
    from xautolm_core.search.contract import SearchObserver
    from xautolm_core.search.contract import SearchSpec


@contextmanager
def make_observer(
    spec: SearchSpec, *, resumed: bool, to_stderr: bool, how: str = "auto"
) -> Iterator[SearchObserver]:
    """Show a search until the context is left.

    Args:
        spec: The search.
        resumed: Whether it is a resumed search.
        to_stderr: Keep standard output free.
        how: ``auto`` gives a notebook an updated table, a terminal the live view, and anything
            else plain lines with the time, as logs have them; ``lines`` gives lines always,
            ``quiet`` warnings only (on standard error).
    """
    stream = sys.stderr if to_stderr else sys.stdout
    if how == "quiet":
        yield QuietView()
    elif how == "auto" and in_notebook():
        with NotebookView(spec, resumed=resumed) as notebook:
            yield notebook
    elif how == "auto" and stream.isatty():
        with LiveView(spec, resumed=resumed, stderr=to_stderr) as view:
            yield view
    else:
        yield LineView(spec, stream, resumed=resumed)
