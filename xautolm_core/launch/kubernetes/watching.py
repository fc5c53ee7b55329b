"""One watch over the Jobs of a search and one over its pods, whose latest state is kept here."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from xautolm_core.launch.kubernetes import observed
from xautolm_core.launch.kubernetes.client import GONE
from xautolm_core.launch.kubernetes.client import ApiError
from xautolm_core.launch.kubernetes.client import KubernetesApi
from xautolm_core.launch.kubernetes.client import WatchStream

_log = logging.getLogger(__name__)

_STREAM_SECONDS = 240
_FIRST_WAIT_SECONDS = 0.5
_LONGEST_WAIT_SECONDS = 30.0
_PAGE = 500
_SHORT_STREAM_SECONDS = 5.0
_JOIN_SECONDS = 2.0


@dataclass(frozen=True)
class Seen:
    """What is known of one Job.

    Attributes:
        job: The Job as last reported; None if it was never seen.
        job_gone: Whether it was deleted.
        pods: Its pods, the oldest first; those that were deleted are marked ``gone``.
    """

    job: Mapping[str, Any] | None
    job_gone: bool
    pods: tuple[Mapping[str, Any], ...]


NOTHING_SEEN = Seen(job=None, job_gone=False, pods=())


class Board:
    """The latest state of Jobs and pods. Safe to use from many threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._jobs: dict[str, dict[str, Any]] = {}
        self._expected: dict[str, str] = {}
        self._gone: set[str] = set()
        self._forgotten: set[str] = set()
        self._pods: dict[str, dict[str, Any]] = {}
        self._version = 0

    @property
    def version(self) -> int:
        """Counts changes."""
        return self._version

    def wait(self, version: int, timeout_seconds: float) -> None:
        """Return once something has changed since a version, or after the timeout."""
        with self._changed:
            self._changed.wait_for(lambda: self._version != version, timeout_seconds)

    def wake(self) -> None:
        """Wake all waiting threads."""
        with self._changed:
            self._version += 1
            self._changed.notify_all()

    def seen(self, job_name: str) -> Seen:
        """Return what is known of a Job."""
        with self._changed:
            job = self._jobs.get(job_name)
            pods = [
                p
                for p in self._pods.values()
                if observed.job_of_pod(p) == job_name and (job is None or observed.made_by(p, job))
            ]
            pods.sort(key=lambda p: str(p["metadata"].get("creationTimestamp", "")))
            return Seen(job, job_name in self._gone, tuple(pods))

    def expect(self, job: Mapping[str, Any]) -> None:
        """Take the state of a Job that a trial was submitted or adopted with."""
        with self._changed:
            name = observed.name_of(job)
            self._forgotten.discard(name)
            self._expected[name] = observed.uid_of(job)
            known = self._jobs.get(name)
            # The watch may have shown a later state before the answer to the request arrived.
            if known is None or observed.uid_of(known) != observed.uid_of(job):
                self.put_job(job)

    def put_job(self, job: Mapping[str, Any]) -> None:
        """Take a Job's state."""
        name = observed.name_of(job)
        with self._changed:
            if name in self._forgotten or self._is_another(job):
                return
            self._jobs[name] = observed.trimmed(job)
            self._gone.discard(name)
            self.wake()

    def drop_job(self, name: str, job: Mapping[str, Any] | None = None) -> None:
        """Take note that a Job was deleted; what was last known of it stays.

        Args:
            name: Its name.
            job: Its last state; None if it is not known.
        """
        with self._changed:
            if name in self._jobs and not (job is not None and self._is_another(job)):
                self._gone.add(name)
                self.wake()

    def put_pod(self, pod: Mapping[str, Any]) -> None:
        """Take a pod's state."""
        self._keep_pod(pod, {})

    def drop_pod(self, pod: Mapping[str, Any]) -> None:
        """Take note that a pod was deleted; its last state is evidence and stays."""
        self._keep_pod(pod, {"gone": True})

    def jobs_except(self, names: set[str]) -> list[str]:
        """Return the names of known Jobs that are not among these."""
        with self._changed:
            return [name for name in self._jobs if name not in names and name not in self._gone]

    def pods_except(self, uids: set[str]) -> list[Mapping[str, Any]]:
        """Return known pods that are not among these."""
        with self._changed:
            return [p for uid, p in self._pods.items() if uid not in uids and not p.get("gone")]

    def forget(self, job_name: str) -> None:
        """Free what is kept of a Job whose trial is done with."""
        with self._changed:
            self._jobs.pop(job_name, None)
            self._expected.pop(job_name, None)
            self._gone.discard(job_name)
            self._forgotten.add(job_name)
            pods = [u for u, p in self._pods.items() if observed.job_of_pod(p) == job_name]
            for uid in pods:
                del self._pods[uid]

    def _is_another(self, job: Mapping[str, Any]) -> bool:
        """Whether a Job has but the name of the one that a trial was submitted with."""
        expected = self._expected.get(observed.name_of(job))
        return expected is not None and expected != observed.uid_of(job)

    def _keep_pod(self, pod: Mapping[str, Any], more: Mapping[str, Any]) -> None:
        with self._changed:
            if observed.job_of_pod(pod) not in self._forgotten:
                self._pods[observed.uid_of(pod)] = {**observed.trimmed(pod), **more}
                self.wake()


