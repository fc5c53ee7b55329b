"""Bundles: what arrives is what was sent, or nothing arrives."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from pydantic import ValidationError

from xautolm_core.errors import StoreError
from xautolm_core.objects.bundle import BundleFile
from xautolm_core.objects.bundle import BundleReference
from xautolm_core.objects.bundle import Manifest
from xautolm_core.objects.bundle import describe_files
from xautolm_core.objects.bundle import files_below
from xautolm_core.objects.bundle import send_bundle
from xautolm_core.objects.bundle_fetch import DamagedBundleError
from xautolm_core.objects.bundle_fetch import fetch_bundle
from xautolm_core.objects.folder import FolderObjects

REPOSITORY = Path(__file__).parents[2]
PART_BYTES = 8
FILES = {"a.json": b"{}", "deep/er/b.bin": bytes(range(40)), "empty": b"", "c.txt": b"12345678"}

_names = st.text("abcXYZ019_", min_size=1, max_size=6)
_contents = st.dictionaries(
    st.tuples(_names, _names).map(lambda parts: f"d{parts[0]}/{parts[1]}")
    | _names.map("f{}".format),
    st.binary(max_size=50),
    max_size=5,
)


def make_folder(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def contents_of(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in files_below(folder)}


def send(storage: FolderObjects, folder: Path) -> BundleReference:
    return send_bundle(storage, "some/place", folder, files_below(folder), part_bytes=PART_BYTES)


@pytest.fixture
def storage(tmp_path: Path) -> FolderObjects:
    return FolderObjects(tmp_path / "objects")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "source", FILES)


@given(files=_contents, before=_contents)
@settings(max_examples=40, deadline=None)
def test_what_arrives_is_what_was_sent(files: dict[str, bytes], before: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        storage = FolderObjects(folder / "objects")
        reference = send(storage, make_folder(folder / "source", files))
        target = make_folder(folder / "in" / "target", before)
        fetch_bundle(storage, reference, target)
        # A folder that has it all already is left alone, whatever else is in it.
        expected = {**before, **files} if files.items() <= before.items() else files
        assert contents_of(target) == expected
        assert [p.name for p in target.parent.iterdir()] == ["target"]


@given(files=_contents, others=_contents)
@settings(max_examples=40, deadline=None)
def test_digests_are_equal_for_equal_files_only(
    files: dict[str, bytes], others: dict[str, bytes]
) -> None:
    with tempfile.TemporaryDirectory() as name:
        one = make_folder(Path(name) / "one", files)
        two = make_folder(Path(name) / "two", others)
        digests = {describe_files(f, files_below(f)).digest for f in (one, two)}
    assert (len(digests) == 1) == (files == others)


def test_sending_again_writes_nothing(storage: FolderObjects, source: Path) -> None:
    reference = send(storage, source)
    before = {i.key: (storage.root / i.key).stat().st_ino for i in storage.list()}
    assert send(storage, source) == reference
    assert {i.key: (storage.root / i.key).stat().st_ino for i in storage.list()} == before


@pytest.mark.parametrize("puts", range(8))
def test_a_killed_sender_leaves_no_bundle_and_the_next_one_completes_it(
    storage: FolderObjects, source: Path, tmp_path: Path, puts: int
) -> None:
    program = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from xautolm_core.objects import bundle\n"
        "from xautolm_core.objects.folder import FolderObjects\n"
        "class Killed(FolderObjects):\n"
        f"    left = {puts}\n"
        "    def put(self, key, data):\n"
        "        if self.left == 0: os.kill(os.getpid(), signal.SIGKILL)\n"
        "        self.left -= 1\n"
        "        super().put(key, data)\n"
        "folder = Path(sys.argv[2])\n"
        "bundle.send_bundle(Killed(Path(sys.argv[1])), 'some/place', folder,\n"
        f"    bundle.files_below(folder), part_bytes={PART_BYTES})\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(storage.root), str(source)],
        cwd=REPOSITORY,
        check=False,
    )
    # 1 + 5 + 0 + 1 parts and the manifest make eight objects.
    assert done.returncode == -signal.SIGKILL
    assert not [i for i in storage.list() if i.key.endswith("manifest.json")]
    reference = send(storage, source)
    fetch_bundle(storage, reference, tmp_path / "target")
    assert contents_of(tmp_path / "target") == FILES


def test_any_changed_object_is_noticed_and_nothing_is_left(
    storage: FolderObjects, source: Path, tmp_path: Path
) -> None:
    reference = send(storage, source)
    parent = tmp_path / "in"
    keys = [info.key for info in storage.list()]
    assert len(keys) == 8
    for key in keys:
        data = storage.get(key)
        for changed in (data[:-1], data + b" x", bytes([data[0] ^ 1]) + data[1:], None):
            if changed is None:
                storage.delete(key)
            else:
                storage.put(key, changed)
            with pytest.raises(DamagedBundleError, match="damaged") as caught:
                fetch_bundle(storage, reference, parent / "target")
            assert "\n" not in str(caught.value) and reference.prefix in str(caught.value)
            assert not parent.exists() or not list(parent.iterdir())
        storage.put(key, data)
    fetch_bundle(storage, reference, parent / "target")


@pytest.mark.parametrize(
    "name", ["../out", "/etc/passwd", "a/../../out", "..", "", "a//b", "a\\b", "./a", "a/.", "a\0b"]
)
def test_a_manifest_cannot_name_what_is_outside(
    storage: FolderObjects, tmp_path: Path, name: str
) -> None:
    with pytest.raises(ValidationError):
        BundleFile(name=name, size_bytes=0, sha256="0" * 64)
    files = [{"name": name, "size_bytes": 1, "sha256": "0" * 64}]
    storage.put("p/manifest.json", json.dumps({"files": files}).encode())
    reference = BundleReference(prefix="p", digest="0" * 64)
    with pytest.raises(DamagedBundleError, match="not a manifest"):
        fetch_bundle(storage, reference, tmp_path / "in" / "target")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["objects"]


def test_a_manifest_names_a_file_once() -> None:
    file = BundleFile(name="a", size_bytes=0, sha256="0" * 64)
    with pytest.raises(ValidationError, match="twice"):
        Manifest(files=(file, file))


def test_a_reference_cannot_name_what_is_outside() -> None:
    with pytest.raises(ValidationError):
        BundleReference(prefix="../other", digest="0" * 64)


def test_a_damaged_folder_is_replaced(storage: FolderObjects, source: Path, tmp_path: Path) -> None:
    reference = send(storage, source)
    target = tmp_path / "in" / "target"
    fetch_bundle(storage, reference, target)
    whole = target.stat().st_ino
    fetch_bundle(storage, reference, target)
    assert target.stat().st_ino == whole
    (target / "c.txt").write_bytes(b"12345679")
    fetch_bundle(storage, reference, target)
    assert contents_of(target) == FILES
    # A link is not taken for the file that it points to.
    (target / "c.txt").unlink()
    (target / "c.txt").symlink_to(source / "c.txt")
    fetch_bundle(storage, reference, target)
    assert not (target / "c.txt").is_symlink()
    assert [p.name for p in target.parent.iterdir()] == ["target"]


def test_many_processes_fill_one_cache(
    storage: FolderObjects, source: Path, tmp_path: Path
) -> None:
    reference = send(storage, source)
    target = make_folder(tmp_path / "in" / "target", {"a.json": b"damaged"})
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from xautolm_core.objects.bundle import BundleReference, describe_files, files_below\n"
        "from xautolm_core.objects.bundle_fetch import fetch_bundle\n"
        "from xautolm_core.objects.folder import FolderObjects\n"
        "reference = BundleReference.model_validate_json(sys.argv[2])\n"
        "target = Path(sys.argv[3])\n"
        "sys.stdin.readline()\n"
        "fetch_bundle(FolderObjects(Path(sys.argv[1])), reference, target)\n"
        f"found = describe_files(target, files_below(target), part_bytes={PART_BYTES})\n"
        "assert found.digest == reference.digest\n"
    )
    command = [sys.executable, "-c", program]
    arguments = [str(storage.root), reference.model_dump_json(), str(target)]
    fetching = [
        subprocess.Popen([*command, *arguments], stdin=subprocess.PIPE, cwd=REPOSITORY)
        for _ in range(4)
    ]
    for process in fetching:
        assert process.stdin is not None
        process.stdin.close()
    assert [process.wait(60) for process in fetching] == [0] * 4
    assert contents_of(target) == FILES
    assert [p.name for p in target.parent.iterdir()] == ["target"]


def test_a_file_that_cannot_be_read_is_told(storage: FolderObjects, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"Cannot read .*absent"):
        send_bundle(storage, "p", tmp_path, ["absent"])


def test_a_folder_that_cannot_be_written_is_told(
    storage: FolderObjects, source: Path, tmp_path: Path
) -> None:
    reference = send(storage, source)
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="Cannot write"):
        fetch_bundle(storage, reference, tmp_path / "file" / "target")


def test_links_are_not_sent(source: Path) -> None:
    (source / "link").symlink_to("/etc/hostname")
    assert files_below(source) == sorted(FILES)
