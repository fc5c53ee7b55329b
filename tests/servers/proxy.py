"""A proxy before a real S3 server that spoils some requests, and passes all others on."""

from __future__ import annotations

import enum
import http.client
import socket
import struct
import threading
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler
from http.server import ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit


class Fault(enum.Enum):
    """What happens to a request. The first group never reaches the server, the second does."""

    SLOW_DOWN = "503 with the S3 error SlowDown"
    TOO_MANY_REQUESTS = "429 with a page that is no XML"
    INTERNAL_ERROR = "500 with the S3 error InternalError"
    BAD_GATEWAY = "502 with an HTML page"
    EMPTY_503 = "503 without a body"
    RESET = "the connection is reset"
    STALL = "nothing comes back for a while"
    FORBIDDEN = "403 with a page that quotes the request"

    RESET_AFTERWARDS = "it takes effect, and the connection is reset before an answer"
    TRUNCATED = "its answer breaks off half-way"


_ANSWERS = {
    Fault.SLOW_DOWN: (503, "application/xml", "<Error><Code>SlowDown</Code></Error>"),
    Fault.TOO_MANY_REQUESTS: (429, "text/plain", "later"),
    Fault.INTERNAL_ERROR: (500, "application/xml", "<Error><Code>InternalError</Code></Error>"),
    Fault.BAD_GATEWAY: (502, "text/html", "<html><body>502</body></html>"),
    Fault.EMPTY_503: (503, "text/plain", ""),
}
_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding"}


class FaultyProxy:
    """Forwards HTTP requests to a server on loopback, as they are signed; a context manager.

    Args:
        endpoint: ``http://host:port`` of the server.
        stall_seconds: How long ``Fault.STALL`` takes.
        keeps_bodies: Whether it keeps what is sent.

    Attributes:
        endpoint: Its own address.
        requests: Method and path of each request so far.
        bodies: Headers and content of each request so far, if they are kept.
    """

    def __init__(
        self, endpoint: str, *, stall_seconds: float = 1.0, keeps_bodies: bool = False
    ) -> None:
        self.requests: list[tuple[str, str]] = []
        self.bodies: list[bytes] = []
        self._keeps_bodies = keeps_bodies
        self._faults: list[Fault | None] = []
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._stall_seconds = stall_seconds
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler(endpoint))
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def spoil(self, faults: Iterable[Fault | None]) -> None:
        """Spoil the next requests, one fault each; None spoils nothing."""
        with self._lock:
            self._faults.extend(faults)

    @property
    def left(self) -> int:
        """How many faults are still to come."""
        return len(self._faults)

    def __enter__(self) -> FaultyProxy:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _next_fault(self, method: str, path: str) -> Fault | None:
        with self._lock:
            self.requests.append((method, path))
            return self._faults.pop(0) if self._faults else None

    def _handler(self, endpoint: str) -> type[BaseHTTPRequestHandler]:
        proxy = self
        target = urlsplit(endpoint)

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if proxy._keeps_bodies:
                    proxy.bodies.append(str(self.headers).encode() + body)
                fault = proxy._next_fault(self.command, self.path)
                if fault is Fault.STALL:
                    proxy._ended.wait(proxy._stall_seconds)
                if fault in {Fault.RESET, Fault.STALL}:
                    self._reset()
                elif fault is Fault.FORBIDDEN:
                    self._answer(403, {"Content-Type": "text/html"}, str(self.headers).encode())
                elif fault in _ANSWERS:
                    status, kind, text = _ANSWERS[fault]
                    self._answer(status, {"Content-Type": kind}, text.encode())
                else:
                    self._pass_on(body, fault)

            def _pass_on(self, body: bytes, fault: Fault | None) -> None:
                server = http.client.HTTPConnection(str(target.hostname), target.port, timeout=60)
                try:
                    # The signature covers the Host header: it stays what the client wrote.
                    server.putrequest(
                        self.command, self.path, skip_host=True, skip_accept_encoding=True
                    )
                    for name, value in self.headers.items():
                        if name.lower() not in _HOP_BY_HOP:
                            server.putheader(name, value)
                    server.endheaders(body or None)
                    answer = server.getresponse()
                    content = answer.read()
                except OSError:
                    self._reset()
                    return
                finally:
                    server.close()
                if fault is Fault.RESET_AFTERWARDS:
                    self._reset()
                    return
                headers = {n: v for n, v in answer.getheaders() if n.lower() not in _HOP_BY_HOP}
                if fault is Fault.TRUNCATED:
                    headers["Content-Length"] = str(len(content))
                    self._answer(answer.status, headers, content[: len(content) // 2])
                    self._reset()
                else:
                    self._answer(answer.status, headers, content)

            def _answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
                self.send_response_only(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                if not any(name.lower() == "content-length" for name in headers):
                    self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)

            def _reset(self) -> None:
                # Closing with nothing lingering sends RST, not FIN.
                option = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, option)
                self.close_connection = True

            def log_message(self, format: str, *args: Any) -> None:
                pass

        for method in ("GET", "HEAD", "PUT", "POST", "PATCH", "DELETE"):
            setattr(Handler, f"do_{method}", Handler.do_any)
        return Handler
