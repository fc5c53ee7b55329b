"""The experience stores of a search: the one that it writes, and those that it reads besides."""

from __future__ import annotations

import math
from collections.abc import Callable
from collections.abc import Mapping
from typing import TYPE_CHECKING

from xautolm_core.errors import StoreError
from xautolm_core.search.samplers.factory import reads_history

if TYPE_CHECKING:
    from xautolm_core.experience.contract import ExperienceStore
    from xautolm_core.experience.store import ObjectExperienceStore
    from xautolm_core.search.contract import SearchSpec
    from xautolm_core.search.history.arrays import History
    from xautolm_core.search.history.relevance import Relevance


def open_memory(spec: SearchSpec) -> ExperienceStore:
    """Open a search's stores. One that is only read, and is not there, is left out.

    Raises:
        StoreError: The store that is written cannot be used, or not by this tenant.
        ConfigError: An address is malformed, or credentials are missing.
    """
    from xautolm_core.experience.trusted import TrustedStore
    from xautolm_core.experience.union import UnionStore

    own = _opened(spec.store, create=True)
    own.admission.require(spec.tenant)
    if not spec.read_stores or not reads_history(spec.sampler, spec.sampler_options):
        return own
    others: list[TrustedStore] = []
    absent: dict[str, str] = {}
    for one in spec.read_stores:
        try:
            store = _opened(one.store, create=False)
        except StoreError as error:
            absent[one.name] = error.problem
        else:
            others.append(TrustedStore(store, one.name, one.trust))
    union = UnionStore(own, others)
    for name, problem in absent.items():
        union.leave_out(name, problem)
    return union


def read_memory(spec: SearchSpec, store: ExperienceStore, relevance: Relevance) -> History:
    """Return what can inform a search, of its snapshot.

    Of the own store that is what its tenant has written (``all_tenants``: all of it), of the others
    what anybody has.

    Args:
        spec: What is asked, with its snapshot.
        store: What ``open_memory`` returned.
        relevance: What an experience must have in common with the search.

    Raises:
        StoreError: The own store cannot be read, or has no such snapshot.
    """
    from xautolm_core.experience.contract import SnapshotId
    from xautolm_core.experience.trusted import OWN
    from xautolm_core.experience.union import StoreLeftOutError
    from xautolm_core.experience.union import UnionStore
    from xautolm_core.search.history.cache import HistoryCache
    from xautolm_core.search.history.reading import HistorySource
    from xautolm_core.search.history.stores import history_of_store
    from xautolm_core.search.history.stores import read_settled

    assert spec.snapshot is not None
    snapshot = SnapshotId(spec.snapshot)
    own_tenant = None if spec.all_tenants else spec.tenant
    cache = HistoryCache.from_environment()
    if not isinstance(store, UnionStore):
        return history_of_store(
            store,
            snapshot,
            relevance,
            tenant=own_tenant,
            exclude_search_id=spec.search_id,
            cache=cache,
        )

    def sources() -> list[HistorySource]:
        return [
            HistorySource(part.view, 1.0, own_tenant)
            if part.name == OWN
            else HistorySource(part.view, _weight(part.trust))
            for part in store.views(snapshot)
        ]

    for _ in store.others:
        try:
            return read_settled(
                sources, [store], relevance, exclude_search_id=spec.search_id, cache=cache
            )
        except StoreLeftOutError:
            continue
    return read_settled(sources, [store], relevance, exclude_search_id=spec.search_id, cache=cache)


def tell_memory(store: ExperienceStore, history: History | None, note: Callable[..., None]) -> None:
    """Tell which stores were left out and why, and how much came from which.

    Args:
        store: What ``open_memory`` returned.
        history: What was read, if the sampler learns from any.
        note: Takes a line, and whether it is a warning.
    """
    from xautolm_core.experience.union import UnionStore

    if not isinstance(store, UnionStore):
        return
    for name, problem in store.left_out.items():
        note(f"Store {name} is left out: {problem}", warning=True)
    if history is not None:
        note(f"Experiences of this kind of task: {_origins_in_words(store.trusts, history)}")


def _origins_in_words(trusts: Mapping[str, float], history: History) -> str:
    """Return such as ``12 of own, 340 of team (trust 0.5)``; stores of equal trust together."""
    from xautolm_core.experience.trusted import OWN

    names: dict[float, list[str]] = {}
    for name, trust in trusts.items():
        names.setdefault(1.0 if name == OWN else _weight(trust), []).append(name)
    parts = []
    for weight, called in sorted(names.items(), reverse=True):
        count = int((history.trust == weight).sum())
        told = "" if weight == 1 else f" (trust {weight:g})"
        parts.append(f"{count} of {' and '.join(called)}{told}")
    return ", ".join(parts)


def _weight(trust: float) -> float:
    """Return the weight of another store: below 1, so that its copies never stand for one's own."""
    return min(trust, math.nextafter(1.0, 0.0))


def _opened(address: str, *, create: bool) -> ObjectExperienceStore:
    from xautolm_core.experience.open import open_store
    from xautolm_core.experience.store import ObjectExperienceStore

    store = open_store(address, create=create)
    assert isinstance(store, ObjectExperienceStore)  # all kinds that can be opened are
    return store
