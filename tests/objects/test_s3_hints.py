"""What is advised when a server refuses a request."""

from __future__ import annotations

import threading
from collections.abc import Callable
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from http.server import ThreadingHTTPServer

import pytest

from xautolm_core.errors import StoreError
from xautolm_core.objects.contract import StorageUnavailableError
from xautolm_core.objects.s3 import S3Objects

pytest.importorskip("minio")

_Answering = Callable[..., S3Objects]


@pytest.fixture
def answering() -> Iterator[_Answering]:
    """Return objects of a server that answers every request in one way."""
    servers: list[ThreadingHTTPServer] = []

    def start(status: int, body: str, **headers: str) -> S3Objects:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.rfile.read(int(self.headers.get("content-length") or 0))
                self.send_response(status)
                for name, value in ({"content_type": "application/xml"} | headers).items():
                    self.send_header(name.replace("_", "-"), value)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body.encode())

            def log_message(self, *args: object) -> None:
                pass

        for method in ("PUT", "DELETE", "HEAD", "POST"):
            setattr(Handler, f"do_{method}", Handler.do_GET)
        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        uri = f"s3://bucket/below?endpoint=http://127.0.0.1:{server.server_port}&retry_seconds=0"
        keys = {"XAUTOLM_S3_ACCESS_KEY": "key", "XAUTOLM_S3_SECRET_KEY": "secret"}
        return S3Objects.from_uri(f"{uri}&region=us-east-1", keys)

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def _error(code: str, *, message: str = "no", more: str = "") -> str:
    return f"<Error><Code>{code}</Code><Message>{message}</Message>{more}</Error>"


def _refusals(objects: S3Objects) -> list[StoreError]:
    found = []
    for act in (
        lambda: objects.put("key", b"x"),
        lambda: list(objects.list()),
        lambda: objects.delete("key"),
        lambda: dict(objects.get_many(["key"])),
    ):
        with pytest.raises(StoreError) as caught:
            act()
        found.append(caught.value)
    return found


@pytest.mark.parametrize(
    ("status", "body", "headers"),
    [
        (400, _error("AuthorizationHeaderMalformed", more="<Region>eu-central-7</Region>"), {}),
        (
            400,
            _error("AuthorizationHeaderMalformed", message="is wrong; expecting 'eu-central-7'"),
            {},
        ),
        (301, _error("PermanentRedirect"), {"x_amz_bucket_region": "eu-central-7"}),
        (
            301,
            _error("PermanentRedirect", more="<Region>eu-central-7</Region>"),
            {"location": "http://127.0.0.1:1/elsewhere"},
        ),
    ],
)
def test_the_region_that_a_server_expects_is_named(
    answering: _Answering, status: int, body: str, headers: dict[str, str]
) -> None:
    for refusal in _refusals(answering(status, body, **headers)):
        assert "region=eu-central-7" in refusal.hint
        # It is the same for every object: nothing of this storage can be used.
        assert isinstance(refusal, StorageUnavailableError)


@pytest.mark.parametrize("told", ["", "<Region></Region>", "<Region>'; x\n</Region>"])
def test_a_region_that_is_not_told_is_asked_for(answering: _Answering, told: str) -> None:
    for refusal in _refusals(answering(400, _error("AuthorizationHeaderMalformed", more=told))):
        assert (
            refusal.hint == "Give the bucket's region and endpoint: region=NAME (XAUTOLM_S3_REGION)"
        )


def test_a_console_that_says_so_is_believed(answering: _Answering) -> None:
    body = _error("AccessDenied", message="S3 API Requests must be made to API port.")
    with pytest.raises(StoreError, match="AccessDenied") as caught:
        answering(403, body).put("key", b"x")
    assert "is a web console: name the port of the S3 API" in caught.value.hint


def test_refused_access_may_be_a_consoles(answering: _Answering) -> None:
    objects = answering(403, _error("AccessDenied"))
    with pytest.raises(StoreError, match="AccessDenied") as caught:
        list(objects.list())
    port = objects.settings.endpoint.rpartition(":")[2]
    assert "Give the user the right" in caught.value.hint
    assert f"if behind port {port} is a web console" in caught.value.hint


def test_a_web_page_is_no_bucket(answering: _Answering) -> None:
    objects = answering(403, "<html><body>login</body></html>", content_type="text/html")
    with pytest.raises(StoreError, match="HTTP status 403") as caught:
        list(objects.list())
    assert "web pages" in caught.value.hint
    assert "login" not in str(caught.value)
