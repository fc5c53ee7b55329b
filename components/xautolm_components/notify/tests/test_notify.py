from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler
from http.server import HTTPServer

import pytest
from kfp.dsl import PipelineTaskFinalStatus

from xautolm_components.notify.component import notify
from xautolm_components.notify_last.component import notify_last


@pytest.fixture
def webhook(monkeypatch):
    """A real server, and what it was told."""
    told = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("XAUTOLM_WEBHOOK_URL", f"http://127.0.0.1:{server.server_port}/hook")
    yield told
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_failure_is_told_with_its_reason(webhook, tmp_path):
    status = PipelineTaskFinalStatus(
        state="FAILED",
        pipeline_job_resource_name="job",
        pipeline_task_name="search",
        error_code=4.0,
        error_message="no node has a GPU",
    )
    notify.python_func("xautolm-search", tmp_path.as_uri(), "run-7", status)
    assert "xautolm-search" in webhook[0]["text"]
    assert "failed" in webhook[0]["text"]
    assert "no node has a GPU" in webhook[0]["text"]


def test_what_a_run_came_to_is_told(run, webhook):
    workspace = run.parameters["workspace"]
    notify_last.python_func("xautolm-search-rounds", workspace, "run-1")
    text = webhook[0]["text"]
    assert "succeeded" in text
    assert "task: moods" in text
    assert f"{run.metadata['score']:.4f}" in text
    assert "trials 3" in text


def test_a_run_without_a_model_has_failed(webhook, tmp_path):
    notify_last.python_func("xautolm-search-rounds", tmp_path.as_uri(), "run-8")
    assert "failed" in webhook[0]["text"]


def test_nobody_to_tell_is_no_fault(monkeypatch, tmp_path):
    monkeypatch.delenv("XAUTOLM_WEBHOOK_URL", raising=False)
    notify_last.python_func("xautolm-search-rounds", tmp_path.as_uri(), "run-8")
