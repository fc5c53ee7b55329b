"""What every object storage must do."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC
from datetime import datetime
from datetime import timedelta

import pytest

from xautolm_core.errors import StoreError
from xautolm_core.objects.contract import ObjectStorage


class ObjectStorageContract:
    """Subclasses give a fixture ``storage``: an empty storage."""

    @pytest.fixture
    def storage(self) -> ObjectStorage:
        raise NotImplementedError

    def test_a_put_object_is_read_back(self, storage: ObjectStorage) -> None:
        data = bytes(range(256)) * 10
        storage.put("a/b.bin", data)
        assert storage.get("a/b.bin") == data

    def test_an_empty_object_is_an_object(self, storage: ObjectStorage) -> None:
        storage.put("empty", b"")
        assert storage.get("empty") == b""
        assert [info.size_bytes for info in storage.list()] == [0]

    def test_a_put_replaces(self, storage: ObjectStorage) -> None:
        storage.put("key", b"long content")
        storage.put("key", b"new")
        assert storage.get("key") == b"new"
        assert [info.key for info in storage.list()] == ["key"]

    def test_an_absent_object_is_a_key_error(self, storage: ObjectStorage) -> None:
        storage.put("a/b", b"")
        for key in ("absent", "a", "a/b/c", "a/absent"):
            with pytest.raises(KeyError):
                storage.get(key)

    def test_a_listing_is_ordered_by_key(self, storage: ObjectStorage) -> None:
        keys = ["b", "a/z", "a.b", "a-b/x", "a/b/c", "B", "é"]
        for key in keys:
            storage.put(key, b"x")
        assert [info.key for info in storage.list()] == sorted(keys)

    def test_a_prefix_may_end_within_a_name(self, storage: ObjectStorage) -> None:
        for key in ("d/2025-01/x", "d/2025-02/y", "d/2026-01/z", "e/2025-01/x", "d2"):
            storage.put(key, b"x")
        assert [i.key for i in storage.list("d/2025")] == ["d/2025-01/x", "d/2025-02/y"]
        assert [i.key for i in storage.list("d/2025-01/")] == ["d/2025-01/x"]
        assert [i.key for i in storage.list("absent/")] == []

    def test_a_listing_tells_size_and_time(self, storage: ObjectStorage) -> None:
        storage.put("key", b"12345")
        (info,) = storage.list("k")
        assert info.size_bytes == 5
        assert info.modified_at.tzinfo is not None
        assert abs(info.modified_at - datetime.now(UTC)) < timedelta(minutes=5)

    def test_a_long_listing_is_complete_and_ordered(self, storage: ObjectStorage) -> None:
        # More than one page of S3, with names that sort differently as folders and as files.
        keys = [f"d/{i % 7}-x/{i:04}" for i in range(505)]
        keys += [f"d/{i % 7}/{i:04}" for i in range(505)] + ["d/3.txt", "d/3-", "d/30", "d/3!/a"]
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(lambda key: storage.put(key, b""), keys))
        assert [info.key for info in storage.list("d/")] == sorted(keys)
        storage.delete_many(keys)
        assert list(storage.list()) == []

    def test_many_are_read_at_once(self, storage: ObjectStorage) -> None:
        contents = {f"many/{i}": f"content {i}".encode() * (i % 5) for i in range(60)}
        for key, data in contents.items():
            storage.put(key, data)
        asked = [*contents, "many/absent", "absent/too", "many/1/below"]
        assert dict(storage.get_many(iter(asked))) == contents
        assert list(storage.get_many([])) == []

    def test_of_many_an_unsafe_key_comes_with_its_error(self, storage: ObjectStorage) -> None:
        storage.put("good", b"x")
        found = dict(storage.get_many(["../outside", "good", ".tmp-x"]))
        assert found["good"] == b"x"
        assert isinstance(found["../outside"], StoreError)
        assert isinstance(found[".tmp-x"], StoreError)

    def test_reading_many_may_end_early(self, storage: ObjectStorage) -> None:
        keys = [f"many/{i}" for i in range(80)]
        for key in keys:
            storage.put(key, b"x")
        taken: list[str] = []

        def asked() -> Iterator[str]:
            for key in keys:
                taken.append(key)
                yield key

        reading = storage.get_many(asked())
        assert next(reading)[1] == b"x"
        reading.close()  # type: ignore[attr-defined]
        # Keys are taken as there is room for their contents, not all at once.
        assert len(taken) < len(keys)

    def test_many_are_deleted(self, storage: ObjectStorage) -> None:
        keys = [f"a/{i}" for i in range(12)] + ["b<&>\"'é ~"]
        for key in [*keys, "kept"]:
            storage.put(key, b"x")
        storage.delete_many(iter([*keys, "absent", "a/1/below"]))
        assert [info.key for info in storage.list()] == ["kept"]
        storage.delete_many([])
        with pytest.raises(StoreError):
            storage.delete_many(["kept", "../outside"])
        assert [info.key for info in storage.list()] == ["kept"]

    def test_a_deleted_object_is_gone(self, storage: ObjectStorage) -> None:
        storage.put("a/b", b"x")
        storage.put("a/c", b"x")
        storage.delete("a/b")
        storage.delete("a/b")
        storage.delete("never/was/there")
        storage.delete("a/c/below")
        assert [info.key for info in storage.list()] == ["a/c"]

    @pytest.mark.parametrize(
        "key",
        [
            "",
            "/etc/passwd",
            "../outside",
            "a/../../b",
            "a//b",
            "a/",
            ".",
            "a/./b",
            "nul\x00",
            "new\nline",
            "back\\slash",
            ".tmp-mine",
            "a/.tmp-x/b",
            "x" * 300,
            "\ud800",
        ],
    )
    def test_unsafe_keys_are_refused(self, storage: ObjectStorage, key: str) -> None:
        for action in (storage.get, storage.delete, lambda k: storage.put(k, b"x")):
            with pytest.raises(StoreError):
                action(key)
        assert list(storage.list()) == []

    def test_readers_see_whole_objects_alone(self, storage: ObjectStorage) -> None:
        contents = [bytes([letter]) * 200_000 for letter in b"abcd"]
        storage.put("key", contents[0])
        torn: list[int] = []
        done = threading.Event()

        def read() -> None:
            while not done.is_set():
                data = storage.get("key")
                if data not in contents:
                    torn.append(len(data))

        reader = threading.Thread(target=read)
        reader.start()
        for turn in range(40):
            storage.put("key", contents[turn % 4])
        done.set()
        reader.join()
        assert torn == []