class Watch:
    """Keeps a board up to date with the objects of one kind, in a thread of its own.

    It begins where the last stream ended, lists again when the server no longer knows that place,
    and comes back with growing pauses while the server is away.

    Args:
        api: The API server.
        path: Of the kind: ``/apis/batch/v1/namespaces/x/jobs`` or ``/api/v1/namespaces/x/pods``.
        selector: Labels of the objects.
        board: Where the state goes.
    """

    def __init__(self, api: KubernetesApi, path: str, selector: str, board: Board) -> None:
        self._api = api
        self._path = path
        self._selector = selector
        self._board = board
        self._holds_jobs = path.endswith("/jobs")
        self._stop = threading.Event()
        self._stream = WatchStream()
        self._contact_at = time.monotonic()
        self._problem: ApiError | None = None
        self._thread = threading.Thread(target=self._run, name=f"watch {path}", daemon=True)

    @property
    def silent_seconds(self) -> float:
        """For how long the API server could not be watched; 0 if it can."""
        return 0.0 if self._problem is None else time.monotonic() - self._contact_at

    @property
    def problem(self) -> ApiError | None:
        """What keeps the watch from working, at the moment."""
        return self._problem

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """End the watch."""
        self._stop.set()
        self._stream.close()
        if self._thread.is_alive():
            self._thread.join(_JOIN_SECONDS)

    def _run(self) -> None:
        failures = 0
        version = ""
        while not self._stop.is_set():
            try:
                if not version:
                    version = self._list()
                    self._in_contact()
                before, began_at = version, time.monotonic()
                version = self._follow(version)
                # A stream on which nothing happened for minutes is as good as one with events.
                lasted_seconds = time.monotonic() - began_at
                is_good = version != before or lasted_seconds > _SHORT_STREAM_SECONDS
                failures = 0 if is_good else failures + 1
            except ApiError as error:
                if error.status == GONE:
                    version = ""
                else:
                    self._problem = error
                    _log.info("%s", error)
                failures += 1
            except Exception:  # noqa: BLE001 - a thread that dies silently would hang the search
                _log.exception("the watch of %s restarts", self._path)
                version = ""
                failures += 1
            self._pause(failures)

    def _pause(self, failures: int) -> None:
        # Half of it is chance: many searches on one cluster must not come back together.
        longest = min(_LONGEST_WAIT_SECONDS, _FIRST_WAIT_SECONDS * 2.0 ** min(failures, 10))
        self._stop.wait(random.uniform(longest / 2, longest))

    def _in_contact(self) -> None:
        self._contact_at = time.monotonic()
        if self._problem is not None:
            _log.info("the API server answers again")
            self._problem = None

    def _list(self) -> str:
        """Take the state of all objects; return the place to watch from."""
        found: list[Mapping[str, Any]] = []
        query = {"labelSelector": self._selector, "limit": str(_PAGE)}
        known = self._known()
        while True:
            page = self._api.request("GET", self._path, query=query, patient=False)
            found += page.get("items") or []
            metadata = page.get("metadata") or {}
            if not metadata.get("continue"):
                break
            query["continue"] = str(metadata["continue"])
        for one in found:
            self._take("MODIFIED", one)
        self._drop_missing(found, known)
        return str(metadata.get("resourceVersion") or "0")

    def _known(self) -> set[str]:
        """Return what was known before a list: only that can be missing from it."""
        if self._holds_jobs:
            return set(self._board.jobs_except(set()))
        return {observed.uid_of(pod) for pod in self._board.pods_except(set())}

    def _drop_missing(self, found: list[Mapping[str, Any]], known: set[str]) -> None:
        if self._holds_jobs:
            for name in self._board.jobs_except({observed.name_of(job) for job in found}):
                if name in known:
                    self._board.drop_job(name)
            return
        for pod in self._board.pods_except({observed.uid_of(pod) for pod in found}):
            if observed.uid_of(pod) in known:
                self._board.drop_pod(pod)

    def _follow(self, version: str) -> str:
        """Take events until the stream ends; return the place to continue from."""
        query = {
            "labelSelector": self._selector,
            "resourceVersion": version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(_STREAM_SECONDS),
        }
        stream = self._stream = WatchStream()
        if self._stop.is_set():
            return version
        self._api.watch(self._path, query, stream)
        self._in_contact()
        try:
            for event in stream.events():
                self._in_contact()
                kind, one = str(event.get("type", "")), event.get("object") or {}
                if kind == "ERROR":
                    code = int(one.get("code") or 0)
                    raise ApiError(f"the watch ended: {one.get('reason')}", status=code)
                self._take(kind, one)
                version = str(one.get("metadata", {}).get("resourceVersion") or version)
        except ApiError as error:
            if error.status == GONE:
                raise
            # What was seen so far need not be seen again.
            _log.info("%s", error)
        return version

    def _take(self, kind: str, one: Mapping[str, Any]) -> None:
        if kind == "BOOKMARK":
            return
        if self._holds_jobs:
            if kind == "DELETED":
                self._board.put_job(one)
                self._board.drop_job(observed.name_of(one), one)
            else:
                self._board.put_job(one)
        elif kind == "DELETED":
            self._board.drop_pod(one)
        else:
            self._board.put_pod(one)


class Watches:
    """Watches over objects of several kinds, which begin at once.

    Args:
        api: The API server.
        paths: Of the kinds.
        selector: Labels of the objects.
        board: Where the state goes.
    """

    def __init__(
        self, api: KubernetesApi, paths: Sequence[str], selector: str, board: Board
    ) -> None:
        self._watches = [Watch(api, path, selector, board) for path in paths]
        for watch in self._watches:
            watch.start()

    @property
    def silent_seconds(self) -> float:
        """For how long the API server could not be watched; 0 if it can."""
        return max(watch.silent_seconds for watch in self._watches)

    @property
    def problem(self) -> ApiError | None:
        """What keeps a watch from working, at the moment."""
        problems = (watch.problem for watch in self._watches)
        return next((one for one in problems if one is not None), None)

    def stop(self) -> None:
        """End them."""
        for watch in self._watches:
            watch.stop()
