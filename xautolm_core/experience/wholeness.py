"""Whether a segment is what was written, read again from the storage."""

from __future__ import annotations

from xautolm_core.errors import StoreError
from xautolm_core.experience.codec import CorruptObjectError
from xautolm_core.experience.manifest import SegmentEntry
from xautolm_core.experience.reader import StoreReader
from xautolm_core.experience.segment import check_table
from xautolm_core.experience.segment import is_whole
from xautolm_core.objects.contract import StorageUnavailableError


def is_whole_segment(reader: StoreReader, entry: SegmentEntry) -> bool:
    """Whether the whole file has the digest that its name says.

    If it has not, the reader's ``damage`` knows afterwards which part of it cannot be read.

    Raises:
        StorageUnavailableError: The storage cannot be read.
    """
    try:
        data = reader.storage.get(entry.key)
    except KeyError:
        reader.damage.miss_file(entry.key)
        return False
    except StorageUnavailableError:
        raise
    except StoreError as error:
        reader.damage.lose_file(entry.key, str(error))
        return False
    if is_whole(entry.key, data):
        return True
    find_damage(reader, entry)
    return False


def find_damage(reader: StoreReader, entry: SegmentEntry) -> None:
    """Note which row groups of a segment cannot be read, or hold something else than was written.

    Raises:
        StoreChangedError: Nothing of it can be read.
    """
    reader.damage.impair(entry.key, "its content does not match its name")
    segment = reader.open(entry)
    for group in range(segment.row_groups):
        try:
            check_table(segment.read(group))
        except CorruptObjectError as error:
            reader.damage.lose_row_group(entry.key, group, str(error))
