"""Which xautolm this is."""

from __future__ import annotations

import os

from xautolm_core import __version__

REVISION_VARIABLE = "XAUTOLM_REVISION"
"""Commit that an image was built from; images set it."""


def build_info() -> dict[str, str]:
    """Return version and revision; the latter is ``unknown`` where nobody says."""
    return {"version": __version__, "revision": os.environ.get(REVISION_VARIABLE) or "unknown"}
