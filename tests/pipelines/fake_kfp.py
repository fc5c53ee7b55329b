"""A Kubeflow Pipelines API (v2beta1) over real HTTP: it keeps state, misbehaves, and kills."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field
from datetime import UTC
from datetime import datetime
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler
from http.server import ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs
from urllib.parse import urlsplit

_BASE = "/apis/v2beta1"
_ROUTES: list[tuple[str, str, str]] = [
    ("healthz", "GET", r"/healthz"),
    ("pipelines.list", "GET", r"/pipelines"),
    ("pipelines.create", "POST", r"/pipelines"),
    ("versions.upload", "POST", r"/pipelines/upload_version"),
    ("versions.list", "GET", r"/pipelines/([^/]+)/versions"),
    ("experiments.list", "GET", r"/experiments"),
    ("experiments.create", "POST", r"/experiments"),
    ("runs.list", "GET", r"/runs"),
    ("runs.create", "POST", r"/runs"),
    ("runs.get", "GET", r"/runs/([^/:]+)"),
    ("runs.terminate", "POST", r"/runs/([^/:]+):terminate"),
    ("recurring.list", "GET", r"/recurringruns"),
    ("recurring.create", "POST", r"/recurringruns"),
    ("recurring.enable", "POST", r"/recurringruns/([^/:]+):enable"),
    ("recurring.disable", "POST", r"/recurringruns/([^/:]+):disable"),
    ("recurring.delete", "DELETE", r"/recurringruns/([^/:]+)"),
]


@dataclass
class Answer:
    """What is sent back; ``content`` is JSON unless it is bytes."""

    status: int
    content: Any = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)


class RefusedError(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.answer = Answer(status, {"error": message, "code": 3, "message": message})


class FakeKfp:
    """Starts at once.

    ``misbehave`` maps an operation to answers that are given instead of the right ones;
    ``kill_at`` is an operation and whether the client is killed before or after it is done.
    """

    def __init__(self, *, multi_user: bool = False, token: str = "") -> None:
        self.multi_user = multi_user
        self.token = token
        self.largest_page = 100
        self.pipelines: dict[str, dict[str, Any]] = {}
        self.versions: dict[str, dict[str, Any]] = {}
        self.experiments: dict[str, dict[str, Any]] = {}
        self.runs: dict[str, dict[str, Any]] = {}
        self.recurring: dict[str, dict[str, Any]] = {}
        self.operations: list[str] = []
        self.bodies: list[tuple[str, Any]] = []
        self.misbehave: dict[str, list[Answer]] = {}
        self.before: dict[str, Callable[[], None]] = {}
        self.lose_answer_of: set[str] = set()
        self.kill_at: tuple[str, str] | None = None
        self.kill_with = signal.SIGKILL
        self.victim: int | None = None
        self.least_firing: int | None = None
        self._watched: str | None = None
        self.lock = threading.RLock()
        fake = self

        class Handler(_Handler):
            api = fake

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def firing(self, name: str) -> list[dict[str, Any]]:
        with self.lock:
            return [
                one
                for one in self.recurring.values()
                if one["display_name"] == name and one["mode"] == "ENABLE"
            ]

    def watch(self, name: str) -> None:
        """Keep the least number of recurring runs that fire under a name from now on."""
        self._watched = name
        self.least_firing = len(self.firing(name))

    def writes(self) -> list[str]:
        reading = ("healthz", "runs.get")
        return [o for o in self.operations if o not in reading and not o.endswith(".list")]

    def kills_here(self, operation: str, moment: str) -> bool:
        """Kill the client if this is the place; what it asked for is then as good as not sent."""
        if self.kill_at != (operation, moment) or self.victim is None:
            return False
        os.kill(self.victim, self.kill_with)
        self.kill_at = None
        return self.kill_with == signal.SIGKILL

    def serve(self, operation: str, one_id: str, query: dict[str, str], body: Any) -> Any:
        kind, _, what = operation.partition(".")
        with self.lock:
            if what == "list":
                return self._list(kind, one_id, query)
            result = getattr(self, f"_{kind}_{what}" if what else f"_{kind}")(one_id, query, body)
            if self._watched is not None:
                number = len(self.firing(self._watched))
                self.least_firing = min(self.least_firing or 0, number)
            return result

    def _list(self, kind: str, one_id: str, query: dict[str, str]) -> dict[str, Any]:
        key, objects = {
            "pipelines": ("pipelines", self.pipelines),
            "versions": ("pipeline_versions", self.versions),
            "experiments": ("experiments", self.experiments),
            "runs": ("runs", self.runs),
            "recurring": ("recurringRuns", self.recurring),
        }[kind]
        if self.multi_user and kind != "versions" and not query.get("namespace"):
            raise RefusedError(400, "a namespace is required in multi-user mode")
        if not self.multi_user and query.get("namespace"):
            raise RefusedError(400, "a namespace is not allowed in single-user mode")
        found = [o for o in objects.values() if _matches(o, query)]
        if kind == "versions":
            found = [o for o in found if o["pipeline_id"] == one_id]
        if query.get("sort_by") == "created_at desc":
            found.reverse()
        start = int(query.get("page_token") or 0)
        size = min(int(query.get("page_size") or 10), self.largest_page)
        page: dict[str, Any] = {"total_size": len(found)}
        if found[start : start + size]:
            page[key] = found[start : start + size]
        if start + size < len(found):
            page["next_page_token"] = str(start + size)
        return page

    def _healthz(self, *_: Any) -> Any:
        return {"multi_user": self.multi_user}

    def _pipelines_create(self, _: str, query: dict[str, str], body: Any) -> Any:
        if any(p["display_name"] == body["display_name"] for p in self.pipelines.values()):
            raise RefusedError(409, f"the pipeline {body['display_name']} exists already")
        return _kept(self.pipelines, "pipeline_id", body)

    def _versions_upload(self, _: str, query: dict[str, str], body: Any) -> Any:
        if query["pipelineid"] not in self.pipelines:
            raise RefusedError(404, "no such pipeline")
        if any(v["display_name"] == query["name"] for v in self.versions.values()):
            raise RefusedError(500, "the version exists already")
        version = {
            "pipeline_id": query["pipelineid"],
            "display_name": query["name"],
            "name": query["name"],
            "yaml": body,
        }
        return _kept(self.versions, "pipeline_version_id", version)

    def _experiments_create(self, _: str, query: dict[str, str], body: Any) -> Any:
        if any(e["display_name"] == body["display_name"] for e in self.experiments.values()):
            raise RefusedError(409, f"the experiment {body['display_name']} exists already")
        return _kept(self.experiments, "experiment_id", body)

    def _runs_create(self, _: str, query: dict[str, str], body: Any) -> Any:
        self._check_references(body)
        return _kept(self.runs, "run_id", {**body, "state": "PENDING"})

    def _runs_get(self, one_id: str, query: dict[str, str], body: Any) -> Any:
        return _one(self.runs, one_id)

    def _runs_terminate(self, one_id: str, query: dict[str, str], body: Any) -> Any:
        run = _one(self.runs, one_id)
        if run["state"] not in ("PENDING", "RUNNING"):
            raise RefusedError(400, "the run has ended")
        run["state"] = "CANCELING"
        return {}

    def _recurring_create(self, _: str, query: dict[str, str], body: Any) -> Any:
        self._check_references(body)
        if not 1 <= int(body["max_concurrency"]) <= 10:
            raise RefusedError(400, "max_concurrency must be from 1 to 10")
        status = "ENABLED" if body["mode"] == "ENABLE" else "DISABLED"
        kept = {**body, "max_concurrency": str(body["max_concurrency"]), "status": status}
        return _kept(self.recurring, "recurring_run_id", kept)

    def _recurring_enable(self, one_id: str, query: dict[str, str], body: Any) -> Any:
        _one(self.recurring, one_id).update(mode="ENABLE", status="ENABLED")
        return {}

    def _recurring_disable(self, one_id: str, query: dict[str, str], body: Any) -> Any:
        _one(self.recurring, one_id).update(mode="DISABLE", status="DISABLED")
        return {}

    def _recurring_delete(self, one_id: str, query: dict[str, str], body: Any) -> Any:
        _one(self.recurring, one_id)
        del self.recurring[one_id]
        return {}

    def _check_references(self, body: Any) -> None:
        reference = body["pipeline_version_reference"]
        version = self.versions.get(reference["pipeline_version_id"])
        if version is None or version["pipeline_id"] != reference["pipeline_id"]:
            raise RefusedError(404, "no such pipeline version")
        if body["experiment_id"] not in self.experiments:
            raise RefusedError(404, "no such experiment")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Answers go out in one piece: two small ones wait for each other.
    wbufsize = -1
    disable_nagle_algorithm = True
    api: FakeKfp

    def log_message(self, *arguments: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._serve("GET")

    def do_POST(self) -> None:
        self._serve("POST")

    def do_DELETE(self) -> None:
        self._serve("DELETE")

    def _serve(self, method: str) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        url = urlsplit(self.path)
        query = {k: v[0] for k, v in parse_qs(url.query).items()}
        operation, one_id = _route(method, url.path)
        api = self.api
        api.operations.append(operation)
        api.before.pop(operation, lambda: None)()
        if api.token and self.headers.get("Authorization") != f"Bearer {api.token}":
            self._answer(Answer(401, {"message": "who are you?"}))
            return
        if api.kills_here(operation, "before"):
            self.close_connection = True
            return
        instead = api.misbehave.get(operation)
        if instead:
            self._answer(instead.pop(0))
            return
        try:
            body = _body(raw, self.headers.get("Content-Type", ""))
            api.bodies.append((operation, body))
            answer = Answer(200, api.serve(operation, one_id, query, body))
        except RefusedError as refusal:
            answer = refusal.answer
        if api.kills_here(operation, "after") or operation in api.lose_answer_of:
            api.lose_answer_of.discard(operation)
            self.close_connection = True
            return
        self._answer(answer)

    def _answer(self, answer: Answer) -> None:
        content = answer.content
        if callable(content):  # no answer at all
            content()
            self.close_connection = True
            return
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        try:
            self.send_response(answer.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)
            self.wfile.flush()
        except OSError:
            self.close_connection = True  # the client has been killed


def _route(method: str, path: str) -> tuple[str, str]:
    for operation, wanted, pattern in _ROUTES:
        match = re.fullmatch(_BASE + pattern, path)
        if wanted == method and match is not None:
            return operation, match[1] if match.groups() else ""
    return "unknown", ""


def _body(raw: bytes, content_type: str) -> Any:
    if content_type.startswith("multipart/form-data"):
        message = message_from_bytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + raw)
        return message.get_payload(0).get_payload(decode=True).decode()
    return json.loads(raw) if raw else {}


def _kept(objects: dict[str, dict[str, Any]], key: str, body: Any) -> dict[str, Any]:
    one_id = str(uuid.uuid4())
    # Whole seconds, as the server's.
    now = datetime.now(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")
    objects[one_id] = {**body, key: one_id, "created_at": now}
    return objects[one_id]


def _one(objects: dict[str, dict[str, Any]], one_id: str) -> dict[str, Any]:
    if one_id not in objects:
        raise RefusedError(404, f"{one_id} not found")
    return objects[one_id]


def _matches(one: dict[str, Any], query: dict[str, str]) -> bool:
    if not query.get("filter"):
        return True
    predicates = json.loads(query["filter"])["predicates"]
    return all(one.get(p["key"]) == p["stringValue"] for p in predicates)
