"""The body of a scrape, rendered once for each reading, as thousands of lines take time."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field

from prometheus_client import disable_created_metrics
from prometheus_client.exposition import choose_encoder
from prometheus_client.exposition import gzip_accepted
from prometheus_client.registry import Collector

from xautolm_core.monitoring.collector import ReadingCollector
from xautolm_core.monitoring.reading import StoreReading

_PACKING = 1
"""Level of gzip: the lowest one packs the text to a tenth already."""


@dataclass(frozen=True)
class Page:
    """A body and the headers that belong to it."""

    body: bytes
    headers: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class _Format:
    """A format that a client has requested."""

    content_type: str
    is_packed: bool
    encode: Callable[[Collector], bytes] = field(compare=False)


class Pages:
    """Renders readings in all formats that were ever requested.

    Args:
        last: Returns the last reading.
    """

    def __init__(self, last: Callable[[], StoreReading]) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._last = last
        self._lock = threading.Lock()
        self._formats: set[_Format] = set()
        self._rendered: tuple[StoreReading, dict[_Format, Page]] = (StoreReading(), {})

    def page(self, accept: str, accept_encoding: str) -> Page:
        """Return the last reading in the format that a client understands.

        Args:
            accept: Its header ``Accept``.
            accept_encoding: Its header ``Accept-Encoding``.
        """
        encode, content_type = choose_encoder(accept)
        wanted = _Format(content_type, gzip_accepted(accept_encoding), encode)
        self._formats.add(wanted)
        reading = self._last()
        rendered, pages = self._rendered
        if rendered is reading and wanted in pages:
            return pages[wanted]
        # Many clients at once wait for the first of them, instead of all doing the same.
        with self._lock:
            rendered, pages = self._rendered
            if rendered is not reading:
                pages = {}
            if wanted not in pages:
                pages = pages | {wanted: _render(reading, wanted)}
                self._rendered = (reading, pages)
            return pages[wanted]

    def prepare(self, reading: StoreReading) -> None:
        """Render a reading that is about to become the last one."""
        pages = {one: _render(reading, one) for one in tuple(self._formats)}
        with self._lock:
            self._rendered = (reading, pages)


def _render(reading: StoreReading, wanted: _Format) -> Page:
    body = wanted.encode(ReadingCollector(lambda: reading))
    headers: tuple[tuple[str, str], ...] = (("Content-Type", wanted.content_type),)
    if wanted.is_packed:
        body = gzip.compress(body, _PACKING)
        headers = (*headers, ("Content-Encoding", "gzip"))
    return Page(body, headers)
