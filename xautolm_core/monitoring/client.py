"""Whether Prometheus' client is there; it comes with an extra."""

from __future__ import annotations

from importlib.util import find_spec

from xautolm_core.errors import MissingExtraError


def require_client() -> None:
    """Make sure that Prometheus' client is there.

    Raises:
        MissingExtraError: It is not.
    """
    if find_spec("prometheus_client") is None:
        raise MissingExtraError("monitoring", "Telling metrics")
