from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from xautolm_core.energy.intensity_feed import Feed
from xautolm_core.energy.intensity_feed import HourlyIntensity
from xautolm_core.errors import ConfigError
from xautolm_core.errors import XautolmError

NOON = 1_700_000_000.0


class Service:
    def __init__(self) -> None:
        self.answer: Any = {"carbonIntensity": 300}
        self.status = 200
        self.asked: list[tuple[str, str | None]] = []
        this = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                this.asked.append((self.path, self.headers.get("auth-token")))
                self.send_response(this.status)
                self.end_headers()
                self.wfile.write(json.dumps(this.answer).encode())

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}/now?zone={{zone}}"


@pytest.fixture
def service() -> Iterator[Service]:
    one = Service()
    thread = threading.Thread(target=one.server.serve_forever, daemon=True)
    thread.start()
    yield one
    one.server.shutdown()
    one.server.server_close()
    thread.join()


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


def test_the_service_is_asked_once_an_hour_by_all(service: Service, tmp_path: Path) -> None:
    clock, feed = Clock(), Feed(service.address, headers={"auth-token": "s3cret"}, name="grid")
    for _ in range(3):  # each a process of its own
        hourly = HourlyIntensity(feed, "SE 1", tmp_path / "c" / "grid.json", clock=clock)
        one = hourly.now()
        assert (one.grams_per_kwh, one.table, one.is_stale) == (300, "grid", False)
        assert one.at is not None and one.at.timestamp() == NOON
        clock.now += 1_000
    assert service.asked == [("/now?zone=SE%201", "s3cret")]
    assert "s3cret" not in (tmp_path / "c" / "grid.json").read_text()
    service.answer = {"carbonIntensity": 200}
    clock.now += 1_000
    assert hourly.now().grams_per_kwh == 200


@pytest.mark.parametrize("answer", [{}, [], {"carbonIntensity": "much"}, {"carbonIntensity": -1}])
def test_the_last_figure_stands_and_is_stale(service: Service, tmp_path: Path, answer: Any) -> None:
    clock = Clock()
    hourly = HourlyIntensity(Feed(service.address), "SE", tmp_path / "grid.json", clock=clock)
    hourly.now()
    service.answer = answer
    clock.now += 7_200
    one = hourly.now()
    assert (one.grams_per_kwh, one.is_stale) == (300, True)
    assert one.at is not None and one.at.timestamp() == NOON
    hourly.now()
    assert len(service.asked) == 2  # it is left alone for a while
    clock.now += 400
    service.answer = {"carbonIntensity": 100}
    assert (hourly.now().grams_per_kwh, hourly.now().is_stale) == (100, False)


def test_a_service_that_never_answered_is_an_error(service: Service, tmp_path: Path) -> None:
    service.status = 500
    with pytest.raises(XautolmError, match="has no carbon intensity of SE"):
        HourlyIntensity(Feed(service.address), "SE", tmp_path / "grid.json").now()


def test_a_figure_of_another_zone_or_a_clock_set_back_does_not_count(
    service: Service, tmp_path: Path
) -> None:
    clock, cache = Clock(), tmp_path / "grid.json"
    HourlyIntensity(Feed(service.address), "SE", cache, clock=clock).now()
    service.answer = {"carbonIntensity": 50}
    assert HourlyIntensity(Feed(service.address), "NO", cache, clock=clock).now().zone == "NO"
    clock.now -= 10 * 86_400
    assert HourlyIntensity(Feed(service.address), "NO", cache, clock=clock).now().at is not None
    assert len(service.asked) == 3


def test_a_path_leads_into_the_answer(service: Service, tmp_path: Path) -> None:
    service.answer = {"data": [{"intensity": {"actual": 88}}]}
    feed = Feed(service.address, value="data.0.intensity.actual")
    assert HourlyIntensity(feed, "GB", tmp_path / "g.json").now().grams_per_kwh == 88


@pytest.mark.parametrize("address", ["file:///etc/passwd", "grid", "ftp://x/y", "http://"])
def test_only_http_is_a_feed(address: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        HourlyIntensity(Feed(address), "SE", tmp_path / "grid.json")
