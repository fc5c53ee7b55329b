"""Options and checks that the commands of ``xautolm store`` share."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Annotated

import typer

if TYPE_CHECKING:
    from pathlib import Path

    from xautolm_core.experience.contract import ExperienceStore
    from xautolm_core.experience.store import ObjectExperienceStore

STORE_OPTION = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="DIR",
        help="The store, a folder or s3://bucket/prefix; by default $XAUTOLM_STORE, else "
        "~/.local/share/xautolm/experiences.",
    ),
]
TENANT_OPTION = Annotated[str | None, typer.Option("--tenant", help="Only of this tenant.")]
JSON_OPTION = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def checked_tenant(tenant: str | None) -> str | None:
    """Return the given tenant: a mistyped one must not pass as one without experiences.

    Raises:
        ConfigError: It is not a valid name of a tenant.
    """
    from xautolm_core.experience.keys import given_tenant

    return None if tenant is None else given_tenant(tenant, "--tenant")


def open_existing(store: str | None) -> ObjectExperienceStore:
    """Open a store that must exist: a mistyped address must not create one, or pass as sound.

    Raises:
        StoreError: There is none.
    """
    from xautolm_core.request.locations import store_location

    return open_there(store_location(store))


def open_there(location: str) -> ObjectExperienceStore:
    """Open the store at a location that must hold objects of a store.

    An empty folder is an empty store; an empty prefix of a bucket is none, as a prefix exists only
    with an object below it.

    Raises:
        StoreError: There is none.
    """
    from xautolm_core.errors import StoreError
    from xautolm_core.experience.folder import FolderStore
    from xautolm_core.experience.keys import PLACES
    from xautolm_core.experience.open import open_store
    from xautolm_core.experience.policy import TENANTS

    opened = open_store(location, create=False)
    storage = opened.storage
    if any(next(iter(storage.list(place)), None) for place in (*PLACES, TENANTS)):
        return opened
    if isinstance(opened, FolderStore):
        if _is_empty(opened.root):
            return opened
        shown = str(opened.root)
    else:
        shown = getattr(storage, "address", "that address")
    raise StoreError(
        f"There is no experience store at {shown}: no object there belongs to one",
        hint="Give the folder or address that a search was run with (--store)",
    )


def _is_empty(folder: Path) -> bool:
    from xautolm_core.errors import StoreError

    try:
        return not any(folder.iterdir())
    except OSError as error:
        raise StoreError(
            f"Cannot list {folder}: {error.strerror or error}",
            hint="Check that this user may read the folder",
        ) from error


def report_faults(store: ExperienceStore) -> None:
    """Warn of what was skipped."""
    from xautolm_core.cli.output import warn

    for fault in store.faults:
        warn(f"skipped {fault.key}: {fault.problem}")
