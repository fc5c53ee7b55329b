"""The collector, which the Prometheus client calls at each scrape."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry
from prometheus_client import disable_created_metrics
from prometheus_client.registry import Collector

from xautolm_core.monitoring.families import families_of

if TYPE_CHECKING:
    from prometheus_client.core import Metric

    from xautolm_core.monitoring.reading import StoreReading


class ReadingCollector(Collector):
    """Exports the last reading; it never waits for the store.

    Args:
        last: Returns the last reading.
    """

    def __init__(self, last: Callable[[], StoreReading]) -> None:
        self._last = last
        self._told: tuple[StoreReading, list[Metric]] | None = None

    def collect(self) -> Iterator[Metric]:
        """Yield the families, made once for each reading."""
        reading = self._last()
        told = self._told
        if told is None or told[0] is not reading:
            told = self._told = (reading, list(families_of(reading)))
        yield from told[1]


def registry_of(last: Callable[[], StoreReading]) -> CollectorRegistry:
    """Return a registry with only the metrics of readings."""
    # It would add a series to each counter, with the start time of the exporter.
    disable_created_metrics()  # type: ignore[no-untyped-call]
    registry = CollectorRegistry(auto_describe=False)
    registry.register(ReadingCollector(last))
    return registry
