"""Objects in an S3 bucket, through the ``minio`` client (extra ``s3``)."""

from __future__ import annotations

import io
import itertools
import logging
import time
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED
from concurrent.futures import Future
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import wait
from datetime import UTC
from typing import Any
from typing import TypeVar
from urllib.parse import urlsplit

from xautolm_core.errors import StoreError
from xautolm_core.objects.contract import ObjectInfo
from xautolm_core.objects.contract import StorageUnavailableError
from xautolm_core.objects.keys import check_key
from xautolm_core.objects.keys import check_prefix
from xautolm_core.objects.retry import Patience
from xautolm_core.objects.retry import call_patiently
from xautolm_core.objects.s3_client import PartlyDeletedError
from xautolm_core.objects.s3_client import client_errors
from xautolm_core.objects.s3_client import fault_code
from xautolm_core.objects.s3_client import is_transient
from xautolm_core.objects.s3_client import new_client
from xautolm_core.objects.s3_client import safe_cause
from xautolm_core.objects.s3_client import store_error
from xautolm_core.objects.s3_settings import S3Settings
from xautolm_core.objects.s3_settings import read_s3_settings

READERS = 16
READ_AHEAD = 2 * READERS
PAGE = 1000
"""Most objects in a page of a listing, and keys in a delete request, by the rules of S3."""

_LEAST_PART_BYTES = 5 * 1024**2
_MOST_PART_BYTES = 5 * 1024**3  # of a single request, by the rules of S3
_FORBIDDEN_CODE = "AccessDenied"
_TAKEN_CODES = ("BucketAlreadyOwnedByYou", "BucketAlreadyExists")
_ONE_BY_ONE_CODES = {"AccessDenied", "MethodNotAllowed", "NotImplemented"}
_ATTEMPTS_BEFORE_WARNING = 3
_SECONDS_BETWEEN_WARNINGS = 10.0

_log = logging.getLogger(__name__)

T = TypeVar("T")


