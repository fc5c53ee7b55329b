"""Energy counters of Kepler or the DCGM exporter, read from a Prometheus server."""

from __future__ import annotations

import json
import math
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass

from xautolm_core.energy.accumulate import CounterSum
from xautolm_core.records import energy as flag
from xautolm_core.records.energy import COVERED_SHARE
from xautolm_core.records.energy import Component
from xautolm_core.records.energy import EnergyReading
from xautolm_core.records.energy import make_reading

PERIOD_SECONDS = 15.0
_SCRAPE_SECONDS = 30.0
_TIMEOUT_SECONDS = 2.0
_LARGEST_ANSWER_BYTES = 1 << 20


@dataclass(frozen=True)
class EnergyCounter:
    """A counter in Prometheus.

    Attributes:
        query: PromQL with one value that only grows.
        component: Component that it counts.
        source: ``kepler`` or ``dcgm``.
        joules: Joules per unit of the counter.
        device: UUID of a GPU.
    """

    query: str
    component: Component
    source: str
    joules: float = 1.0
    device: str | None = None


def kepler_counters(pod: str, namespace: str | None) -> list[EnergyCounter]:
    """Return the counters of a pod's processor and memory.

    Kepler's zones overlap and are not summed: ``package`` is the processor, ``dram`` the memory.

    Args:
        pod: Its name.
        namespace: Its namespace, if known.
    """
    where = f'pod_name="{_quoted(pod)}"'
    if namespace:
        where += f',pod_namespace="{_quoted(namespace)}"'
    name = "kepler_pod_cpu_joules_total"
    return [
        EnergyCounter(f'sum({name}{{{where},zone=~"package.*"}})', "cpu", "kepler"),
        EnergyCounter(f'sum({name}{{{where},zone="dram"}})', "dram", "kepler"),
    ]


def dcgm_counter(uuid: str) -> EnergyCounter:
    """Return the energy counter of a whole GPU; DCGM reports it in millijoules."""
    query = f'max(DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{{UUID="{_quoted(uuid)}"}})'
    return EnergyCounter(query, "gpu", "dcgm", joules=1e-3, device=uuid)


class PromqlProvider:
    """A counter in Prometheus, of class B, as its value may be one scrape old.

    Args:
        address: Of the server, such as ``http://prometheus:9090``.
        counter: The counter to read.
        timeout_seconds: Of one request.
    """

    answers_at_once = False

    def __init__(
        self, address: str, counter: EnergyCounter, *, timeout_seconds: float = _TIMEOUT_SECONDS
    ) -> None:
        self.period_seconds: float | None = PERIOD_SECONDS
        self._address = address
        self._counter = counter
        self._timeout = timeout_seconds
        self._sum = CounterSum()
        self._window_seconds = 0.0
        self._last_at: float | None = None

    def sample(self, now: float) -> None:
        """Query the server; no answer sets a flag."""
        self._window_seconds += max(0.0, now - (now if self._last_at is None else self._last_at))
        self._last_at = now
        self._sum.add(now, ask(self._address, self._counter.query, self._timeout))

    def readings(self) -> tuple[EnergyReading, ...]:
        """Return the increase of the counter."""
        flags = set(self._sum.flags)
        if self._sum.seconds < COVERED_SHARE * self._window_seconds:
            flags.add(flag.INCOMPLETE)
        found = make_reading(
            self._counter.component,
            self._sum.total * self._counter.joules,
            source=self._counter.source,
            quality="B",
            seconds=self._sum.seconds,
            resolution_seconds=_SCRAPE_SECONDS,
            device=self._counter.device,
            flags=flags,
        )
        return () if found is None else (found,)

    def close(self) -> None:
        """Do nothing, as no resource is open."""


def ask(address: str, query: str, timeout_seconds: float) -> float | None:
    """Return the current value of a query; None unless there is exactly one.

    Args:
        address: Address of the server; http or https.
        query: PromQL.
        timeout_seconds: To wait for an answer.
    """
    if not address.startswith(("http://", "https://")):
        return None
    where = f"{address.rstrip('/')}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
    try:
        with urllib.request.urlopen(where, timeout=timeout_seconds) as answer:  # noqa: S310
            document = json.loads(answer.read(_LARGEST_ANSWER_BYTES))
        found = document["data"]["result"]
        value = float(found[0]["value"][1]) if len(found) == 1 else math.nan
    except (OSError, ValueError, KeyError, TypeError, IndexError, urllib.error.URLError):
        return None
    return value if math.isfinite(value) else None


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
