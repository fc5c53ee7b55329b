"""The energy of a time window, from the best available sources."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from collections.abc import Sequence
from types import TracebackType

from xautolm_core.energy.provider import Provider
from xautolm_core.records.energy import EnergyReading

# A driver or a server that does not answer must not keep a trial from beginning or ending.
_FIRST_SAMPLE_SECONDS = 1.0
_LAST_SAMPLE_SECONDS = 3.0

_log = logging.getLogger(__name__)


class EnergyMeter:
    """Meters energy from ``start`` to ``stop``; ``readings`` returns what was used so far.

    Providers that answer at once are sampled by the caller, the others by a thread, which is
    started only if needed. For each component the first provider with readings counts, so nothing
    is counted twice.

    Args:
        providers: The best first.
        clock: Monotonic seconds.
    """

    def __init__(
        self, providers: Sequence[Provider], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._sources = [_Source(provider) for provider in providers]
        self._clock = clock
        self._stop = threading.Event()
        self._has_begun = threading.Event()
        self._thread: threading.Thread | None = None
        self._final: tuple[EnergyReading, ...] | None = None
        self._is_running = False
        self._thread_seconds = 0.0
        self._asked_seconds = 0.0

    def __enter__(self) -> EnergyMeter:
        """Start."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop."""
        self.stop()

    @property
    def own_cpu_seconds(self) -> float:
        """Processor seconds that metering itself took so far."""
        return self._thread_seconds + self._asked_seconds

    def start(self) -> None:
        """Begin the window."""
        self._is_running = True
        if any(source.is_threaded for source in self._sources):
            self._thread = threading.Thread(target=self._run, name="energy", daemon=True)
            self._thread.start()
            self._has_begun.wait(_FIRST_SAMPLE_SECONDS)
        self._sample_at_once()

    def readings(self) -> tuple[EnergyReading, ...]:
        """Return what was used since the start, or between start and stop; never waits for long."""
        if self._final is not None:
            return self._final
        if not self._is_running:
            return ()
        self._sample_at_once()
        return self._chosen()

    def stop(self) -> None:
        """End the window. The readings do not change afterwards."""
        if not self._is_running:
            return
        self._sample_at_once()
        self._stop.set()
        if self._thread is not None:
            self._thread.join(_LAST_SAMPLE_SECONDS)
        self._final = self._chosen()
        self._is_running = False
        if self._thread is None or not self._thread.is_alive():
            for source in self._sources:
                source.close()

    def _sample_at_once(self) -> None:
        since = time.thread_time()
        now = self._clock()
        for source in self._sources:
            if source.answers_at_once:
                source.sample(now)
        self._asked_seconds += time.thread_time() - since

    def _run(self) -> None:
        threaded = [source for source in self._sources if source.is_threaded]
        while True:
            ends = self._stop.is_set()
            now = self._clock()
            for source in threaded:
                source.sample_if_due(now, at_once=ends)
            self._has_begun.set()
            self._thread_seconds = time.thread_time()
            if ends:
                return
            now = self._clock()
            self._stop.wait(max(0.0, min(source.due_at for source in threaded) - now))

    def _chosen(self) -> tuple[EnergyReading, ...]:
        """Return the readings of the first provider of each component that has any."""
        chosen: list[EnergyReading] = []
        for source in self._sources:
            known = {reading.component for reading in chosen}
            chosen += [r for r in source.latest if r.component not in known]
        return tuple(chosen)


class _Source:
    """A provider with its last readings."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        # Asked once, where a fault is one of the meter that is being built.
        self.answers_at_once = provider.answers_at_once
        self._period_seconds = provider.period_seconds
        self.latest: tuple[EnergyReading, ...] = ()
        self.due_at = 0.0
        self._lock = threading.Lock()
        self._is_broken = False

    @property
    def is_threaded(self) -> bool:
        """Whether the meter's thread has to sample it."""
        return self._period_seconds is not None

    def close(self) -> None:
        """Close it."""
        try:
            self._provider.close()
        except Exception as error:  # noqa: BLE001  (as in sample)
            _log.warning("a source of energy readings is not closed: %s", type(error).__name__)

    def sample(self, now: float) -> None:
        """Sample the provider, and keep its readings."""
        with self._lock:
            if self._is_broken:
                return
            try:
                self._provider.sample(now)
                self.latest = self._provider.readings()
            except Exception as error:  # noqa: BLE001  (no fault of a meter may end a trial)
                self._is_broken = True
                _log.warning("energy is not metered any further: %s", type(error).__name__)

    def sample_if_due(self, now: float, *, at_once: bool) -> None:
        """Sample the provider if it is due.

        Args:
            now: Monotonic seconds.
            at_once: Sample it in any case.
        """
        if at_once or now >= self.due_at:
            self.due_at = now + (self._period_seconds or 0.0)
            self.sample(now)
