"""Against a small real HTTP server that keeps what it is told as the registry does."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler
from http.server import ThreadingHTTPServer
from urllib.parse import parse_qs
from urllib.parse import urlsplit

import pytest

from tests.registry.models import make_record
from tests.registry.models import write_model
from xautolm_core.errors import ConfigError
from xautolm_core.errors import StoreError
from xautolm_core.registry.kubeflow_registry import API
from xautolm_core.registry.kubeflow_registry import KubeflowModelRegistry
from xautolm_core.registry.registry import ModelRegistry


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._answer(None)

    def do_POST(self) -> None:
        self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def _answer(self, body: dict | None) -> None:
        server = self.server
        url = urlsplit(self.path)
        server.requests.append((self.command, url.path.removeprefix(API)))
        status, document = 401, {"code": "Unauthorized", "message": "no\ntoken"}
        if server.broken:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(server.broken)
            return
        if not server.token or self.headers["Authorization"] == f"Bearer {server.token}":
            status, document = self._serve(url, body)
        data = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _serve(self, url, body) -> tuple[int, dict]:
        kept = self.server.kept
        place = url.path.removeprefix(f"{API}/")
        query = {key: value[0] for key, value in parse_qs(url.query).items()}
        if place in ("registered_model", "model_version"):
            parent = query.get("parentResourceId")
            for item in kept.get(f"{place}s", []):
                if item["name"] == query["name"] and item.get("registeredModelId") == parent:
                    return 200, item
            return 404, {"code": "NotFound"}
        if self.command == "GET":
            items = kept.get(place, [])
            begin = int(query.get("nextPageToken", 0))
            more = {"nextPageToken": str(begin + 1)} if begin + 1 < len(items) else {}
            return 200, {"items": items[begin : begin + 1], "size": 1, **more}
        items = kept.setdefault(place, [])
        if any(item["name"] == body["name"] for item in items):
            return 409, {"code": "Conflict"}
        items.append({**body, "id": str(len(self.server.requests))})
        return 201, items[-1]

    def log_message(self, *arguments) -> None:
        pass


@pytest.fixture
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.kept, running.requests, running.token, running.broken = {}, [], "", b""
        running.url = f"http://127.0.0.1:{running.server_address[1]}"
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def model(tmp_path):
    registry = ModelRegistry.open(str(tmp_path / "registry"))
    return registry.register("moods/2", write_model(tmp_path / "model"), make_record())


def test_a_version_is_told_once(server, model):
    client = KubeflowModelRegistry(server.url)
    published = client.publish(model, uri="s3://models/moods")
    assert client.publish(model) == published
    (registered,) = server.kept["registered_models"]
    (version,) = server.kept["model_versions"]
    (artifact,) = server.kept[f"model_versions/{version['id']}/artifacts"]
    assert registered["name"] == "moods/2"
    assert version["name"] == model.version
    assert version["registeredModelId"] == registered["id"] == published.registered_model_id
    properties = version["customProperties"]
    assert properties["macro_f1_test"]["double_value"] == 0.8
    assert properties["digest"] == {
        "metadataType": "MetadataStringValue",
        "string_value": model.digest,
    }
    assert "parent" not in properties
    assert artifact["artifactType"] == "model-artifact"
    assert artifact["uri"] == "s3://models/moods"


def test_artifacts_are_looked_for_on_all_pages(server, model):
    client = KubeflowModelRegistry(f"{server.url}{API}/")
    published = client.publish(model)
    artifacts = server.kept[f"model_versions/{published.model_version_id}/artifacts"]
    artifacts.insert(0, {"name": "other", "id": "x"})
    assert client.publish(model) == published
    assert len(artifacts) == 2


def test_a_faster_writer_is_no_fault(server, model, monkeypatch):
    client = KubeflowModelRegistry(server.url)
    published = client.publish(model)
    ask, missed = client._ask, []

    def blind_once(method, place, *arguments, **named):
        if method == "GET" and place.startswith("registered_model?") and not missed:
            missed.append(place)
            return None
        return ask(method, place, *arguments, **named)

    monkeypatch.setattr(client, "_ask", blind_once)
    assert client.publish(model) == published


def test_a_token_is_sent_and_its_lack_is_told(server, model):
    server.token = "secret"
    assert KubeflowModelRegistry(server.url, token="secret").publish(model)
    with pytest.raises(StoreError, match=r"with 401: .*Give a token") as caught:
        KubeflowModelRegistry(server.url, token="wrong").publish(model)
    assert "wrong" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("answer", [b"<html>", b"[]", b"{}"])
def test_what_is_no_registry_is_told(server, model, answer):
    server.broken = answer
    with pytest.raises(StoreError):
        KubeflowModelRegistry(server.url).publish(model)


def test_a_server_that_is_away_is_told(model):
    with pytest.raises(StoreError, match="does not answer"):
        KubeflowModelRegistry("http://127.0.0.1:9", timeout_seconds=2).publish(model)


@pytest.mark.parametrize(
    "url", ["", "ftp://host", "http://", "http://a:b@host", "http://host:port", "http://h?x=1"]
)
def test_other_urls_are_refused(url):
    with pytest.raises(ConfigError):
        KubeflowModelRegistry(url)
