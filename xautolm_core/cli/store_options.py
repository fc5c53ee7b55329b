"""What the commands of ``xautolm store`` have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Annotated

import typer

if TYPE_CHECKING:
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
JSON_OPTION = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def open_existing(store: str | None) -> ObjectExperienceStore:
    """Open a store that has to be there: a mistyped folder must not be made."""
    from xautolm_core.cli.locations import store_location
    from xautolm_core.experience.open import open_store

    return open_store(store_location(store), create=False)


def report_faults(store: ExperienceStore) -> None:
    """Warn of what was skipped."""
    from xautolm_core.cli.output import warn

    for fault in store.faults:
        warn(f"skipped {fault.key}: {fault.problem}")
