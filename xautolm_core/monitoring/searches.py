"""Count the searches of a workspace: running ones, used budget, warm starts.

A search's objects lie below ``<search id>/`` (see ``docs/launching.md``): its spec and state in
``run/``, heartbeats in ``trials/``, and ``summary.json`` once it has ended.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from typing import Any

from xautolm_core.errors import StoreError
from xautolm_core.experience.keys import check_tenant
from xautolm_core.objects.contract import ObjectInfo
from xautolm_core.objects.contract import ObjectStorage
from xautolm_core.objects.contract import StorageUnavailableError

SILENT_AFTER = timedelta(minutes=15)
"""After this time without writing anything, a search without a summary counts as dead."""

DISPOSITIONS = ("applied", "mapped", "dropped")

_SPEC, _STATE, _SUMMARY = "run/search.json", "run/state.json", "summary.json"
_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class SearchTotals:
    """Totals over the searches of a workspace.

    Attributes:
        active: Searches that run now, by tenant; 0 where a tenant's searches have all ended.
        budget_used: Share of its budget that the furthest of a tenant's active searches has used,
            of whichever limit is closest to its end; tenants without such a search are absent.
        warm_start: Experiences in the history of ended searches, by tenant and disposition.
    """

    active: Mapping[str, int]
    budget_used: Mapping[str, float]
    warm_start: Mapping[tuple[str, str], int]


@dataclass
class _Search:
    """The objects of one search."""

    found: dict[str, ObjectInfo] = field(default_factory=dict)
    last_written_at: datetime = _NEVER


class SearchCount:
    """Counts the searches of one workspace. One thread at a time may use it.

    Args:
        storage: The workspace.
    """

    def __init__(self, storage: ObjectStorage) -> None:
        self._storage = storage
        self._documents: dict[str, tuple[ObjectInfo, Mapping[str, Any]]] = {}
        # Kept although a search's objects may be deleted: a counter must not fall.
        self._warm_starts: dict[str, tuple[str, Mapping[str, int]]] = {}

    def totals(self, now: datetime | None = None) -> SearchTotals:
        """Return the current totals.

        Args:
            now: The time (UTC); that of this machine if None.

        Raises:
            StoreError: The workspace cannot be read.
        """
        time = datetime.now(UTC) if now is None else now
        active: Counter[str] = Counter()
        used: dict[str, float] = {}
        kept: dict[str, tuple[ObjectInfo, Mapping[str, Any]]] = {}
        for name, search in self._searches().items():
            spec = self._read(name, search, _SPEC, kept)
            tenant = _tenant(spec)
            if tenant is None:
                continue
            active[tenant] += 0
            if _SUMMARY in search.found:
                self._note_warm_start(name, tenant, self._read(name, search, _SUMMARY, kept))
            elif time - search.last_written_at <= SILENT_AFTER:
                active[tenant] += 1
                share = _share(spec, self._read(name, search, _STATE, kept))
                if share is not None:
                    used[tenant] = max(used.get(tenant, 0.0), share)
        self._documents = kept
        warm: Counter[tuple[str, str]] = Counter()
        for tenant, counts in self._warm_starts.values():
            for disposition, count in counts.items():
                warm[tenant, disposition] += count
        return SearchTotals(active, used, warm)

    def _searches(self) -> dict[str, _Search]:
        searches: dict[str, _Search] = {}
        for info in self._storage.list():
            name, _, rest = info.key.partition("/")
            search = searches.setdefault(name, _Search())
            search.last_written_at = max(search.last_written_at, info.modified_at)
            if rest in (_SPEC, _STATE, _SUMMARY):
                search.found[rest] = info
        return searches

    def _read(
        self,
        name: str,
        search: _Search,
        key: str,
        kept: dict[str, tuple[ObjectInfo, Mapping[str, Any]]],
    ) -> Mapping[str, Any]:
        """Return a document; empty if it is malformed. An unchanged one is not read again."""
        info = search.found.get(key)
        if info is None:
            return {}
        known = self._documents.get(info.key)
        if known is None or known[0] != info:
            known = (info, self._document(info.key))
        kept[info.key] = known
        return known[1]

    def _document(self, key: str) -> Mapping[str, Any]:
        try:
            found = json.loads(self._storage.get(key))
        except StorageUnavailableError:
            raise
        except (KeyError, ValueError, StoreError):
            return {}
        return found if isinstance(found, dict) else {}

    def _note_warm_start(self, name: str, tenant: str, summary: Mapping[str, Any]) -> None:
        told = summary.get("warm_start")
        if isinstance(told, dict):
            counts = {n: told[n] for n in DISPOSITIONS if isinstance(told.get(n), int)}
            self._warm_starts[name] = (tenant, counts)


def _tenant(spec: Mapping[str, Any]) -> str | None:
    """Return the tenant of a search; None if the spec is malformed."""
    tenant = spec.get("tenant", "default") if "search_id" in spec else None
    try:
        return check_tenant(tenant) if isinstance(tenant, str) else None
    except StoreError:
        return None


def _share(spec: Mapping[str, Any], state: Mapping[str, Any]) -> float | None:
    """Return the largest share of a limit that a search has used; None without a limit.

    Time is computed here; the search itself writes the rest (trials, GPU hours, energy, cost,
    carbon) to its state, as it decides which trials count.
    """
    seconds, elapsed = spec.get("budget_seconds"), state.get("elapsed_seconds", 0.0)
    shares: list[float] = [0.0] if isinstance(spec.get("max_trials"), int) else []
    if isinstance(seconds, int | float) and seconds > 0 and isinstance(elapsed, int | float):
        shares.append(elapsed / seconds)
    spent = state.get("budget_used")
    if isinstance(spent, dict):
        shares += [share for share in spent.values() if isinstance(share, int | float)]
    return max(shares, default=None)
