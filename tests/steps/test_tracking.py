"""A step heeds what the platform says of MLflow, and never fails for it."""

from __future__ import annotations

import json

import pytest

from tests.search.instant import Silent
from xautolm_core.steps.search import tracking_of_platform
from xautolm_core.tracking import settings


@pytest.fixture(autouse=True)
def platform(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XAUTOLM_MLFLOW", "MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    said = {"endpoint": "http://mlflow.test", "parentRunId": "r1", "experimentId": "3"}
    monkeypatch.setenv("KFP_MLFLOW_CONFIG", json.dumps(said))
    monkeypatch.setattr(settings, "has_client", lambda: True)


def test_the_run_that_the_platform_names_is_heeded() -> None:
    observer = Silent()
    found = tracking_of_platform(observer)
    assert found is not None
    assert (found.tracking_uri, found.parent_run) == ("http://mlflow.test", "r1")
    assert not observer.notes


def test_an_image_without_the_client_does_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "has_client", lambda: False)
    observer = Silent()
    assert tracking_of_platform(observer) is None
    assert "lacks the extra 'mlflow'" in observer.notes[0]


def test_a_wrong_switch_is_one_note(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XAUTOLM_MLFLOW", "nonsense")
    observer = Silent()
    assert tracking_of_platform(observer) is None
    assert "nonsense" in observer.notes[0]


def test_nothing_said_is_nothing_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KFP_MLFLOW_CONFIG")
    observer = Silent()
    assert tracking_of_platform(observer) is None
    assert not observer.notes
