"""No credential is in what a fault says."""

from __future__ import annotations

import pytest

from xautolm_core.search.contract import SEARCH_FILE
from xautolm_core.tracking.redaction import redacted
from xautolm_core.tracking.sender import Sender
from xautolm_core.tracking.sender import SendOrder
from xautolm_core.tracking.settings import TrackingSettings

URI = "postgresql://me:top%2Fsecret@db.test/m"


@pytest.mark.parametrize(
    "text",
    [
        f"Could not parse {URI!r}",
        "at mysql://me:topsecret@h:3306/db.",
        "at https://topsecret@h/x?",
        "at mysql://me:p@ss:topsecret@h/db",
        "at postgresql://h/db?user=me&password=topsecret&sslmode=off",
        "for 'me' with top/secret",
        "for 'me' with top%2Fsecret",
        "the token is topsecret-token",
    ],
)
def test_a_credential_is_not_said(text: str) -> None:
    environ = {"MLFLOW_TRACKING_URI": URI, "MLFLOW_TRACKING_TOKEN": "topsecret-token"}
    found = redacted(text, environ)
    assert "secret" not in found
    assert "***" in found


def test_what_holds_no_credential_stays_as_it_is() -> None:
    text = "http://mlflow.test:5000/a?b=c and postgresql://db.test/m are away; ask a@b.test"
    assert redacted(text, {"MLFLOW_TRACKING_URI": "http://mlflow.test:5000"}) == text


def test_a_fault_of_any_kind_is_reported_without_the_password(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", URI)
    from xautolm_core.tracking import seen_search

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError(f"no such place: {URI}")

    monkeypatch.setattr(seen_search, "read_seen", fail)
    (tmp_path / SEARCH_FILE).write_text("{}")
    order = SendOrder(settings=TrackingSettings(), out_folder=tmp_path, follow=False)
    report = Sender(order).send(running=False)
    assert "RuntimeError: no such place" in report.problem
    assert "secret" not in report.problem


def test_a_fault_of_the_client_is_told_without_the_password(monkeypatch) -> None:
    pytest.importorskip("mlflow")
    from xautolm_core.errors import StoreError
    from xautolm_core.tracking.server import MlflowServer

    monkeypatch.setenv("MLFLOW_TRACKING_URI", "mongodb://me:topsecret@db.test/x")
    with pytest.raises(StoreError) as caught:
        MlflowServer(TrackingSettings())
    assert "topsecret" not in str(caught.value)
