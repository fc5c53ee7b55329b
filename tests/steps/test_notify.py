"""A webhook that is there, is not, hangs, redirects, and comes back."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import field
from http.server import BaseHTTPRequestHandler
from http.server import ThreadingHTTPServer
from typing import Any

import pytest

from xautolm_core.steps.notify import notify

SECRET = "T0/B0/s3cr3t"
Step = tuple[int, dict[str, str]] | Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Webhook:
    """A server; ``steps`` are its next answers, after which it takes everything."""

    steps: list[Step] = field(default_factory=list)
    taken: list[dict[str, Any]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/services/{SECRET}"

    @property
    def text(self) -> str:
        return self.taken[-1]["text"]


def serve(webhook: Webhook) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *arguments: Any) -> None:
            pass

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            webhook.asked.append(self.path)
            step = webhook.steps.pop(0) if webhook.steps else (200, {})
            if callable(step):
                step(self)
                return
            status, headers = step
            if status == 200:
                assert self.headers["Content-Type"] == "application/json"
                webhook.taken.append(json.loads(body))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def do_GET(self) -> None:
            webhook.asked.append(f"GET {self.path}")
            self.send_response(200)
            self.end_headers()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    webhook.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    return server


@pytest.fixture
def webhook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Webhook]:
    one = Webhook()
    server = serve(one)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XAUTOLM_WEBHOOK_URL", one.url)
    yield one
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def the_secret_stays_secret(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.DEBUG)
    yield
    assert "s3cr3t" not in caplog.text


def quick(**more: Any) -> bool:
    return notify(**{"status": "SUCCEEDED", "backoff_seconds": 0.01, **more})


def test_everything_that_is_told(webhook: Webhook) -> None:
    assert notify(
        status={
            "state": "FAILED",
            "error_code": 1.0,
            "error_message": "boom\n<!channel> & more",
            "pipeline_task_name": "search",
            "pipeline_job_resource_name": "x",
        },
        pipeline="xautolm-retrain",
        run_id="run-1",
        task="reviews",
        best_score=0.91239,
        spent={"trials": 20, "gpu hours": 1.23456},
        link="https://kf.example.com/#/runs/details/run-1",
    )
    assert webhook.text.splitlines() == [
        ":x: *xautolm-retrain* failed",
        "task: reviews",
        "best macro F1: 0.9124",
        "spent: trials 20, gpu hours 1.235",
        "run: run-1",
        "reason: search: boom &lt;!channel&gt; &amp; more",
        "link: <https://kf.example.com/#/runs/details/run-1>",
    ]
    assert webhook.asked == [f"/services/{SECRET}"]


@pytest.mark.parametrize(
    ("status", "head"),
    [
        ("SUCCEEDED", ":white_check_mark: *xautolm* succeeded"),
        ("succeeded", ":white_check_mark: *xautolm* succeeded"),
        ({"state": "SUCCEEDED", "error_message": ""}, ":white_check_mark: *xautolm* succeeded"),
        ({"state": "CANCELED"}, ":no_entry_sign: *xautolm* cancelled"),
        ('{"state": "FAILED", "error_code": 1.0}', ":x: *xautolm* failed"),
        ("kept the old model", "*xautolm* kept the old model"),
        ({}, "*xautolm* ended"),
        ("", "*xautolm* ended"),
    ],
)
def test_every_kind_of_status(webhook: Webhook, status: Any, head: str) -> None:
    assert quick(status=status)
    assert webhook.text == head


def test_what_is_missing_or_odd_is_left_out(webhook: Webhook) -> None:
    assert quick(best_score=float("nan"), link="javascript:alert(1)", task="a" * 999)
    assert webhook.text.splitlines()[1:] == [f"task: {'a' * 497}..."]


@pytest.mark.parametrize("value", ["", "  ", None])
def test_no_webhook_is_nothing_to_do(
    webhook: Webhook,
    value: str | None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    if value is None:
        monkeypatch.delenv("XAUTOLM_WEBHOOK_URL")
    else:
        monkeypatch.setenv("XAUTOLM_WEBHOOK_URL", value)
    assert not quick()
    assert not quick(webhook="")
    assert (webhook.asked, caplog.text) == ([], "")


def test_another_variable(webhook: Webhook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEAM_WEBHOOK", webhook.url)
    monkeypatch.delenv("XAUTOLM_WEBHOOK_URL")
    assert quick(webhook="TEAM_WEBHOOK")


def test_an_address_in_place_of_the_name(
    webhook: Webhook, caplog: pytest.LogCaptureFixture
) -> None:
    assert not quick(webhook=webhook.url)
    assert "names an environment variable" in caplog.text
    assert webhook.asked == []


@pytest.mark.parametrize("status", [500, 502, 503, 429, 408])
def test_it_is_tried_again(webhook: Webhook, status: int) -> None:
    webhook.steps = [(status, {}), (status, {})]
    assert quick()
    assert len(webhook.asked) == 3


def test_the_server_says_when(webhook: Webhook) -> None:
    webhook.steps = [(429, {"Retry-After": "0.3"}), (503, {"Retry-After": "tomorrow"})]
    start = time.monotonic()
    assert quick()
    assert time.monotonic() - start >= 0.3


def test_the_tries_are_bounded(webhook: Webhook, caplog: pytest.LogCaptureFixture) -> None:
    webhook.steps = [(500, {})] * 9
    assert not quick(attempts=3)
    assert len(webhook.asked) == 3
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.getMessage().endswith("to the webhook: it answered 500")


@pytest.mark.parametrize("status", [400, 403, 404, 410])
def test_a_refusal_is_final(webhook: Webhook, status: int) -> None:
    webhook.steps = [(status, {})]
    assert not quick()
    assert len(webhook.asked) == 1


def test_one_that_hangs(webhook: Webhook, caplog: pytest.LogCaptureFixture) -> None:
    webhook.steps = [lambda _: time.sleep(1.5)] * 2
    start = time.monotonic()
    assert not quick(attempts=2, timeout_seconds=0.2)
    assert time.monotonic() - start < 1.4
    assert "in time" in caplog.text or "cannot be reached" in caplog.text


def test_one_that_answers_byte_by_byte(webhook: Webhook) -> None:
    def drip(handler: BaseHTTPRequestHandler) -> None:
        for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 20:
            handler.wfile.write(bytes([byte]))
            time.sleep(0.05)

    webhook.steps = [drip]
    start = time.monotonic()
    assert not quick(attempts=1, timeout_seconds=0.3)
    assert time.monotonic() - start < 1


def test_one_that_breaks_off(webhook: Webhook) -> None:
    webhook.steps = [lambda handler: handler.connection.close()]
    assert quick()


@pytest.mark.parametrize("status", [307, 308])
def test_a_redirect_on_the_same_host_is_followed(webhook: Webhook, status: int) -> None:
    webhook.steps = [(status, {"Location": "/elsewhere"})]
    assert quick()
    assert webhook.asked == [f"/services/{SECRET}", "/elsewhere"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_host_is_not_followed(webhook: Webhook, status: int) -> None:
    other = Webhook()
    server = serve(other)
    try:
        for host in ("127.0.0.1", "localhost"):
            webhook.steps = [(status, {"Location": f"http://{host}:{other.port}/take"})]
            assert not quick()
    finally:
        server.shutdown()
        server.server_close()
    assert other.asked == []


def test_a_redirect_without_end(webhook: Webhook) -> None:
    webhook.steps = [(307, {"Location": "/again"})] * 9
    assert not quick()
    assert len(webhook.asked) == 4


@pytest.mark.parametrize(
    "address",
    [
        f"file:///etc/{SECRET}",
        f"ftp://127.0.0.1/{SECRET}",
        f"http:///{SECRET}",
        f"http://127.0.0.1:port/{SECRET}",
        f"http://127.0.0.1/a b\n/{SECRET}",
        f"http://127.0.0.1:1/{SECRET}",
        SECRET,
    ],
)
def test_bad_addresses_and_nobody_there(
    address: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("XAUTOLM_WEBHOOK_URL", address)
    assert not quick(attempts=2)
    assert len(caplog.records) == 1


def test_a_status_of_any_shape_fails_nothing(webhook: Webhook) -> None:
    for odd in (None, 5, [], {"state": 5, "error_message": {"a": 1}}):
        quick(status=odd)
