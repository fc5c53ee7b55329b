"""Opens experience stores for a history, and opens them again when they change underneath."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Protocol
from typing import runtime_checkable

from xautolm_core.experience.contract import SnapshotId
from xautolm_core.search.history.arrays import History
from xautolm_core.search.history.cache import HistoryCache
from xautolm_core.search.history.reading import HistorySource
from xautolm_core.search.history.reading import read_history
from xautolm_core.search.history.relevance import Relevance

if TYPE_CHECKING:
    from xautolm_core.experience.contract import ExperienceStore
    from xautolm_core.experience.view import StoreView


@runtime_checkable
class StoreWithView(Protocol):
    """A store that can be read as columns."""

    def view(self, snapshot: SnapshotId | None = None) -> StoreView:
        """Return what the store holds now, or what a snapshot pins."""
        ...


def history_of_store(
    store: ExperienceStore,
    snapshot: SnapshotId,
    relevance: Relevance,
    *,
    tenant: str | None = None,
    exclude_search_id: str | None = None,
    cache: HistoryCache | None = None,
) -> History:
    """Return what a snapshot of a store can tell a search.

    Args:
        store: The store. One that cannot be read as columns is read experience by experience.
        snapshot: What is read, and nothing else.
        relevance: What an experience must have in common with the search.
        tenant: Only this tenant's experiences; all if None.
        exclude_search_id: The search's own id.
        cache: Where segments are kept for the next time; None for nowhere.

    Raises:
        StoreError: The store cannot be read, or has no such snapshot.
    """
    if not isinstance(store, StoreWithView):
        return History.of(
            experience
            for experience in store.read(snapshot)
            if tenant in (None, experience.tenant) and experience.search_id != exclude_search_id
        ).relevant(relevance)
    viewed: StoreWithView = store
    return read_settled(
        lambda: [HistorySource(viewed.view(snapshot), tenant=tenant)],
        [store],
        relevance,
        exclude_search_id=exclude_search_id,
        cache=cache,
    )


def read_settled(
    open_sources: Callable[[], Sequence[HistorySource]],
    stores: Sequence[ExperienceStore],
    relevance: Relevance,
    *,
    exclude_search_id: str | None = None,
    cache: HistoryCache | None = None,
) -> History:
    """Read some stores; again, if what was about to be read has vanished or turns out broken.

    A view that is opened after damage was found has the single objects of what is lost, where they
    still exist.

    Args:
        open_sources: Opens the stores' views anew.
        stores: The stores, whose faults are watched.
        relevance: See ``read_history``; so are the others.
        exclude_search_id: See there.
        cache: See there.

    Raises:
        StoreError: A store cannot be read, or changes all the time.
    """
    from xautolm_core.experience.looking import changes_too_fast
    from xautolm_core.experience.looking import looks
    from xautolm_core.experience.view import SegmentGoneError

    for is_last in looks(lambda: _faults(stores)):
        before = _faults(stores)
        try:
            found = read_history(
                open_sources(), relevance, exclude_search_id=exclude_search_id, cache=cache
            )
        except SegmentGoneError:
            continue
        if is_last or _faults(stores) == before:
            return found
    raise changes_too_fast()


def _faults(stores: Sequence[ExperienceStore]) -> int:
    return sum(len(store.faults) for store in stores)
