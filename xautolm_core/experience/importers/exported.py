"""The importer of what ``xautolm store export`` wrote: the same experiences, byte for byte."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

from xautolm_core.errors import ConfigError
from xautolm_core.errors import StoreError
from xautolm_core.experience.codec import CorruptObjectError
from xautolm_core.experience.codec import canonical
from xautolm_core.experience.codec import check_payload
from xautolm_core.experience.codec import decode
from xautolm_core.experience.codec import digest_of
from xautolm_core.experience.codec import encode
from xautolm_core.experience.codec import experience_of
from xautolm_core.experience.columns import Row
from xautolm_core.experience.columns import rows_or_faults
from xautolm_core.experience.credentials import Surroundings
from xautolm_core.experience.importers.account import Account
from xautolm_core.experience.importers.record_files import LINES_SUFFIXES
from xautolm_core.experience.importers.record_files import ForeignRecord
from xautolm_core.experience.importers.record_files import read_records
from xautolm_core.experience.importers.writing import Counts
from xautolm_core.experience.keys import check_tenant
from xautolm_core.experience.keys import derived_key
from xautolm_core.experience.keys import experience_key
from xautolm_core.experience.scrub import scrub_experience
from xautolm_core.experience.transfer import Held
from xautolm_core.experience.transfer import RowWriter
from xautolm_core.experience.transfer import chunks

if TYPE_CHECKING:
    import pyarrow as pa

    from xautolm_core.experience.store import ObjectExperienceStore
    from xautolm_core.records.experience import Experience

IMPORTER = "experiences"
VERSION = "experiences/1"

_OTHER_TASK = "of a task that was not asked for"
_FORGOTTEN = "was forgotten in this store"
# No record of another format has all of these.
_FIELDS = frozenset({"id", "search_id", "task_fingerprint", "configuration", "ended_at"})
_COLUMNS = frozenset({"id", "digest", "rest", "ended_at"})
_LOOKED_AT = 100
_BATCH_ROWS = 1_000


def is_exported(source: Path) -> bool:
    """Whether a file holds experiences, as its first records or its columns tell."""
    if not source.is_file():
        return False
    if source.suffix.lower() == ".parquet":
        file = _parquet(source)
        return file is not None and set(file.schema_arrow.names) >= _COLUMNS
    if source.suffix.lower() not in LINES_SUFFIXES:
        return False
    records = (
        one for one in islice(read_records(source), _LOOKED_AT) if isinstance(one, ForeignRecord)
    )
    first = next(records, None)
    return first is not None and first.content.keys() >= _FIELDS


def import_exported(
    source: Path,
    store: ObjectExperienceStore | None,
    *,
    tasks: Collection[str] = (),
    dry_run: bool = False,
) -> tuple[Account, Counts]:
    """Write exported experiences to a store that lacks them; each keeps its id and its tenant.

    Only what the rules and the policies of the store's tenants do not allow is taken out. What was
    forgotten in the store stays forgotten. They become visible at the end, all at once.

    Args:
        source: A ``.jsonl`` or ``.parquet`` file that ``export_experiences`` wrote.
        store: Where to; None if there is no such store yet, for a dry run alone.
        tasks: Only of these tasks; all if empty.
        dry_run: Count, and write nothing.

    Raises:
        ConfigError: The file cannot be read.
        StoreError: The store cannot be read or written, or a policy of it is malformed.
    """
    account = Account(VERSION, str(source))
    held = None if store is None else Held(store)
    writer = None if store is None or dry_run else RowWriter(store)
    new = already_there = 0
    for found in chunks(_admitted(source, store, held, tasks, account)):
        lacking = found if held is None else held.lacking(found)
        new += len(lacking)
        already_there += len(found) - len(lacking)
        if writer is not None:
            writer.add(row for row, _ in lacking)
    if writer is not None:
        writer.finish()
    return account, Counts(new, already_there)


def _admitted(
    source: Path,
    store: ObjectExperienceStore | None,
    held: Held | None,
    tasks: Collection[str],
    account: Account,
) -> Iterator[tuple[Row, Experience]]:
    """Yield what may be in the store; the account says what of the file may not, and why."""
    around = Surroundings.of_this_process()
    for place, row, experience in _read(source, account):
        if tasks and experience.task_name not in tasks:
            account.drop_record(place, _OTHER_TASK)
        elif held is not None and held.has_forgotten(row):
            account.drop_record(place, _FORGOTTEN)
        else:
            try:
                check_tenant(experience.tenant)
            except StoreError as error:
                account.drop_record(place, error.problem)
                continue
            if store is not None:
                store.admission.policy(experience.tenant)  # a malformed one ends the import
            try:
                clean = (
                    scrub_experience(experience, surroundings=around)
                    if store is None
                    else store.admission.admit(experience, around)
                )
            except StoreError as error:
                account.drop_record(place, error.problem)
                continue
            account.add_imported([clean])
            account.note_changes(experience, clean)
            # Whatever a newer version added stays too, wherever there is nothing to remove.
            yield row if clean == experience else _row_of(clean), clean


def _row_of(experience: Experience) -> Row:
    return Row(experience_key(experience), decode(encode(experience)))


def _read(source: Path, account: Account) -> Iterator[tuple[str, Row, Experience]]:
    """Yield place, row and experience of what is whole in a file."""
    is_parquet = source.suffix.lower() == ".parquet"
    for place, found in _parquet_rows(source) if is_parquet else _records(source):
        account.read += 1
        try:
            if isinstance(found, Exception):
                raise found
            row = found if isinstance(found, Row) else _row(found)
            experience = experience_of(row.payload)
        except (CorruptObjectError, StoreError, ValueError, RecursionError) as error:
            account.drop_record(place, str(error) or type(error).__name__)
            continue
        yield place, row, experience


def _row(content: dict[str, Any]) -> Row:
    """Return the row of an experience's plain JSON.

    Raises:
        CorruptObjectError: It is none.
        StoreError: Its tenant's name is not usable.
        ValueError: A number in it is not finite.
    """
    text = canonical(content)
    payload = check_payload(text, digest_of(text))
    return Row(derived_key(content) or experience_key(experience_of(payload)), payload)


def _records(source: Path) -> Iterator[tuple[str, dict[str, Any] | Exception]]:
    for record in read_records(source):
        if isinstance(record, ForeignRecord):
            yield record.place, record.content
        else:
            yield record.place, CorruptObjectError(record.reason)


def _parquet_rows(source: Path) -> Iterator[tuple[str, Row | Exception]]:
    import pyarrow as pa

    file, number = _parquet(source), 0
    if file is None:
        raise ConfigError(
            f"{source} is not a readable Parquet file", hint="Check that it was copied whole"
        )
    try:
        for batch in file.iter_batches(batch_size=_BATCH_ROWS, use_threads=False):
            for found in rows_or_faults(pa.Table.from_batches([batch])):
                number += 1
                yield f"{source.name}:{number}", found
    except (pa.ArrowException, OSError) as error:
        raise ConfigError(
            f"{source} is broken after row {number}: {type(error).__name__}",
            hint="Check that it was copied whole",
        ) from error


def _parquet(source: Path) -> pa.parquet.ParquetFile | None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(source, pre_buffer=False)
    except (pa.ArrowException, OSError, ValueError):
        return None
