"""Check that the Prometheus client is installed; it comes with an extra."""

from __future__ import annotations

from importlib.util import find_spec

from xautolm_core.errors import MissingExtraError


def require_client() -> None:
    """Check that the Prometheus client is installed.

    Raises:
        MissingExtraError: It is not.
    """
    if find_spec("prometheus_client") is None:
        raise MissingExtraError("monitoring", "Telling metrics")
