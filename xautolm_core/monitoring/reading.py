"""The totals for scrapes, read in the background one after the other."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from typing import Protocol
from typing import TypeVar

from xautolm_core.errors import StoreError
from xautolm_core.monitoring.rates import Rates
from xautolm_core.monitoring.searches import SearchTotals
from xautolm_core.monitoring.store_totals import StoreTotals
from xautolm_core.monitoring.tally import Tally

_log = logging.getLogger(__name__)

T = TypeVar("T")


class CountsStore(Protocol):
    """Counts a store, such as ``StoreCount``."""

    def totals(self) -> StoreTotals:
        """Return the current totals.

        Raises:
            StoreError: They cannot be read.
        """
        ...


class CountsSearches(Protocol):
    """Counts searches, such as ``SearchCount``."""

    def totals(self) -> SearchTotals:
        """Return the current totals.

        Raises:
            StoreError: They cannot be read.
        """
        ...


class FewerTrialsError(StoreError):
    """The store has fewer trials than at an earlier reading."""


@dataclass(frozen=True)
class StoreReading:
    """The last totals, with the state of reading them.

    Attributes:
        store: Totals of the store; None until it was read once.
        searches: Totals of the workspace; None without one, or if the last reading failed.
        read_at: When the store was last read (seconds since 1970); None if never.
        seconds: Duration of the last reading.
        attempts: Number of readings tried.
        failures: Number of readings that failed.
        problem: Why the last try failed; empty if it did not.
        rates: Factors of carbon and cost.
    """

    store: StoreTotals | None = None
    searches: SearchTotals | None = None
    read_at: float | None = None
    seconds: float = 0.0
    attempts: int = 0
    failures: int = 0
    problem: str = ""
    rates: Rates = field(default_factory=Rates)


class Reader:
    """Reads a store, and a workspace if there is one, and keeps the last reading.

    A store with fewer trials than before (a file is damaged, a disk is not mounted) counts as
    unreadable, as Prometheus would count a counter that falls and rises again twice.

    Args:
        store: Counts the store.
        workspace: Counts the searches of a workspace.
        interval_seconds: Time between the end of one reading and the start of the next.
        rates: Factors of carbon and cost; unknown by default.

    Attributes:
        before_told: Called with each reading before it becomes the last one.
    """

    def __init__(
        self,
        store: CountsStore,
        workspace: CountsSearches | None = None,
        *,
        interval_seconds: float,
        rates: Rates | None = None,
    ) -> None:
        self._store = store
        self._workspace = workspace
        self._interval_seconds = interval_seconds
        self.before_told: Callable[[StoreReading], None] = lambda reading: None
        self._end = threading.Event()
        self._reading = StoreReading(rates=rates or Rates())
        self._thread = threading.Thread(target=self._run, name="reading", daemon=True)

    @property
    def reading(self) -> StoreReading:
        """The last reading, which is immutable."""
        return self._reading

    def start(self) -> None:
        """Start a thread that reads periodically."""
        # Importing blocks other threads: better before the first scrape.
        import pyarrow.compute
        import pyarrow.parquet  # noqa: F401

        self._thread.start()

    def stop(self, timeout_seconds: float = 5.0) -> None:
        """Stop the thread, waiting at most some seconds: it holds nothing that must be saved."""
        self._end.set()
        self._thread.join(timeout_seconds)

    def read(self) -> StoreReading:
        """Read once, and return the reading."""
        last = self._reading
        begin = time.monotonic()
        searches, problem = _tried(self._searches)
        store, of_store = _tried(self._totals)
        problem = of_store or problem
        reading = replace(
            last,
            searches=searches,
            attempts=last.attempts + 1,
            failures=last.failures + bool(problem),
            problem=problem,
        )
        if store is not None:
            taken = time.monotonic() - begin
            reading = replace(reading, store=store, read_at=time.time(), seconds=taken)
        if problem and problem != last.problem:
            _log.warning("%s", problem)
        self.before_told(reading)
        self._reading = reading
        return reading

    def _run(self) -> None:
        while not self._end.is_set():
            self.read()
            self._end.wait(self._interval_seconds)

    def _searches(self) -> SearchTotals | None:
        return None if self._workspace is None else self._workspace.totals()

    def _totals(self) -> StoreTotals:
        totals = self._store.totals()
        if self._reading.store is not None:
            _require_no_fall(self._reading.store.tally, totals.tally)
        return totals


def _tried(act: Callable[[], T]) -> tuple[T | None, str]:
    """Return the result of an action, or the reason why it failed."""
    try:
        return act(), ""
    except StoreError as error:
        return None, str(error)
    except Exception as error:  # noqa: BLE001 - see below
        # The exporter survives any content of a store, and logs the error.
        _log.exception("counting has failed")
        return None, f"{type(error).__name__}: {error}"


def _require_no_fall(old: Tally, new: Tally) -> None:
    """Refuse totals that are lower than before, tenants aside: one may have been forgotten.

    Raises:
        FewerTrialsError: They are.
    """
    before, after = _by_outcome(old), _by_outcome(new)
    fallen = sorted(outcome for outcome, count in before.items() if after[outcome] < count)
    if fallen:
        raise FewerTrialsError(
            f"The store shows {after[fallen[0]]} trials with outcome {fallen[0]}, after "
            f"{before[fallen[0]]} before",
            hint="Check it with: xautolm store verify; restart the exporter to count the rest",
        )


def _by_outcome(tally: Tally) -> Counter[str]:
    found: Counter[str] = Counter()
    for (_, outcome), count in tally.trials.items():
        found[outcome] += count
    return found
