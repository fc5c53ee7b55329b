"""The experience store over any object storage.

One immutable object per attempt is the truth. Segments are verified copies of many of them in one
file; a manifest, written last, says which segments belong together. Readers take the newest
complete manifest plus the tail: every object that it does not cover, however late or with whatever
clock it was written. Nothing rests on locks or conditional writes.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence

from xautolm_core.errors import StoreError
from xautolm_core.experience.codec import CorruptObjectError
from xautolm_core.experience.codec import Payload
from xautolm_core.experience.codec import decode
from xautolm_core.experience.codec import encode
from xautolm_core.experience.codec import experience_of
from xautolm_core.experience.compaction import compact
from xautolm_core.experience.contract import ExperienceFilter
from xautolm_core.experience.contract import Fault
from xautolm_core.experience.contract import SnapshotId
from xautolm_core.experience.contract import VerifyReport
from xautolm_core.experience.keys import EXPERIENCES
from xautolm_core.experience.keys import MANIFESTS
from xautolm_core.experience.keys import SEGMENTS
from xautolm_core.experience.keys import SNAPSHOTS
from xautolm_core.experience.keys import check_tenant
from xautolm_core.experience.keys import experience_key
from xautolm_core.experience.keys import spare_key
from xautolm_core.experience.manifest import SNAPSHOT_ID
from xautolm_core.experience.manifest import Pin
from xautolm_core.experience.manifest import decode_manifest
from xautolm_core.experience.manifest import decode_snapshot
from xautolm_core.experience.manifest import encode_snapshot
from xautolm_core.experience.manifest import snapshot_key
from xautolm_core.experience.schema import Experience
from xautolm_core.experience.scrub import scrub_experience
from xautolm_core.experience.segment import decode_segment
from xautolm_core.objects.contract import ObjectStorage

_EVERYTHING = ExperienceFilter()
_SHORTEST_PREFIX = 4


class ObjectExperienceStore:
    """``ExperienceStore`` over an ``ObjectStorage``.

    Args:
        storage: Where the objects are.
        tenant: If given, only this tenant's experiences may be appended. Reading is restricted by
            filters alone.

    Raises:
        StoreError: The tenant's name cannot stand in a key.
    """

    def __init__(self, storage: ObjectStorage, *, tenant: str | None = None) -> None:
        self.storage = storage
        self.tenant = None if tenant is None else check_tenant(tenant)
        self._faults: dict[tuple[str, str], Fault] = {}

    @property
    def faults(self) -> Sequence[Fault]:
        """What the reads of this object have skipped so far."""
        return tuple(self._faults.values())

    def append(self, experience: Experience) -> str:
        """Keep an experience, all or nothing; appending it again changes nothing. Return its id.

        Failure messages are scrubbed and numbers that are not finite left out (see ``scrub``).

        Raises:
            StoreError: It cannot be written, or belongs to another tenant.
        """
        if self.tenant is not None and experience.tenant != self.tenant:
            raise StoreError(
                f"This store was opened for tenant {self.tenant!r}, the experience is of "
                f"{experience.tenant!r}",
                hint="Open the store for the tenant that runs the search",
            )
        clean = scrub_experience(experience)
        data = encode(clean)
        key = experience_key(clean)
        if self._is_free(key):
            self.storage.put(key, data)
        elif not self._holds(key, clean.id):
            # What lies there is corrupt. It stays as evidence; readers tell copies apart by id.
            self.storage.put(spare_key(key, decode(data).digest), data)
        return clean.id

    def scan(self, wanted: ExperienceFilter = _EVERYTHING) -> Iterator[Experience]:
        """Yield the experiences asked for, each once, ordered by end time and id."""
        for _, _, experience in self._readable(self._load()):
            if wanted.matches(experience):
                yield experience

    def get(self, experience_id: str) -> Experience | None:
        """Return one experience, or None.

        Args:
            experience_id: Its id, or the first characters of it (at least four).

        Raises:
            StoreError: Several ids begin so.
        """
        found = {
            experience.id: experience
            for _, payload, experience in self._readable(self._load())
            if payload.id == experience_id
            or (len(experience_id) >= _SHORTEST_PREFIX and payload.id.startswith(experience_id))
        }
        if experience_id in found:
            return found[experience_id]
        if len(found) > 1:
            some = ", ".join(sorted(found)[:3])
            raise StoreError(
                f"{len(found)} experiences begin with {experience_id!r}: {some}",
                hint="Give more characters of the id",
            )
        return next(iter(found.values()), None)

    def snapshot(self) -> SnapshotId:
        """Pin what the store holds now, so that it can be read again exactly.

        The id is the digest of what is pinned: an unchanged store gives the same snapshot.

        Raises:
            StoreError: It cannot be written.
        """
        pins = [
            Pin(id=payload.id, key=key, digest=payload.digest)
            for key, payload, _ in self._readable(self._load())
        ]
        identity, data = encode_snapshot(pins)
        self.storage.put(snapshot_key(identity), data)
        return SnapshotId(identity)

    def read(self, snapshot: SnapshotId) -> Iterator[Experience]:
        """Return exactly the experiences that a snapshot pins, ordered by end time and id.

        A pinned object that is gone or altered is reported in ``faults`` and skipped.

        Raises:
            StoreError: There is no such snapshot, or it is corrupt.
        """
        pins = self._pins(snapshot)
        payloads: dict[str, Payload] = {}
        rows = self._newest_rows() if pins else {}
        for pin in pins:
            payload = rows.get(pin.key) or self._payload(pin.key, absent="is gone")
            if payload is not None and payload.digest == pin.digest:
                payloads[pin.key] = payload
            elif payload is not None:
                self._report(pin.key, f"is not what snapshot {snapshot.value[:12]} pinned")
        return (experience for _, _, experience in self._readable(payloads))

    def compact(self) -> int:
        """Merge single objects into one Parquet file; return how many.

        Safe to run at any time, beside writers, readers and other compactors, and to be killed at
        any step. Single objects stay where they are: they are the truth, segments are copies.

        Raises:
            StoreError: It cannot be written.
        """
        rows = self._newest_rows()
        tail = {key: p for key, p, _ in self._valid(self._tail(rows).items())}
        return compact(self.storage, rows, tail)

    def verify(self) -> VerifyReport:
        """Check every object against its digest and the schema; change nothing."""
        objects = 0
        faults: list[Fault] = []
        for prefix, check in (
            (EXPERIENCES, _check_experience),
            (SEGMENTS, _check_segment),
            (MANIFESTS, self._check_manifest),
            (SNAPSHOTS, self._check_snapshot),
        ):
            for info in self.storage.list(prefix):
                objects += 1
                try:
                    check(info.key, self.storage.get(info.key))
                except KeyError:
                    objects -= 1  # removed since it was listed
                except (CorruptObjectError, StoreError) as error:
                    faults.append(Fault(info.key, str(error)))
        return VerifyReport(objects=objects, faults=tuple(faults))

    def _load(self) -> dict[str, Payload]:
        """Return key to payload of all objects: newest complete manifest plus tail."""
        rows = self._newest_rows()
        return rows | self._tail(rows)

    def _tail(self, covered: Mapping[str, Payload]) -> dict[str, Payload]:
        tail: dict[str, Payload] = {}
        for info in self.storage.list(EXPERIENCES):
            if info.key not in covered:
                payload = self._payload(info.key)
                if payload is not None:
                    tail[info.key] = payload
        return tail

    def _payload(self, key: str, *, absent: str = "") -> Payload | None:
        try:
            return decode(self.storage.get(key))
        except KeyError:
            if absent:
                self._report(key, absent)
        except (CorruptObjectError, StoreError) as error:
            self._report(key, str(error))
        return None

    def _newest_rows(self) -> dict[str, Payload]:
        """Return the rows of the newest manifest whose segments are all there and whole."""
        manifests = [info.key for info in self.storage.list(MANIFESTS)]
        for key in reversed(manifests):
            rows = self._rows_of(key)
            if rows is not None:
                return rows
        return {}

    def _rows_of(self, manifest_key: str) -> dict[str, Payload] | None:
        place = manifest_key
        rows: dict[str, Payload] = {}
        try:
            for entry in decode_manifest(manifest_key, self.storage.get(manifest_key)).segments:
                place = entry.key
                for row in decode_segment(entry.key, self.storage.get(entry.key)):
                    rows[row.key] = row.payload
        except KeyError:
            if place != manifest_key:
                self._report(manifest_key, f"its segment {place} is missing")
            return None
        except (CorruptObjectError, StoreError) as error:
            self._report(place, str(error))
            return None
        return rows

    def _readable(
        self, payloads: Mapping[str, Payload]
    ) -> Iterator[tuple[str, Payload, Experience]]:
        """Yield key, payload and experience, each id once, ordered by end time and id."""
        ordered = sorted(payloads.items(), key=lambda kv: (kv[1].ended_at, kv[1].id, kv[0]))
        seen: set[str] = set()
        for key, payload, experience in self._valid(ordered):
            if payload.id not in seen:
                seen.add(payload.id)
                yield key, payload, experience

    def _valid(
        self, payloads: Iterable[tuple[str, Payload]]
    ) -> Iterator[tuple[str, Payload, Experience]]:
        for key, payload in payloads:
            try:
                yield key, payload, experience_of(payload)
            except CorruptObjectError as error:
                self._report(key, str(error))

    def _pins(self, snapshot: SnapshotId) -> tuple[Pin, ...]:
        if not SNAPSHOT_ID.fullmatch(snapshot.value):
            raise StoreError(
                f"{snapshot.value!r} is no snapshot id", hint="Take it from a search's files"
            )
        try:
            return decode_snapshot(snapshot.value, self.storage.get(snapshot_key(snapshot.value)))
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
        return False

    def _holds(self, key: str, identity: str) -> bool:
        payload = self._payload(key)
        return payload is not None and payload.id == identity

    def _report(self, key: str, problem: str) -> None:
        self._faults.setdefault((key, problem), Fault(key, problem))

    def _check_manifest(self, key: str, data: bytes) -> None:
        for entry in decode_manifest(key, data).segments:
            try:
                self.storage.get(entry.key)
            except KeyError:
                raise CorruptObjectError(f"its segment {entry.key} is missing") from None

    def _check_snapshot(self, key: str, data: bytes) -> None:
        identity = key.removeprefix(SNAPSHOTS).removesuffix(".json")
        pins = decode_snapshot(identity, data)
        present = {info.key for info in self.storage.list(EXPERIENCES)}
        gone = [pin.key for pin in pins if pin.key not in present]
        if gone:
            raise CorruptObjectError(f"{len(gone)} objects it pins are gone, such as {gone[0]}")


def _check_experience(key: str, data: bytes) -> None:
    del key
    experience_of(decode(data))


def _check_segment(key: str, data: bytes) -> None:
    for row in decode_segment(key, data):
        experience_of(row.payload)
