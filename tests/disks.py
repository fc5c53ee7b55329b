"""Disks that get full or read-only: a tmpfs of its own for a test, skipped without the right."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path

import pytest

_BALLAST = "ballast"
_PAGE = bytes(4096)


class Disk:
    """A small disk.

    Args:
        folder: Where it is mounted.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self) -> None:
        """Leave no room on it."""
        with (self.folder / _BALLAST).open("ab", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(_PAGE):
                pass

    def make_room(self) -> None:
        """Take back what ``fill`` did."""
        (self.folder / _BALLAST).unlink()

    def resize(self, size: str) -> None:
        """Give it another size, such as ``20m``."""
        _mount("-o", f"remount,size={size}", str(self.folder))

    def set_writable(self, writable: bool) -> None:
        """Make it read-only, or writable again; nobody may have a file open for writing."""
        _mount("-o", f"remount,{'rw' if writable else 'ro'}", str(self.folder))

    def unmount(self) -> None:
        """Take it away, whoever still uses it."""
        subprocess.run(["umount", "--lazy", str(self.folder)], check=True)


MakeDisk = Callable[..., Disk]


@pytest.fixture
def make_disk(tmp_path: Path) -> Iterator[MakeDisk]:
    """Make small disks in the test's folder."""
    made: list[Disk] = []

    def make(name: str = "disk", *, size: str = "4m") -> Disk:
        folder = tmp_path / name
        folder.mkdir(parents=True, exist_ok=True)
        _mount("-t", "tmpfs", "-o", f"size={size},mode=700", "tmpfs", str(folder))
        made.append(Disk(folder))
        return made[-1]

    yield make
    for disk in made:
        disk.unmount()


def _mount(*arguments: str) -> None:
    try:
        done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount command")
    if done.returncode:
        pytest.skip(f"no right to mount: {done.stderr.strip()}")
