"""The experience store over any object storage.

Every experience is written as one immutable object. ``compact`` gathers them in segments (Parquet)
and deletes the single objects later. Readers read every segment, and every single object that none
of them holds, however late or with whatever clock it was written. Nothing rests on locks or
conditional writes.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence
from datetime import timedelta

from xautolm_core.errors import StoreError
from xautolm_core.experience.accounting import Totals
from xautolm_core.experience.admission import Admission
from xautolm_core.experience.codec import CorruptObjectError
from xautolm_core.experience.codec import decode
from xautolm_core.experience.codec import encode
from xautolm_core.experience.columns import Row
from xautolm_core.experience.compaction import compact
from xautolm_core.experience.compaction import grace_period
from xautolm_core.experience.contract import ExperienceFilter
from xautolm_core.experience.contract import Fault
from xautolm_core.experience.contract import VerifyReport
from xautolm_core.experience.forget import ForgetReport
from xautolm_core.experience.forget import forget
from xautolm_core.experience.keys import check_tenant
from xautolm_core.experience.keys import experience_key
from xautolm_core.experience.keys import spare_key
from xautolm_core.experience.reader import StoreReader
from xautolm_core.experience.scanning import EVERYTHING
from xautolm_core.experience.scanning import find_experience
from xautolm_core.experience.scanning import scan_rows
from xautolm_core.experience.state import State
from xautolm_core.experience.stats import StoreCounter
from xautolm_core.experience.stats import StoreStats
from xautolm_core.experience.stats import store_stats
from xautolm_core.experience.verify import verify_store
from xautolm_core.experience.view import SegmentFile
from xautolm_core.experience.view import StoreView
from xautolm_core.objects.contract import ObjectStorage
from xautolm_core.objects.contract import StorageUnavailableError
from xautolm_core.records.experience import Experience


class ObjectExperienceStore:
    """Keeps experiences. Safe under concurrent writers and readers; nothing is ever half-written.

    A corrupt object is reported (``faults``) and skipped, never fatal and never deleted.

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
        self._counter = StoreCounter(self.reader)
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
        return (experience for _, experience in scan_rows(self.reader, wanted))

    def rows(self, wanted: ExperienceFilter = EVERYTHING) -> Iterator[tuple[Row, Experience]]:
        """Yield the same as ``scan``, each with the object that it was stored as.

        Raises:
            StoreError: The storage cannot be read.
        """
        return scan_rows(self.reader, wanted)

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
        return self.reader.forgotten()

    def view(self) -> StoreView:
        """Return what the store holds now, as columns (see ``view``).

        Raises:
            StoreError: The storage cannot be read.
        """

        def look(state: State) -> StoreView:
            segments = tuple(SegmentFile(self.reader, segment) for segment in state.segments)
            return StoreView(segments, self.reader.tail(state.tail, state).table, state.hidden)

        return self.reader.settled(look)

    # Maintenance

    def compact(self, *, grace: timedelta | None = None) -> int:
        """Gather single objects in segments; return how many. Safe at any time.

        It may run beside writers, readers and other compactors, and be killed at any step. Objects
        and segments that others hold by now are deleted after a grace period.

        Args:
            grace: How long these stay for those who are still at work with them; one hour, or what
                ``XAUTOLM_STORE_GRACE_SECONDS`` says.

        Raises:
            StoreError: It cannot be written.
            ConfigError: ``XAUTOLM_STORE_GRACE_SECONDS`` is not a number.
        """
        return compact(self.reader, grace=grace_period() if grace is None else grace)

    def verify(self) -> VerifyReport:
        """Check every object against its digest, its name and the schema; change nothing.

        Raises:
            StoreError: The storage cannot be read.
        """
        return verify_store(self.storage)

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
