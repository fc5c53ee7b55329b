"""The experience store over any object storage.

Every experience is written as one immutable object. ``compact`` gathers them in segments (Parquet)
and deletes the single objects later; a manifest, written last, says which segments belong together.
Readers take what the present manifests name plus the tail: every single object that no segment
covers, however late or with whatever clock it was written. Nothing rests on locks or conditional
writes.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from xautolm_core.errors import StoreError
from xautolm_core.experience.accounting import Totals
from xautolm_core.experience.admission import Admission
from xautolm_core.experience.clock import grace_period
from xautolm_core.experience.codec import CorruptObjectError
from xautolm_core.experience.codec import decode
from xautolm_core.experience.codec import encode
from xautolm_core.experience.columns import Row
from xautolm_core.experience.compaction import compact
from xautolm_core.experience.contract import ExperienceFilter
from xautolm_core.experience.contract import Fault
from xautolm_core.experience.contract import SnapshotId
from xautolm_core.experience.contract import VerifyReport
from xautolm_core.experience.counting import Counter
from xautolm_core.experience.damage import StoreChangedError
from xautolm_core.experience.finding import find_experience
from xautolm_core.experience.forget import ForgetReport
from xautolm_core.experience.forget import forget
from xautolm_core.experience.keys import check_tenant
from xautolm_core.experience.keys import experience_key
from xautolm_core.experience.keys import spare_key
from xautolm_core.experience.looking import changes_too_fast
from xautolm_core.experience.looking import looks
from xautolm_core.experience.pinned import find_pinned
from xautolm_core.experience.pinned import is_protected
from xautolm_core.experience.quarantine import verify_and_quarantine
from xautolm_core.experience.reader import StoreReader
from xautolm_core.experience.scanning import EVERYTHING
from xautolm_core.experience.scanning import Source
from xautolm_core.experience.scanning import scan_experiences
from xautolm_core.experience.scanning import scan_rows
from xautolm_core.experience.schema import Experience
from xautolm_core.experience.snapshot import Snapshot
from xautolm_core.experience.snapshot import decode_snapshot
from xautolm_core.experience.snapshot import decode_snapshot_at
from xautolm_core.experience.snapshot import encode_snapshot
from xautolm_core.experience.snapshot import is_snapshot_id
from xautolm_core.experience.snapshot import new_snapshot
from xautolm_core.experience.snapshot import snapshot_key
from xautolm_core.experience.state import State
from xautolm_core.experience.state import Tail
from xautolm_core.experience.stats import StoreStats
from xautolm_core.experience.stats import store_stats
from xautolm_core.experience.verify import verify_store
from xautolm_core.experience.view import StoreView
from xautolm_core.experience.view import segment_file
from xautolm_core.objects.contract import ObjectStorage
from xautolm_core.objects.contract import StorageUnavailableError

if TYPE_CHECKING:
    import pyarrow as pa


class ObjectExperienceStore:
    """``ExperienceStore`` over an ``ObjectStorage``.

    Args:
        storage: Where the objects are.
        tenant: If given, only this tenant's experiences may be appended. Reading is restricted by
            filters alone.

    Attributes:
        storage: Where the objects are.
        tenant: The only tenant whose experiences may be appended, if any.
        reader: Reads the objects.
        admission: Decides what is written.

    Raises:
        StoreError: The tenant's name cannot stand in a key.
    """

    def __init__(self, storage: ObjectStorage, *, tenant: str | None = None) -> None:
        self.storage = storage
        self.tenant = None if tenant is None else check_tenant(tenant)
        self.reader = StoreReader(storage)
        self._counter = Counter(self.reader)
        self._pinned_tail: pa.Table | None = None
        self.admission = Admission(storage, self.tenant)

    @property
    def faults(self) -> Sequence[Fault]:
        """What the reads of this object have skipped so far."""
        return self.reader.damage.faults

    # Writing

    def append(self, experience: Experience) -> str:
        """Keep an experience, all or nothing; appending it again changes nothing. Return its id.

        What must not be in it is taken out first (see ``scrub``), by its tenant's policy.

        Raises:
            StoreError: It cannot be written, or belongs to another tenant.
        """
        clean = self.admission.admit(experience)
        key = experience_key(clean)
        try:
            data = encode(clean)
        except ValueError as error:
            raise StoreError(f"Experience {clean.id} cannot be written as JSON: {error}") from error
        if self._is_free(key):
            self.storage.put(key, data)
        elif not self._holds(key, clean.id):
            # What lies there is corrupt, or cannot be read. It stays as evidence; readers tell
            # copies apart by id.
            self.storage.put(spare_key(key, decode(data).digest), data)
        return clean.id

    # Reading

    def scan(self, wanted: ExperienceFilter = EVERYTHING) -> Iterator[Experience]:
        """Yield the experiences asked for, each once, ordered by end time and id.

        Raises:
            StoreError: The storage cannot be read.
        """
        return scan_experiences(self.reader, self._present, wanted)

    def rows(self, wanted: ExperienceFilter = EVERYTHING) -> Iterator[tuple[Row, Experience]]:
        """Yield the same as ``scan``, each with the object that it was stored as.

        Raises:
            StoreError: The storage cannot be read.
        """
        return scan_rows(self.reader, self._present, wanted)

    def get(self, experience_id: str) -> Experience | None:
        """Return one experience, or None.

        Args:
            experience_id: Its id, or the first characters of it (at least four).

        Raises:
            StoreError: Several ids begin so, or the storage cannot be read.
        """
        return find_experience(self.reader, experience_id)

    def forgotten(self) -> frozenset[bytes]:
        """Return the ids (16 bytes) of what was forgotten.

        Raises:
            StoreError: The storage cannot be read.
        """
        return self.reader.settled(lambda state: state.hidden)

    def view(self, snapshot: SnapshotId | None = None) -> StoreView:
        """Return what the store holds now, or what a snapshot pins, as columns (see ``view``).

        Raises:
            StoreError: The storage cannot be read, or there is no such snapshot.
        """
        pinned = None if snapshot is None else self._snapshot(snapshot)
        return self._view(pinned)

    # Snapshots

    def snapshot(self) -> SnapshotId:
        """Pin what the store holds now, so that it can be read again exactly.

        The id is the digest of what is pinned: an unchanged store gives the same snapshot.

        Raises:
            StoreError: It cannot be written.
        """
        for is_last in looks(self.reader.damage.extent):
            try:
                identity = self._try_snapshot(is_last=is_last)
            except StoreChangedError:
                continue
            if identity is not None:
                return identity
        raise changes_too_fast()

    def pin(self) -> bytes:
        """Return what ``snapshot`` would write; nothing is written, and so nothing protected.

        Raises:
            StoreError: The storage cannot be read.
        """
        return self._view(None).snapshot_pin

    def keep_pin(self, pin: bytes) -> SnapshotId:
        """Write a pin (of ``pin`` or a ``StoreView``) as a snapshot.

        Raises:
            StoreError: It is none, or cannot be written.
        """
        snapshot = _checked_pin(pin)
        self._keep(snapshot)
        return SnapshotId(snapshot.id)

    def read(self, snapshot: SnapshotId) -> Iterator[Experience]:
        """Return exactly the experiences that a snapshot pins, ordered by end time and id.

        What was forgotten since is left out; what is gone or altered is reported in ``faults``.

        Raises:
            StoreError: There is no such snapshot, or it is corrupt.
        """
        pinned = self._snapshot(snapshot)
        return scan_experiences(self.reader, partial(self._pinned, pinned))

    def read_pin(self, pin: bytes) -> Iterator[Experience]:
        """Return exactly the experiences of a pin, like ``read``.

        Raises:
            StoreError: It is none.
        """
        pinned = _checked_pin(pin)
        return scan_experiences(self.reader, partial(self._pinned, pinned))

    # Maintenance

    def compact(self, *, keep: int | None = None, grace: timedelta | None = None) -> int:
        """Gather single objects in segments; return how many. Safe at any time.

        It may run beside writers, readers and other compactors, and be killed at any step. Objects,
        segments and manifests that others have taken the place of are deleted after a grace period.

        Args:
            keep: Delete all snapshots but the newest ones; None keeps all.
            grace: How long what was replaced stays for those who are still at work with it; one
                hour, or what ``XAUTOLM_STORE_GRACE_SECONDS`` says.

        Raises:
            StoreError: It cannot be written.
            ConfigError: ``XAUTOLM_STORE_GRACE_SECONDS`` is no number.
        """
        period = grace_period() if grace is None else grace
        return compact(self.reader, grace=period, keep_snapshots=keep)

    def verify(self, *, quarantine: bool = False) -> VerifyReport:
        """Check every object against its digest, its name and the schema.

        Args:
            quarantine: Move corrupt objects to ``quarantine/``, and save what is whole in them.
                Otherwise nothing is changed.

        Raises:
            StoreError: The storage cannot be read, or not be written.
        """
        if quarantine:
            return verify_and_quarantine(self.reader)
        return verify_store(self.storage).report()

    def forget(
        self, *, task_fingerprint: str | None = None, tenant: str | None = None
    ) -> ForgetReport:
        """Forget all experiences of a task or of a tenant, at once and in all files.

        Anonymous totals stay (see ``totals``). Killed at any step, it is completed when it is run
        again or at the next compaction. New experiences of the same task are welcome.

        Args:
            task_fingerprint: Of the task.
            tenant: Name of the tenant.

        Raises:
            ValueError: Not exactly one of both is given.
            StoreError: The storage cannot be read or written.
        """
        return forget(self.reader, task_fingerprint=task_fingerprint, tenant=tenant)

    def totals(self) -> Totals:
        """Return trials, seconds and joules of everything ever, what was forgotten included.

        Each segment is read once for as long as this object lives.

        Raises:
            StoreError: The storage cannot be read.
        """
        return self._counter.totals()

    def stats(self) -> StoreStats:
        """Return how much there is, of what, and where.

        Raises:
            StoreError: The storage cannot be read.
        """
        return store_stats(self.reader)

    # Parts

    def _present(self, is_last: bool) -> Source:
        state = self.reader.look(is_last=is_last)
        tail = self.reader.tail(state.tail, state)
        return Source(state.segments, tail.table, state.hidden)

    def _pinned(self, snapshot: Snapshot, is_last: bool) -> Source:
        found = find_pinned(self.reader, snapshot, self.reader.look(is_last=is_last))
        return Source(found.segments, found.table, found.hidden)

    def _view(self, snapshot: Snapshot | None) -> StoreView:
        known = None if snapshot is None else self._take_pinned_tail()

        def look(state: State) -> StoreView:
            if snapshot is not None:
                found = find_pinned(self.reader, snapshot, state, known)
                segments, table, pinned = found.segments, found.table, snapshot
            else:
                tail = self.reader.tail(state.tail, state)
                segments, table, pinned = state.segments, tail.table, _pin_of(state, tail)
            return StoreView(
                segments=tuple(segment_file(self.reader, entry) for entry in segments),
                tail=table,
                hidden=state.hidden,
                snapshot_pin=encode_snapshot(pinned),
            )

        return self.reader.settled(look)

    def _take_pinned_tail(self) -> pa.Table | None:
        """Return what ``snapshot`` pinned last, once: its objects need not be read again.

        What was forgotten since is still in it.
        """
        table, self._pinned_tail = self._pinned_tail, None
        return table

    def _try_snapshot(self, *, is_last: bool) -> SnapshotId | None:
        """Write a snapshot of now; None if that came too late to protect what it names."""
        state = self.reader.look(is_last=is_last)
        tail = self.reader.tail(state.tail, state)
        snapshot = _pin_of(state, tail)
        self._pinned_tail = tail.table
        is_written = self._keep(snapshot)
        if is_protected(self.reader, snapshot, state):
            return SnapshotId(snapshot.id)
        if is_written:
            # Nobody has its id yet, and it would name for ever what is gone.
            self.storage.delete(snapshot_key(snapshot.id))
        return None

    def _keep(self, snapshot: Snapshot) -> bool:
        """Write a snapshot; return whether it was not there yet."""
        key = snapshot_key(snapshot.id)
        try:
            decode_snapshot_at(key, self.storage.get(key))
        except (KeyError, CorruptObjectError):
            self.storage.put(key, encode_snapshot(snapshot))
            return True
        # One that is there may have been rewritten by ``forget``: it stays.
        return False

    def _snapshot(self, snapshot: SnapshotId) -> Snapshot:
        if not is_snapshot_id(snapshot.value):
            raise StoreError(
                f"{snapshot.value!r} is no snapshot id", hint="Take it from a search's files"
            )
        key = snapshot_key(snapshot.value)
        try:
            return decode_snapshot_at(key, self.storage.get(key))
        except KeyError:
            raise StoreError(
                f"The store holds no snapshot {snapshot.value[:12]}",
                hint="Use the store that the search was started with, or start a new search",
            ) from None
        except CorruptObjectError as error:
            raise StoreError(
                f"Snapshot {snapshot.value[:12]} is corrupt: {error}", hint="Start a new search"
            ) from error

    def _is_free(self, key: str) -> bool:
        try:
            self.storage.get(key)
        except KeyError:
            return True
        except StorageUnavailableError:
            raise
        except StoreError:
            return False
        return False

    def _holds(self, key: str, identity: str) -> bool:
        try:
            return decode(self.storage.get(key)).id == identity
        except StorageUnavailableError:
            raise
        except (CorruptObjectError, KeyError, StoreError):
            return False


def _pin_of(state: State, tail: Tail) -> Snapshot:
    # What was replaced may go at any time, and its rows are in others that are named.
    replaced = () if state.is_troubled else state.frontier.replaced
    return new_snapshot({entry.key for entry in state.segments}.difference(replaced), tail.pins)


def _checked_pin(pin: bytes) -> Snapshot:
    try:
        return decode_snapshot(pin)
    except CorruptObjectError as error:
        raise StoreError(f"A pin of a store {error}", hint="Start a new search") from error
