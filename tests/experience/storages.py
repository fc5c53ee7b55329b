"""Object storages that make the worst moment happen: death or another's work between two steps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping

from xautolm_core.errors import StoreError
from xautolm_core.objects.contract import ObjectInfo
from xautolm_core.objects.contract import ObjectStorage


class Killed(BaseException):
    """Stands for SIGKILL: nothing may catch it."""


class DyingStorage:
    """Passes everything on, and dies before or after the n-th change."""

    def __init__(self, inner: ObjectStorage, changes: int, *, after: bool) -> None:
        self._inner = inner
        self._left = changes
        self._after = after

    def put(self, key: str, data: bytes) -> None:
        self._change(lambda: self._inner.put(key, data))

    def delete(self, key: str) -> None:
        self._change(lambda: self._inner.delete(key))

    def delete_many(self, keys: Iterable[str]) -> None:
        for key in keys:
            self.delete(key)

    def get(self, key: str) -> bytes:
        return self._inner.get(key)

    def get_many(self, keys: Iterable[str]) -> Iterator[tuple[str, bytes | StoreError]]:
        return self._inner.get_many(keys)

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        return self._inner.list(prefix)

    def _change(self, act: Callable[[], None]) -> None:
        self._left -= 1
        if self._left == 0 and not self._after:
            raise Killed
        act()
        if self._left == 0:
            raise Killed


class InterruptedStorage:
    """Passes everything on; before the n-th operation of any kind, something else happens first."""

    def __init__(self, inner: ObjectStorage, operations: int, act: Callable[[], object]) -> None:
        self._inner = inner
        self._left = operations
        self._act = act

    @property
    def was_interrupted(self) -> bool:
        """Whether there were that many operations."""
        return self._left <= 0

    def put(self, key: str, data: bytes) -> None:
        self._count()
        self._inner.put(key, data)

    def delete(self, key: str) -> None:
        self._count()
        self._inner.delete(key)

    def delete_many(self, keys: Iterable[str]) -> None:
        for key in keys:
            self.delete(key)

    def get(self, key: str) -> bytes:
        self._count()
        return self._inner.get(key)

    def get_many(self, keys: Iterable[str]) -> Iterator[tuple[str, bytes | StoreError]]:
        for key in keys:
            self._count()
            yield from self._inner.get_many([key])

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        self._count()
        yield from list(self._inner.list(prefix))

    def _count(self) -> None:
        self._left -= 1
        if self._left == 0:
            self._act()


class InterruptedBeforeChange(InterruptedStorage):
    """Like ``InterruptedStorage``, but counts changes alone."""

    def get(self, key: str) -> bytes:
        return self._inner.get(key)

    def get_many(self, keys: Iterable[str]) -> Iterator[tuple[str, bytes | StoreError]]:
        return self._inner.get_many(keys)

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        return self._inner.list(prefix)


class TroubledStorage:
    """Passes everything on, but for the reading of some objects, which fails a number of times.

    Args:
        inner: Where everything really is.
        troubles: How often each object cannot be read; ``math.inf`` for always.
        refused: Whether it is refused; otherwise it is listed and not there, like the objects of
            a server whose listing runs ahead of it, or behind.
    """

    def __init__(
        self, inner: ObjectStorage, troubles: Mapping[str, float], *, refused: bool = False
    ) -> None:
        self._inner = inner
        self.troubles = dict(troubles)
        self._refused = refused

    def put(self, key: str, data: bytes) -> None:
        self._inner.put(key, data)

    def delete(self, key: str) -> None:
        self._inner.delete(key)

    def delete_many(self, keys: Iterable[str]) -> None:
        self._inner.delete_many(keys)

    def get(self, key: str) -> bytes:
        if self.troubles.get(key, 0) > 0:
            self.troubles[key] -= 1
            raise StoreError(f"Cannot read {key}: refused") if self._refused else KeyError(key)
        return self._inner.get(key)

    def get_many(self, keys: Iterable[str]) -> Iterator[tuple[str, bytes | StoreError]]:
        for key in keys:
            try:
                yield key, self.get(key)
            except KeyError:
                continue
            except StoreError as error:
                yield key, error

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        return self._inner.list(prefix)


class CountingStorage(TroubledStorage):
    """Passes everything on, and counts how often objects are asked for."""

    def __init__(self, inner: ObjectStorage) -> None:
        super().__init__(inner, {})
        self.gets: Counter[str] = Counter()

    def get(self, key: str) -> bytes:
        self.gets[key] += 1
        return super().get(key)
