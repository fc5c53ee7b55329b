"""Chooses how a running search is shown: live, as lines, or hardly at all."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from xautolm_core.progress.line_view import LineView
from xautolm_core.progress.line_view import QuietView
from xautolm_core.progress.live_view import LiveView

if TYPE_CHECKING:
    from xautolm_core.search.contract import SearchObserver
    from xautolm_core.search.contract import SearchSpec


@contextmanager
def make_observer(
    spec: SearchSpec, *, resumed: bool, to_stderr: bool, quiet: bool
) -> Iterator[SearchObserver]:
    """Show a search until the context is left.

    A terminal gets the live view; anything else plain lines with the time, as logs have them.

    Args:
        spec: What is asked.
        resumed: Whether the search goes on with an earlier one.
        to_stderr: Keep standard output free for the document.
        quiet: Show warnings only (on standard error).
    """
    if quiet:
        yield QuietView()
        return
    stream = sys.stderr if to_stderr else sys.stdout
    if not stream.isatty():
        yield LineView(spec, stream, resumed=resumed)
        return
    with LiveView(spec, resumed=resumed, stderr=to_stderr) as view:
        yield view
