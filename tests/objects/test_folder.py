"""The folder backend: the contract, and what only files can get wrong."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from xautolm.testing import ObjectStorageContract
from xautolm_core.errors import StoreError
from xautolm_core.objects.folder import FolderObjects


class TestFolderObjects(ObjectStorageContract):
    @pytest.fixture
    def storage(self, tmp_path: Path) -> FolderObjects:
        return FolderObjects(tmp_path / "root")


def test_half_written_files_are_not_listed(tmp_path: Path) -> None:
    storage = FolderObjects(tmp_path)
    storage.put("a/b", b"x")
    (tmp_path / "a" / ".tmp-1-abc").write_bytes(b"torn")
    assert [info.key for info in storage.list()] == ["a/b"]


def test_an_unwritable_folder_is_named_with_a_hint(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    storage = FolderObjects(tmp_path / "file" / "below")
    for action in (lambda: storage.put("key", b"x"), storage.require_writable):
        with pytest.raises(StoreError, match="Cannot write") as caught:
            action()
        assert str(tmp_path) in str(caught.value)
        assert "Choose a folder" in caught.value.hint
    assert list(storage.list()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StoreError, match="Permission denied"):
        FolderObjects(tmp_path).require_writable()


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path) -> None:
    FolderObjects(tmp_path).put("key", b"old")
    script = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from xautolm_core.errors import StoreError\n"
        "from xautolm_core.objects.folder import FolderObjects\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try:\n"
        "    FolderObjects(Path(sys.argv[1])).put('key', b'x' * 5000)\n"
        "except StoreError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert "Cannot write" in done.stdout
    assert FolderObjects(tmp_path).get("key") == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["key"]
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 1000


def test_new_folders_are_flushed_before_a_put_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[int] = []

    def flush(descriptor: int) -> None:
        flushed.append(os.fstat(descriptor).st_ino)

    monkeypatch.setattr(os, "fsync", flush)
    root = tmp_path / "above" / "root"
    FolderObjects(root).put("a/b/key", b"x")
    # The entry of each new folder is in the one above it.
    expected = [tmp_path, tmp_path / "above", root, root / "a", root / "a" / "b"]
    assert {folder.stat().st_ino for folder in expected} <= set(flushed)
    # Another process that finds the folders there does not rest on their maker having come so far.
    flushed.clear()
    storage = FolderObjects(root)
    storage.put("a/b/other", b"y")
    assert {folder.stat().st_ino for folder in (root, root / "a")} <= set(flushed)
    # Once is enough.
    flushed.clear()
    storage.put("a/b/third", b"z")
    assert len(flushed) == 2

    flushed.clear()
    FolderObjects(tmp_path / "new" / "store").require_writable()
    assert {tmp_path.stat().st_ino, (tmp_path / "new").stat().st_ino} <= set(flushed)


def test_a_link_to_elsewhere_is_not_followed_by_listings(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("x")
    root = tmp_path / "root"
    root.mkdir()
    (root / "link").symlink_to(outside)
    assert list(FolderObjects(root).list()) == []


def test_other_things_than_files_are_not_listed(tmp_path: Path) -> None:
    storage = FolderObjects(tmp_path)
    storage.put("a/b", b"x")
    os.mkfifo(tmp_path / "a" / "pipe")
    (tmp_path / "a" / "nowhere").symlink_to("absent")
    (tmp_path / "a" / "itself").symlink_to("itself")
    (tmp_path / "empty").mkdir()
    assert [info.key for info in storage.list()] == ["a/b"]


def test_what_killed_writers_left_is_removed_once_it_is_old(tmp_path: Path) -> None:
    script = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "import xautolm_core.objects.folder as folder\n"
        "def die(path, data):\n"
        "    path.write_bytes(data[:3])\n"
        "    os.kill(os.getpid(), 9)\n"
        "folder._write_durably = die\n"
        "folder.FolderObjects(Path(sys.argv[1])).put('a/killed', b'content')\n"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False)
    storage = FolderObjects(tmp_path)
    storage.put("a/kept", b"x")
    (left,) = (tmp_path / "a").glob(".tmp-*")
    assert storage.remove_stale_temporaries(3600) == 0
    os.utime(left, (left.stat().st_mtime - 4000,) * 2)
    os.utime(tmp_path / "a" / "kept", (0, 0))
    young = tmp_path / "a" / ".tmp-young"
    young.touch()
    assert storage.remove_stale_temporaries(3600) == 1
    assert not left.exists()
    assert young.exists()
    assert storage.get("a/kept") == b"x"
    assert FolderObjects(tmp_path / "absent").remove_stale_temporaries(0) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a"]
