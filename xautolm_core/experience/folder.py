"""The experience store on a folder."""

from __future__ import annotations

from pathlib import Path

from xautolm_core.errors import StoreError
from xautolm_core.experience.store import ObjectExperienceStore
from xautolm_core.objects.folder import FolderObjects


class FolderStore(ObjectExperienceStore):
    """The experience store on a folder of this machine or a shared file system.

    Args:
        root: The folder.
        tenant: If given, only this tenant's experiences may be appended.
        create: Create the folder, and make sure that it can be written to. Without it the folder
            must exist, and reading is enough.

    Raises:
        StoreError: The folder does not exist, is not a folder, or cannot be written to.
    """

    def __init__(self, root: Path, *, tenant: str | None = None, create: bool = True) -> None:
        self.root = Path(root).expanduser()
        objects = FolderObjects(self.root)
        if create:
            objects.require_writable()
        elif not self.root.is_dir():
            raise StoreError(
                f"There is no experience store at {self.root}",
                hint="Give the folder that a search was run with (--store)",
            )
        super().__init__(objects, tenant=tenant)

    def __repr__(self) -> str:
        return f"FolderStore({str(self.root)!r})"
