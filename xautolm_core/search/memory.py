"""The experience stores of a search: its own one, and further ones that it reads."""

from __future__ import annotations

import math
from collections.abc import Callable
from collections.abc import Mapping
from typing import TYPE_CHECKING

from xautolm_core.errors import StoreError
from xautolm_core.search.folders import HISTORY_FILE
from xautolm_core.search.samplers.factory import reads_history

if TYPE_CHECKING:
    from pathlib import Path

    from xautolm_core.experience.union import UnionStore
    from xautolm_core.search.contract import SearchSpec
    from xautolm_core.search.history.arrays import History
    from xautolm_core.search.history.relevance import Relevance


def open_memory(spec: SearchSpec) -> UnionStore:
    """Open a search's stores. A missing one that is only read is left out.

    Raises:
        StoreError: The own store cannot be used, or not by this tenant.
        ConfigError: An address is malformed, or credentials are missing.
    """
    from xautolm_core.experience.open import open_store
    from xautolm_core.experience.union import TrustedStore
    from xautolm_core.experience.union import UnionStore

    own = open_store(spec.store)
    own.admission.require(spec.tenant)
    if not spec.read_stores or not reads_history(spec.sampler, spec.sampler_options):
        return UnionStore(own, [])
    others: list[TrustedStore] = []
    absent: dict[str, str] = {}
    for one in spec.read_stores:
        try:
            store = open_store(one.store, create=False)
        except StoreError as error:
            absent[one.name] = error.problem
        else:
            others.append(TrustedStore(store, one.name, one.trust))
    union = UnionStore(own, others)
    for name, problem in absent.items():
        union.leave_out(name, problem)
    return union


def remember(
    spec: SearchSpec, out_folder: Path, store: UnionStore, relevance: Relevance
) -> tuple[History, str]:
    """Return the history of a search, and the digest of its rows in the run folder.

    A new search reads its stores: of the own one the experiences of its tenant (``all_tenants``:
    all of them), of the others all. A resumed search reads the rows in its run folder, without
    those that a store has forgotten since.

    Args:
        spec: The search; ``history`` is the digest of rows in the run folder, if there are any.
        out_folder: The run folder.
        store: The union that ``open_memory`` returned.
        relevance: What an experience must have in common with the search.

    Raises:
        StoreError: The own store cannot be read, or the rows are missing or altered.
        OSError: The rows cannot be written.
    """
    from xautolm_core.search.history.cache import HistoryCache
    from xautolm_core.search.history.kept import keep_history
    from xautolm_core.search.history.kept import kept_history
    from xautolm_core.search.history.reading import read_rows
    from xautolm_core.search.history.reading import read_source

    path = out_folder / HISTORY_FILE
    if spec.history is not None:
        return kept_history(path, spec.history, store.forgotten()), spec.history
    cache = HistoryCache.from_environment()
    tenant = None if spec.all_tenants else spec.tenant
    sources = [
        read_source(store.own, tenant=tenant, cache=cache),
        *store.of_others(lambda o: read_source(o.store, trust=_weight(o.trust), cache=cache)),
    ]
    rows, left_out = read_rows(sources, relevance, exclude_search_id=spec.search_id)
    return keep_history(path, rows, left_out)


def tell_memory(store: UnionStore, history: History | None, note: Callable[..., None]) -> None:
    """Note which stores were left out and why, and how many experiences came from each.

    Args:
        store: The union that ``open_memory`` returned.
        history: The history, if the sampler uses any.
        note: Called with a line, and whether it is a warning.
    """
    for name, problem in store.left_out.items():
        note(f"Store {name} is left out: {problem}", warning=True)
    if history is not None and (store.others or store.left_out):
        note(f"Experiences of this kind of task: {_origins_in_words(store.trusts, history)}")


def _origins_in_words(trusts: Mapping[str, float], history: History) -> str:
    """Return text such as ``12 of own, 340 of team (trust 0.5)``; equal trusts are grouped."""
    from xautolm_core.experience.union import OWN

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
    """Return the weight of another store: below 1, so that copies never replace own rows."""
    return min(trust, math.nextafter(1.0, 0.0))
