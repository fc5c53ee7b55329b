"""Answers scrapes and probes over HTTP: ``/metrics``, ``/healthz``, ``/readyz``."""

from __future__ import annotations

import base64
import binascii
import hmac
import ssl
import threading
import time
from collections.abc import Callable
from collections.abc import Iterable
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from socket import AF_INET
from socket import AF_INET6
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler
from wsgiref.simple_server import WSGIServer

from xautolm_core.errors import ConfigError
from xautolm_core.monitoring.pages import Pages
from xautolm_core.monitoring.reading import StoreReading

_SILENCE_SECONDS = 10.0
"""Timeout of a client that sends nothing."""

_Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


@dataclass(frozen=True)
class Credentials:
    """User and password that a client must send."""

    user: str
    password: str = field(repr=False)

    def allow(self, header: str) -> bool:
        """Whether the value of an ``Authorization`` header matches (HTTP basic)."""
        scheme, _, code = header.partition(" ")
        if scheme.lower() != "basic":
            return False
        try:
            given = base64.b64decode(code.strip(), validate=True)
        except (binascii.Error, ValueError):
            return False
        return hmac.compare_digest(given, f"{self.user}:{self.password}".encode())


@dataclass(frozen=True)
class ServerSettings:
    """Settings of the server.

    Attributes:
        host: Address to listen at.
        port: Port; 0 for any that is free.
        certificate: File with the certificate, and those of its issuers (PEM); None for plain HTTP.
        key: File with its key (PEM).
        client_authority: File with the authorities of accepted clients (PEM); None for all.
        credentials: User and password that clients must send; None for none.
    """

    host: str
    port: int
    certificate: Path | None = None
    key: Path | None = None
    client_authority: Path | None = None
    credentials: Credentials | None = None


class _Handler(WSGIRequestHandler):
    timeout = _SILENCE_SECONDS

    def log_message(self, format: str, *args: Any) -> None:
        """Do not log each scrape."""


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Do not log clients that disconnect."""

    def get_request(self) -> tuple[Any, Any]:
        """Accept a client; its handshake has a timeout and a thread of its own."""
        client, address = super().get_request()
        client.settimeout(_SILENCE_SECONDS)
        return client, address

    def server_bind(self) -> None:
        """Bind, without a DNS look-up of this machine's name."""
        super(WSGIServer, self).server_bind()
        self.setup_environ()


class MetricsServer:
    """The HTTP server, in a thread from ``start`` to ``stop``.

    Args:
        pages: Bodies of ``/metrics``.
        last: Returns the last reading, for ``/readyz``.
        settings: Address, TLS and credentials.

    Raises:
        ConfigError: The address cannot be listened at, or the certificate cannot be used.
    """

    def __init__(
        self, pages: Pages, last: Callable[[], StoreReading], settings: ServerSettings
    ) -> None:
        context = _context(settings)
        self._server = _bound(settings)
        self._server.set_app(_application(pages, last, settings.credentials))
        if context is not None:
            # The handshake runs in the client's own thread, so a slow one does not block others.
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._scheme = "http" if context is None else "https"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.2}, daemon=True
        )

    @property
    def port(self) -> int:
        """The port."""
        return int(self._server.server_port)

    @property
    def address(self) -> str:
        """Its address for people: ``http://host:port``."""
        host = str(self._server.server_address[0])
        return f"{self._scheme}://{f'[{host}]' if ':' in host else host}:{self.port}"

    def start(self) -> None:
        """Start to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Stop, without waiting for clients."""
        self._server.shutdown()
        self._server.server_close()


def _bound(settings: ServerSettings) -> _Server:
    class Bound(_Server):
        address_family = AF_INET6 if ":" in settings.host else AF_INET

    try:
        return Bound((settings.host, settings.port), _Handler)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(
            f"Cannot listen at {settings.host}:{settings.port}: {reason}",
            hint="Give another address with --listen HOST:PORT",
        ) from error


def _context(settings: ServerSettings) -> ssl.SSLContext | None:
    if settings.certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(settings.certificate, settings.key)
        if settings.client_authority is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(settings.client_authority)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"The certificate {settings.certificate} cannot be used: {error.strerror or error}",
            hint="Give PEM files that this user may read and that belong together",
        ) from error
    return context


def _application(
    pages: Pages, last: Callable[[], StoreReading], credentials: Credentials | None
) -> _Application:
    def answer(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        match environ.get("PATH_INFO", "/"):
            case "/metrics":
                header = environ.get("HTTP_AUTHORIZATION", "")
                if credentials is not None and not credentials.allow(header):
                    return _plain(
                        start,
                        "401 Unauthorized",
                        "say who you are\n",
                        ("WWW-Authenticate", 'Basic realm="xautolm"'),
                    )
                page = pages.page(
                    environ.get("HTTP_ACCEPT", ""), environ.get("HTTP_ACCEPT_ENCODING", "")
                )
                start("200 OK", list(page.headers))
                return [page.body]
            case "/healthz":
                return _plain(start, "200 OK", "ok\n")
            case "/readyz":
                return _plain(start, *_readiness(last()))
            case "/":
                return _plain(start, "200 OK", "xautolm exporter: /metrics /healthz /readyz\n")
        return _plain(start, "404 Not Found", "there is /metrics, /healthz and /readyz\n")

    return answer


def _readiness(reading: StoreReading) -> tuple[str, str]:
    """Return status and text: ready once there are totals of any age, which the text states."""
    if reading.read_at is None:
        reason = reading.problem or "the store is being read for the first time"
        return "503 Service Unavailable", f"not ready: {reason}\n"
    age = max(0.0, time.time() - reading.read_at)
    trouble = f"; {reading.problem}" if reading.problem else ""
    return "200 OK", f"ready: the totals are {age:.0f} seconds old{trouble}\n"


def _plain(
    start: Callable[..., Any], status: str, text: str, *headers: tuple[str, str]
) -> list[bytes]:
    start(status, [("Content-Type", "text/plain; charset=utf-8"), *headers])
    return [text.encode()]
