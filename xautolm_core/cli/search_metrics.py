"""``xautolm search --metrics-port``: metrics of the running search and its store."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from xautolm_core.monitoring.searches import SearchTotals
from xautolm_core.monitoring.store_totals import StoreCount
from xautolm_core.monitoring.store_totals import StoreTotals

if TYPE_CHECKING:
    from xautolm_core.request.search_request import SearchRequest
    from xautolm_core.search.contract import SearchSpec

INTERVAL_SECONDS = 10.0
_HERE = "127.0.0.1"


class LiveSearch:
    """Counts one search of this process, as ``SearchCount`` counts those of a workspace.

    Args:
        spec: The search.
        out_folder: Its run folder.
    """

    def __init__(self, spec: SearchSpec, out_folder: Path) -> None:
        from xautolm_core.search.folders import read_state

        self._spec = spec
        self._out_folder = out_folder
        earlier = read_state(out_folder)
        self._used_seconds = 0.0 if earlier is None else earlier.elapsed_seconds
        self._begin = time.monotonic()

    def totals(self) -> SearchTotals:
        """Return the totals of now."""
        from xautolm_core.search.folders import read_state

        spec, shares = self._spec, []
        if spec.budget_seconds is not None:
            elapsed = self._used_seconds + time.monotonic() - self._begin
            shares.append(elapsed / spec.budget_seconds)
        if spec.max_trials is not None:
            shares.append(0.0)  # the state file already counts more of it
        state = read_state(self._out_folder)
        if state is not None:
            shares += state.budget_used.values()
        used = {spec.tenant: max(shares)} if shares else {}
        return SearchTotals(active={spec.tenant: 1}, budget_used=used, warm_start={})


class _StoreOnceThere:
    """Counts a store that the search may be about to make; the exporter must not make it."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._count: StoreCount | None = None

    def totals(self) -> StoreTotals:
        from xautolm_core.experience.open import open_store

        if self._count is None:
            self._count = StoreCount(open_store(self._address, create=False))
        return self._count.totals()


@contextmanager
def metrics_of(request: SearchRequest, listen: str | None) -> Iterator[None]:
    """Serve metrics until the context is left.

    Args:
        request: The search.
        listen: ``PORT`` of this machine, or ``HOST:PORT``; None for no answers.

    Raises:
        ConfigError: It is not an address, or cannot be listened at.
        MissingExtraError: Prometheus' client is not installed.
    """
    if listen is None:
        yield
        return
    from xautolm_core.cli.exporter_command import parse_address
    from xautolm_core.monitoring.client import require_client

    host, port = parse_address(
        listen if ":" in listen else f"{_HERE}:{listen}", option="--metrics-port"
    )
    require_client()
    from xautolm_core.monitoring.pages import Pages
    from xautolm_core.monitoring.reading import Reader
    from xautolm_core.monitoring.server import MetricsServer
    from xautolm_core.monitoring.server import ServerSettings

    spec = request.spec
    live = LiveSearch(spec, request.out_folder)
    reader = Reader(_StoreOnceThere(spec.store), live, interval_seconds=INTERVAL_SECONDS)
    pages = Pages(lambda: reader.reading)
    reader.before_told = pages.prepare
    server = MetricsServer(pages, lambda: reader.reading, ServerSettings(host, port))
    reader.start()
    server.start()
    try:
        yield
    finally:
        server.stop()
        reader.stop(timeout_seconds=1.0)
