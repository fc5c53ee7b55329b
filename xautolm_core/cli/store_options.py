"""What the commands of ``xautolm store`` have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from xautolm_core.experience.contract import Fault
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
    """Return the tenant that was asked for: a mistyped one must not pass as one without anything.

    Raises:
        ConfigError: No tenant can be called so.
    """
    from xautolm_core.experience.keys import given_tenant

    return None if tenant is None else given_tenant(tenant, "--tenant")


def open_existing(store: str | None) -> ObjectExperienceStore:
    """Open a store that has to be there: a mistyped one must not be made, or pass as sound.

    Raises:
        StoreError: There is none.
    """
    from xautolm_core.request.locations import store_location

    return open_there(store_location(store))


def open_there(location: str) -> ObjectExperienceStore:
    """Open the store at a location, where something of a store has to lie.

    Raises:
        StoreError: There is none.
    """
    from xautolm_core.experience import open as opening

    return opening.open_existing(location)


def report_faults(store: ObjectExperienceStore) -> None:
    """Warn of what a store has skipped."""
    warn_of_faults(store.faults)


def warn_of_faults(faults: Iterable[Fault]) -> None:
    """Warn of what was skipped."""
    from xautolm_core.cli.output import warn

    for fault in faults:
        warn(f"skipped {fault.key}: {fault.problem}")
