"""An API server over real HTTP that keeps Jobs and pods, streams watches, and can misbehave."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs
from urllib.parse import urlsplit

JOBS = "/apis/batch/v1/namespaces/trials/jobs"
PODS = "/api/v1/namespaces/trials/pods"
CORE = "/api/v1/namespaces/trials"


class FakeApi:
    """Starts at once; ``stop`` refuses connections, ``start`` takes them again at the same port."""

    def __init__(self) -> None:
        self.lock = threading.Condition()
        self.objects: dict[str, dict[str, dict[str, Any]]] = {JOBS: {}, PODS: {}}
        self.events: list[tuple[int, str, str, dict[str, Any]]] = []
        self.version = 10
        self.oldest = 0
        self.requests: Counter[str] = Counter()
        self.created: list[dict[str, Any]] = []
        self.failures: list[tuple[str, int]] = []
        self.denied: set[tuple[str, str]] = set()
        self.present: set[str] = {CORE, f"{CORE}/serviceaccounts/default"}
        self.unreadable: tuple[str, ...] = ()
        self.refusal = (0, "")
        self.dry_runs: list[dict[str, Any]] = []
        self.holds_deleted = False
        self.cluster_events: list[dict[str, Any]] = []
        self.logs: dict[str, str] = {}
        self.generation = 0
        self.port = 0
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def write_kubeconfig(self, path: Path) -> None:
        """Write what makes clients find this server."""
        one = {"name": "fake"}
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{**one, "cluster": {"server": self.url}}],
            "users": [{**one, "user": {}}],
            "contexts": [{**one, "context": {"cluster": "fake", "user": "fake"}}],
            "current-context": "fake",
        }
        path.write_text(json.dumps(document))

    def start(self) -> None:
        fake = self

        class Handler(_Handler):
            api = fake

        self.server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        self.drop_watches()
        self.server.shutdown()
        self.server.server_close()

    def drop_watches(self) -> None:
        with self.lock:
            self.generation += 1
            self.lock.notify_all()

    def expire(self) -> None:
        """Forget all events, so that a watch from an old place gets 410."""
        with self.lock:
            self.oldest = self.version
        self.drop_watches()

    def put(self, path: str, one: dict[str, Any]) -> dict[str, Any]:
        with self.lock:
            self.version += 1
            name = one["metadata"]["name"]
            kind = "MODIFIED" if name in self.objects[path] else "ADDED"
            one["metadata"]["resourceVersion"] = str(self.version)
            self.objects[path][name] = one
            self.events.append((self.version, path, kind, json.loads(json.dumps(one))))
            self.lock.notify_all()
        return one

    def remove(self, path: str, name: str) -> None:
        with self.lock:
            one = self.objects[path].pop(name)
            self.version += 1
            one["metadata"]["resourceVersion"] = str(self.version)
            self.events.append((self.version, path, "DELETED", json.loads(json.dumps(one))))
            self.lock.notify_all()

    def tell_event(self, kind: str, name: str, reason: str, message: str, at: str = "") -> None:
        """Have an event of an object, as kubelet and controllers make them."""
        self.cluster_events.append(
            {
                "type": "Warning",
                "involvedObject": {"kind": kind, "name": name},
                "reason": reason,
                "message": message,
                "lastTimestamp": at or "2026-11-26T10:00:00Z",
            }
        )

    def job(self) -> dict[str, Any]:
        return next(iter(self.objects[JOBS].values()))

    def play(self, sequence: list[dict[str, Any]], job_name: str) -> None:
        """Replay a recorded sequence: statuses of the Job and of its pods, one after the other."""
        for step in sequence:
            if "delete_pod" in step:
                self.remove(PODS, f"{job_name}-{step['delete_pod']}")
            elif "delete_job" in step:
                self.remove(JOBS, job_name)
            elif "pod" in step:
                number = step["pod"]
                metadata = {
                    "name": f"{job_name}-{number}",
                    "uid": f"{job_name}-{number}",
                    "creationTimestamp": f"2026-11-26T10:00:{number:02d}Z",
                    "labels": {
                        **self.objects[JOBS][job_name]["metadata"]["labels"],
                        "batch.kubernetes.io/job-name": job_name,
                        "batch.kubernetes.io/controller-uid": self.objects[JOBS][job_name][
                            "metadata"
                        ]["uid"],
                    },
                    **step.get("metadata", {}),
                }
                self.put(PODS, {"metadata": metadata, "spec": {}, "status": step["status"]})
            else:
                job = self.objects[JOBS][job_name]
                self.put(JOBS, {**job, "status": step["job"]})


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    api: FakeApi

    def log_message(self, *arguments: Any) -> None:
        pass

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = {k: v[0] for k, v in parse_qs(url.query).items()}
        api = self.api
        kind = "watch" if "watch" in query else "get"
        if self._fails(kind):
            return
        if any(part in url.path for part in api.unreadable):
            self._refuse(403)
        elif url.path.endswith("/log"):
            self._answer(200, api.logs.get(url.path.split("/")[-2], ""))
        elif url.path.endswith("/events"):
            self._answer(200, {"items": [e for e in api.cluster_events if _selects(e, query)]})
        elif url.path in api.objects and kind == "watch":
            self._watch(url.path, query)
        elif url.path in api.objects:
            with api.lock:
                items = [o for o in api.objects[url.path].values() if _matches(o, query)]
                found = {"metadata": {"resourceVersion": str(api.version)}, "items": items}
                self._answer(200, found)
        elif url.path in api.present:
            self._answer(200, {})
        else:
            folder, _, name = url.path.rpartition("/")
            one = api.objects.get(folder, {}).get(name)
            self._answer(200, one) if one is not None else self._refuse(404)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        api = self.api
        if self._fails("post"):
            return
        if "dryRun=All" in self.path:
            api.dry_runs.append(body)
            status, message = api.refusal
            self._refuse(status, message) if status else self._answer(201, body)
            return
        if self.path.endswith("selfsubjectaccessreviews"):
            asked = body["spec"]["resourceAttributes"]
            allowed = (asked["resource"], asked["verb"]) not in api.denied
            self._answer(201, {"status": {"allowed": allowed}})
            return
        with api.lock:
            name = body["metadata"]["name"]
            if name in api.objects[JOBS]:
                self._refuse(409)
                return
            uid = f"uid-{name}-{api.version}"
            body["metadata"].update(uid=uid, creationTimestamp="2026-11-26T10:00:00Z")
            body["status"] = {}
            api.created.append(body)
            self._answer(201, api.put(JOBS, body))

    def do_DELETE(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        api = self.api
        if self._fails("delete"):
            return
        name = self.path.rpartition("/")[2]
        with api.lock:
            if name not in api.objects[JOBS]:
                self._refuse(404)
                return
            if api.holds_deleted:  # in the foreground: it stays until its pods have ended
                job = json.loads(json.dumps(api.objects[JOBS][name]))
                job["metadata"]["deletionTimestamp"] = "2026-11-26T10:01:00Z"
                self._answer(200, api.put(JOBS, job))
                return
            pods = api.objects[PODS].items()
            own = [
                pod_name
                for pod_name, pod in pods
                if pod["metadata"]["labels"]["batch.kubernetes.io/job-name"] == name
            ]
            for pod_name in own:
                api.remove(PODS, pod_name)
            api.remove(JOBS, name)
        self._answer(200, {})

    def _fails(self, kind: str) -> bool:
        with self.api.lock:
            self.api.requests[kind] += 1
            for failure in self.api.failures:
                if failure[0] == kind:
                    self.api.failures.remove(failure)
                    self._refuse(failure[1])
                    return True
        return False

    def _watch(self, path: str, query: dict[str, str]) -> None:
        api = self.api
        place, generation = int(query["resourceVersion"]), api.generation
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if place < api.oldest:
            gone = {"kind": "Status", "code": 410, "reason": "Expired"}
            self._chunk({"type": "ERROR", "object": gone})
            self._end()
            return
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with api.lock:
                new = [e for e in api.events if e[0] > place and e[1] == path]
                if not new and api.generation == generation:
                    api.lock.wait(0.5)
                if api.generation != generation:
                    self.close_connection = True  # in the middle of the stream
                    return
            for version, _, kind, one in new:
                place = version
                if _matches(one, query) and not self._chunk({"type": kind, "object": one}):
                    return
        self._end()

    def _chunk(self, event: dict[str, Any]) -> bool:
        data = json.dumps(event).encode() + b"\n"
        try:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        except OSError:
            return False
        return True

    def _end(self) -> None:
        self.wfile.write(b"0\r\n\r\n")

    def _refuse(self, status: int, message: str = "") -> None:
        said = message or f"refused with {status}"
        self._answer(status, {"kind": "Status", "message": said})

    def _answer(self, status: int, document: object) -> None:
        text = document if isinstance(document, str) else json.dumps(document)
        self.send_response(status)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())


def _matches(one: dict[str, Any], query: dict[str, str]) -> bool:
    labels = one["metadata"].get("labels", {})
    wanted = [part.partition("=") for part in query.get("labelSelector", "").split(",") if part]
    return all(labels.get(key) == value for key, _, value in wanted)


def _selects(event: dict[str, Any], query: dict[str, str]) -> bool:
    told = {"involvedObject.kind": event["involvedObject"]["kind"], **event}
    wanted = [part.partition("=") for part in query.get("fieldSelector", "").split(",") if part]
    return all(told.get(key) == value for key, _, value in wanted)
