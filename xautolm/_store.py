"""The experience store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from xautolm._words import given_path
from xautolm._words import in_callers_words

if TYPE_CHECKING:
    from xautolm_core.experience.store import ObjectExperienceStore


def open_store(address: str | Path | None = None, *, create: bool = False) -> ObjectExperienceStore:
    """Open an experience store: what all searches with it have learnt.

    Args:
        address: A folder, ``s3://bucket/prefix``, or an address of a plug-in's scheme. By default
            the store that searches write to: ``$XAUTOLM_STORE``, else
            ``~/.local/share/xautolm/experiences``.
        create: Create a folder that does not exist.

    Returns:
        The store: ``scan()`` yields the experiences, ``stats()`` counts them.

    Raises:
        StoreError: There is no such store, or it cannot be used.
        ConfigError: The address is malformed, or credentials are missing.

    Example:
        >>> for experience in xautolm.open_store("experiences").scan():
        ...     print(experience.task_name, experience.outcome)
    """
    from xautolm_core.experience import open as opening
    from xautolm_core.request.locations import store_location

    with in_callers_words():
        if not isinstance(address, str | None):
            address = str(given_path(address, "address"))
        location = store_location(address)
        return opening.open_store(location, create=create)