class S3Objects:
    """``ObjectStorage`` over a bucket. Its ``repr`` and its errors never contain credentials.

    Every request may be repeated, as objects are written whole: throttling, 5xx, resets, timeouts
    and truncated answers are retried for up to ``settings.retry_seconds``. It may be shared by
    threads, not by processes.

    Raises:
        ConfigError: The settings cannot be used.
        MissingExtraError: The ``minio`` package is not installed.
    """

    def __init__(self, settings: S3Settings) -> None:
        self.settings = settings
        self.bucket = settings.bucket
        self.prefix = settings.prefix
        self._root = f"{settings.prefix}/" if settings.prefix else ""
        self._client = new_client(settings)
        self._warned_at = float("-inf")

    @classmethod
    def from_uri(cls, uri: str, environment: Mapping[str, str] | None = None) -> S3Objects:
        """Return the objects below ``s3://bucket[/prefix][?setting=value&...]``.

        See ``read_s3_settings`` for where endpoint, credentials and the rest come from.

        Raises:
            ConfigError: The address or a setting is malformed, or credentials are missing.
            StoreError: The prefix is unsafe.
        """
        return cls(read_s3_settings(uri, environment))

    def __repr__(self) -> str:
        return f"S3Objects({self.address!r})"

    @property
    def address(self) -> str:
        """The ``s3://`` address of the root, without settings."""
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    def make_bucket(self) -> bool:
        """Create the bucket unless there is one, and return whether it was created.

        Keys that may not look at the bucket as a whole are taken for those of one that is there:
        the first object that is written shows it.

        Raises:
            StoreError: It cannot be created.
        """
        from minio.error import S3Error

        def make() -> bool:
            try:
                if self._client.bucket_exists(self.bucket):
                    return False
                self._client.make_bucket(self.bucket, location=self.settings.region)
            except S3Error as error:
                # Somebody else has made it meanwhile, or it is there and not ours to look at.
                if error.code not in (_FORBIDDEN_CODE, *_TAKEN_CODES):
                    raise
                return False
            return True

        return self._request("create the bucket of", "", make)

    def put(self, key: str, data: bytes) -> None:
        """Write an object, replacing an existing one.

        Raises:
            StoreError: It cannot be written.
        """
        name = self._name(key)
        # In one request, whatever its size: a failed multipart upload leaves parts behind, and the
        # client's clean-up of these would hide a transient fault.
        part_bytes = min(max(len(data), _LEAST_PART_BYTES), _MOST_PART_BYTES)
        self._request(
            "write",
            key,
            lambda: self._client.put_object(
                self.bucket, name, io.BytesIO(data), len(data), part_size=part_bytes
            ),
        )

    def get(self, key: str) -> bytes:
        """Return an object's content.

        Raises:
            KeyError: There is no such object.
            StoreError: It cannot be read.
        """
        return self._get(key, self._patience())

    def get_many(self, keys: Iterable[str]) -> Iterator[tuple[str, bytes | StoreError]]:
        """Yield key and content of many objects, in any order; absent ones are left out.

        Sixteen are read at once, and at most twice as many contents are held.

        Raises:
            StorageUnavailableError: The bucket as a whole cannot be read.
        """
        patience = self._patience()
        pool = ThreadPoolExecutor(READERS, thread_name_prefix="s3-get")
        waiting: set[Future[tuple[str, bytes | StoreError | None]]] = set()
        remaining = iter(keys)
        try:
            while True:
                for key in itertools.islice(remaining, READ_AHEAD - len(waiting)):
                    waiting.add(pool.submit(self._get_or_error, key, patience))
                if not waiting:
                    return
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                while done:
                    key, data = done.pop().result()
                    if data is not None:
                        yield key, data
        finally:
            patience.stop.set()
            pool.shutdown(wait=False, cancel_futures=True)

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Yield the objects whose key begins with the prefix, ordered by key.

        Raises:
            StoreError: The bucket cannot be listed.
        """
        check_prefix(prefix)
        after: str | None = None
        while True:
            page = self._page(prefix, after)
            for item in page:
                name = item.object_name
                if item.is_dir or name.endswith("/") or item.last_modified is None:
                    continue
                yield ObjectInfo(
                    key=name.removeprefix(self._root),
                    size_bytes=item.size or 0,
                    modified_at=item.last_modified.astimezone(UTC),
                )
            if len(page) < PAGE:
                return
            after = page[-1].object_name

    def delete(self, key: str) -> None:
        """Remove an object; removing a missing one is not an error.

        Raises:
            StoreError: It cannot be removed.
        """
        name = self._name(key)
        self._request("delete", key, lambda: self._client.remove_object(self.bucket, name))

    def delete_many(self, keys: Iterable[str]) -> None:
        """Remove many objects, a thousand per request; missing ones are not an error.

        Raises:
            StoreError: Some could not be removed; the others are gone.
        """
        first_error: StoreError | None = None
        remaining = iter([check_key(key) for key in keys])
        while chunk := [*itertools.islice(remaining, PAGE)]:
            for error in self._delete_chunk(chunk):
                first_error = first_error or error
        if first_error is not None:
            raise first_error

    def _patience(self) -> Patience:
        return Patience(self.settings.retry_seconds)

    def _name(self, key: str) -> str:
        return self._root + check_key(key)

    def _get(self, key: str, patience: Patience) -> bytes:
        name = self._name(key)
        try:
            return self._request("read", key, lambda: self._content(name), patience)
        except StoreError as error:
            code = getattr(error.__cause__, "code", "")
            absent = code in {"NoSuchKey", "NoSuchObject"}
            if absent or (code == "AccessDenied" and self._is_unlisted(key)):
                raise KeyError(key) from None
            raise

    def _is_unlisted(self, key: str) -> bool:
        """Whether an unreadable key does not exist at all.

        A user who may only list below a prefix gets AccessDenied for missing keys.
        """
        try:
            first = next(self.list(key), None)
        except StoreError:
            return False
        return first is None or first.key != key

    def _content(self, name: str) -> bytes:
        response = self._client.get_object(self.bucket, name)
        try:
            return bytes(response.read())
        finally:
            response.close()
            response.release_conn()

    def _get_or_error(self, key: str, patience: Patience) -> tuple[str, bytes | StoreError | None]:
        try:
            return key, self._get(key, patience)
        except KeyError:
            return key, None
        except StorageUnavailableError:
            raise
        except StoreError as error:
            return key, error

    def _page(self, prefix: str, after: str | None) -> Sequence[Any]:
        """Return the next objects of a listing; fewer than ``PAGE`` if it ends with them."""
        # The client fetches the next page only when it is needed.
        return self._request(
            "list",
            prefix,
            lambda: [
                *itertools.islice(
                    self._client.list_objects(
                        self.bucket, prefix=self._root + prefix, recursive=True, start_after=after
                    ),
                    PAGE,
                )
            ],
        )

    def _delete_chunk(self, keys: Sequence[str]) -> Iterator[StoreError]:
        """Delete up to a thousand objects; yield why some could not be deleted."""
        from minio.deleteobjects import DeleteObject

        left = {self._name(key): key for key in keys}

        def delete() -> None:
            wanted = [DeleteObject(name) for name in left]
            faults = [*self._client.remove_objects(self.bucket, wanted)]
            if faults:
                failed = {fault.name for fault in faults}
                if failed <= left.keys():
                    for name in left.keys() - failed:
                        del left[name]
                raise PartlyDeletedError([fault.code for fault in faults])

        try:
            self._request("delete", f"{keys[0]} and {len(keys) - 1} others", delete)
        except StorageUnavailableError:
            raise
        except StoreError as error:
            if getattr(error.__cause__, "code", "") not in _ONE_BY_ONE_CODES:
                yield error
                return
            # Some servers lack this request, or require a right to the whole bucket (Ceph 16).
            for key in [*left.values()]:
                try:
                    self.delete(key)
                except StorageUnavailableError:
                    raise
                except StoreError as single_error:
                    yield single_error

    def _request(
        self, action: str, key: str, call: Callable[[], T], patience: Patience | None = None
    ) -> T:
        try:
            return call_patiently(
                call,
                is_transient=is_transient,
                patience=patience or self._patience(),
                before_wait=self._warn,
            )
        except client_errors() as error:
            host = urlsplit(self.settings.endpoint).hostname
            problem = f"Cannot {action} {self.address}/{key} at {host}"
            raise store_error(problem, error, self.settings.endpoint) from safe_cause(error)

    def _warn(self, error: Exception, attempts: int) -> None:
        now = time.monotonic()
        if attempts < _ATTEMPTS_BEFORE_WARNING or now - self._warned_at < _SECONDS_BETWEEN_WARNINGS:
            return
        self._warned_at = now
        _log.warning(
            "%s fails (%s): retrying for up to %g s",
            self.address,
            fault_code(error),
            self.settings.retry_seconds,
        )
