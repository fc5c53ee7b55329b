"""PromQL against a real HTTP server that answers as Prometheus does."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from http.server import ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs
from urllib.parse import urlsplit

import pytest

from xautolm_core.energy.promql import PromqlProvider
from xautolm_core.energy.promql import ask
from xautolm_core.energy.promql import dcgm_counter
from xautolm_core.energy.promql import kepler_counters


class Prometheus:
    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.asked: list[str] = []
        self.status = 200
        self.delay_seconds = 0.0
        this = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                query = parse_qs(urlsplit(self.path).query)["query"][0]
                this.asked.append(query)
                time.sleep(this.delay_seconds)
                value = this.values.get(query)
                samples = value if isinstance(value, list) else [value]
                result = [
                    {"metric": {}, "value": [1.0, str(one)]} for one in samples if one is not None
                ]
                body = {"status": "success", "data": {"resultType": "vector", "result": result}}
                # One that asked with a short limit is gone by now.
                with contextlib.suppress(BrokenPipeError):
                    self.send_response(this.status)
                    self.end_headers()
                    self.wfile.write(json.dumps(body).encode())

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def prometheus() -> Iterator[Prometheus]:
    one = Prometheus()
    thread = threading.Thread(target=one.server.serve_forever, daemon=True)
    thread.start()
    yield one
    one.server.shutdown()
    one.server.server_close()
    thread.join()


def test_kepler_tells_joules_of_the_pod(prometheus: Prometheus) -> None:
    cpu, dram = kepler_counters("trial-0", "team")
    assert cpu.query == (
        'sum(kepler_pod_cpu_joules_total{pod_name="trial-0",pod_namespace="team",zone=~"package.*"})'
    )
    provider = PromqlProvider(prometheus.address, cpu)
    for now, value in ((0.0, 50.0), (15.0, None), (900.0, 1_250.5)):
        prometheus.values[cpu.query] = value
        provider.sample(now)
    (one,) = provider.readings()
    assert one.joules == pytest.approx(1_200.5)
    assert (one.component, one.source, one.quality) == ("cpu", "kepler", "B")
    assert one.flags == ("dropped",) and one.uncertainty == pytest.approx(0.15 + 30 / 900)
    assert dram.component == "dram"


def test_dcgm_tells_millijoules(prometheus: Prometheus) -> None:
    counter = dcgm_counter("GPU-1")
    provider = PromqlProvider(prometheus.address, counter)
    for now, value in ((0.0, 7e9), (60.0, 7.03e9)):
        prometheus.values[counter.query] = value
        provider.sample(now)
    (one,) = provider.readings()
    assert one.joules == pytest.approx(30_000)
    assert one.device == "GPU-1" and one.flags == ("short_window",)


def test_a_counter_that_came_late_does_not_cover_the_window(prometheus: Prometheus) -> None:
    counter = kepler_counters("p", None)[0]
    provider = PromqlProvider(prometheus.address, counter)
    for now, value in ((0.0, None), (600.0, 10.0), (1_200.0, 20.0)):
        prometheus.values[counter.query] = value
        provider.sample(now)
    assert "incomplete" in provider.readings()[0].flags


@pytest.mark.parametrize("answer", [None, "NaN", "+Inf", [1.0, 2.0]])
def test_what_is_no_single_number_is_no_answer(prometheus: Prometheus, answer: Any) -> None:
    prometheus.values["q"] = answer
    assert ask(prometheus.address, "q", 2.0) is None


def test_a_server_that_fails_is_no_answer(prometheus: Prometheus) -> None:
    prometheus.values["q"] = 1.0
    assert ask(prometheus.address + "/", "q", 2.0) == 1.0
    prometheus.status = 503
    assert ask(prometheus.address, "q", 2.0) is None
    prometheus.status, prometheus.delay_seconds = 200, 0.5
    assert ask(prometheus.address, "q", 0.1) is None
    assert ask("http://127.0.0.1:9", "q", 0.5) is None
    assert ask("file:///etc/passwd", "q", 0.5) is None


def test_names_cannot_break_out_of_a_query() -> None:
    query = kepler_counters('a"} or vector(1) #', None)[0].query
    assert 'pod_name="a\\"} or vector(1) #"' in query
