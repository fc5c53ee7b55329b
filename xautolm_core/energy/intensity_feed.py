"""Carbon intensity by the hour, from an HTTP service, kept in a file."""

from __future__ import annotations

import json
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from datetime import datetime
from pathlib import Path
from typing import Any

from xautolm_core.energy.intensity import LARGEST_GRAMS_PER_KWH
from xautolm_core.energy.intensity import Intensity
from xautolm_core.errors import ConfigError
from xautolm_core.errors import XautolmError
from xautolm_core.whole_files import write_json

_HOUR_SECONDS = 3_600.0
# After a failure the service is not asked for a while.
_RETRY_SECONDS = 300.0
_TIMEOUT_SECONDS = 5.0
_LARGEST_ANSWER_BYTES = 1 << 20


@dataclass(frozen=True)
class Feed:
    """A service with the current intensity of a zone.

    Attributes:
        address: With ``{zone}`` where the zone goes; http or https.
        value: Path to the grams of CO2e a kWh within the JSON answer: ``carbonIntensity``,
            ``data.0.intensity.actual``.
        headers: To send, such as a token. They are neither stored nor shown.
        name: Name for reports; the host if empty.
    """

    address: str
    value: str = "carbonIntensity"
    headers: Mapping[str, str] | None = None
    name: str = ""


class HourlyIntensity:
    """A feed's figure for a zone, fetched once an hour at most.

    If the service is down the last figure is used, marked as stale.

    Args:
        feed: The service.
        zone: Name of the zone in the service.
        cache: File that the last figure is kept in.
        clock: Seconds since 1970.
        timeout_seconds: Of a request.

    Raises:
        ConfigError: The address is not an http or https address.
    """

    def __init__(
        self,
        feed: Feed,
        zone: str,
        cache: Path,
        *,
        clock: Callable[[], float] = time.time,
        timeout_seconds: float = _TIMEOUT_SECONDS,
    ) -> None:
        parts = urllib.parse.urlsplit(feed.address)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise ConfigError(
                f"'{feed.address}' is not an address of a feed",
                hint="Give one with http:// or https://",
            )
        self._feed = feed
        self._zone = zone
        self._cache = cache
        self._clock = clock
        self._timeout = timeout_seconds
        self._name = feed.name or parts.hostname or parts.netloc
        self._failed_at: float | None = None

    def now(self) -> Intensity:
        """Return the intensity of this hour.

        Raises:
            XautolmError: The service does not answer, and there is no earlier figure.
        """
        now = self._clock()
        kept = self._kept()
        if kept is not None and 0 <= now - kept[0] < _HOUR_SECONDS:
            return self._intensity(kept, is_stale=False)
        if self._failed_at is None or not 0 <= now - self._failed_at < _RETRY_SECONDS:
            grams = self._fetch()
            if grams is not None:
                self._failed_at = None
                self._keep((now, grams))
                return self._intensity((now, grams), is_stale=False)
            self._failed_at = now
        if kept is None:
            raise XautolmError(
                f"{self._name} has no carbon intensity of {self._zone}",
                hint="Look at its address and token, or use a yearly table",
            )
        return self._intensity(kept, is_stale=True)

    def _intensity(self, kept: tuple[float, float], *, is_stale: bool) -> Intensity:
        at = datetime.fromtimestamp(kept[0], UTC)
        return Intensity(self._zone, kept[1], self._name, at.year, at, is_stale)

    def _fetch(self) -> float | None:
        where = self._feed.address.replace("{zone}", urllib.parse.quote(self._zone, safe=""))
        request = urllib.request.Request(where, headers=dict(self._feed.headers or {}))  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=self._timeout) as answer:  # noqa: S310
                document: Any = json.loads(answer.read(_LARGEST_ANSWER_BYTES))
            for step in self._feed.value.split("."):
                document = document[int(step)] if isinstance(document, list) else document[step]
            grams = float(document)
        except (OSError, ValueError, KeyError, TypeError, IndexError):
            return None
        return grams if 0 <= grams <= LARGEST_GRAMS_PER_KWH else None

    def _kept(self) -> tuple[float, float] | None:
        """Return time and value of the last figure; None if the cache has none."""
        try:
            document = json.loads(self._cache.read_bytes())
            if document["zone"] != self._zone or document["feed"] != self._name:
                return None
            return float(document["at"]), float(document["grams_per_kwh"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _keep(self, figure: tuple[float, float]) -> None:
        document = {
            "feed": self._name,
            "zone": self._zone,
            "at": figure[0],
            "grams_per_kwh": figure[1],
        }
        try:
            write_json(self._cache, document, durable=False)
        except OSError:
            return  # the figure is there all the same
