"""Where a search is tracked: nowhere, unless somebody says so."""

from __future__ import annotations

import json

import pytest

from xautolm_core.errors import ConfigError
from xautolm_core.errors import MissingExtraError
from xautolm_core.tracking import settings
from xautolm_core.tracking.settings import TrackingSettings
from xautolm_core.tracking.settings import platform_settings
from xautolm_core.tracking.settings import read_settings
from xautolm_core.tracking.settings import resumed_settings
from xautolm_core.tracking.settings import tracking_settings
from xautolm_core.tracking.settings import write_settings

HOST = "http://mlflow.test:5000"
PLATFORM = {
    "endpoint": "https://mlflow.test",
    "workspacesEnabled": True,
    "workspace": "team-a",
    "parentRunId": "r1",
    "experimentId": "7",
    "authType": "kubernetes",
    "timeout": "30s",
}


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "has_client", lambda: True)


def test_a_uri_in_the_environment_alone_turns_nothing_on() -> None:
    environ = {"MLFLOW_TRACKING_URI": HOST}
    assert tracking_settings(None, environ) is None
    assert platform_settings(environ) is None
    assert tracking_settings("off", {**environ, "XAUTOLM_MLFLOW": "env"}) is None


@pytest.mark.parametrize(
    ("given", "environ"),
    [
        (HOST, {}),
        ("env", {"MLFLOW_TRACKING_URI": HOST}),
        (None, {"XAUTOLM_MLFLOW": HOST}),
        (None, {"XAUTOLM_MLFLOW": "env", "MLFLOW_TRACKING_URI": HOST}),
    ],
)
def test_who_says_so_is_heard(given: str | None, environ: dict[str, str]) -> None:
    found = tracking_settings(given, environ)
    assert found == TrackingSettings(tracking_uri=HOST)
    assert found is not None
    assert found.environment() == {"MLFLOW_TRACKING_URI": HOST}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("env", "MLFLOW_TRACKING_URI is not set"),
        ("mlflow.test:5000", "no address"),
        ("http://", "no address"),
        ("ftp://mlflow.test", "no address"),
        ("http://[1", "no address"),
        ("https://me:secret@mlflow.test", "holds a password"),
        ("https://secret@mlflow.test/x", "holds a password"),
        ("postgresql://db.test/mlflow?user=me&password=secret", "holds a password"),
        ("mysql://db.test/mlflow?sslpassword=secret", "holds a password"),
        ("mssql+pyodbc:///?odbc_connect=PWD%3Dsecret", "holds a password"),
        ("mongodb://secret@db.test/x", "no address"),
    ],
)
def test_a_wrong_address_is_refused_without_the_password(given: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        tracking_settings(given, {})
    assert "secret" not in str(caught.value)
    assert caught.value.hint


def test_a_file_is_the_same_wherever_it_is_sent_to(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = tracking_settings("sqlite:///mlflow.db", {})
    assert found is not None
    assert found.tracking_uri == f"sqlite:///{tmp_path}/mlflow.db"


def test_the_password_of_a_database_is_never_kept(tmp_path) -> None:
    uri = "postgresql://me:secret@db.test/mlflow"
    found = tracking_settings("env", {"MLFLOW_TRACKING_URI": uri})
    assert found is not None
    assert found.tracking_uri is None
    assert "MLFLOW_TRACKING_URI" not in found.environment()  # what is set stays
    write_settings(found, tmp_path)
    assert "secret" not in (tmp_path / settings.SETTINGS_FILE).read_text()


@pytest.mark.parametrize(
    "uri", ["https://secret@mlflow.test", "postgresql://db.test/m?user=me&password=secret"]
)
def test_a_credential_elsewhere_in_the_environments_address_is_not_kept(uri: str) -> None:
    found = tracking_settings("env", {"MLFLOW_TRACKING_URI": uri})
    assert found == TrackingSettings()


def test_a_wrong_address_in_the_environment_is_refused_without_its_password() -> None:
    environ = {"MLFLOW_TRACKING_URI": "mongodb://me:topsecret@db.test/x"}
    with pytest.raises(ConfigError, match="no address") as caught:
        tracking_settings("env", environ)
    assert "topsecret" not in str(caught.value)
    assert "MLFLOW_TRACKING_URI" in str(caught.value)


@pytest.mark.parametrize(
    "endpoint", ["https://me:secret@mlflow.test", "https://secret@mlflow.test"]
)
def test_a_platforms_address_with_a_password_is_refused(endpoint: str) -> None:
    environ = {"KFP_MLFLOW_CONFIG": json.dumps({**PLATFORM, "endpoint": endpoint})}
    with pytest.raises(ConfigError, match="KFP_MLFLOW_CONFIG: the address holds a pass") as caught:
        platform_settings(environ)
    assert "secret" not in str(caught.value)


def test_without_the_client_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "has_client", lambda: False)
    with pytest.raises(MissingExtraError, match=r"xautolm\[mlflow\]"):
        tracking_settings(HOST, {})
    assert tracking_settings(None, {}) is None


def test_what_a_pipelines_platform_says() -> None:
    found = platform_settings({"KFP_MLFLOW_CONFIG": json.dumps(PLATFORM)})
    assert found == TrackingSettings(
        tracking_uri="https://mlflow.test",
        experiment_id="7",
        parent_run="r1",
        workspace="team-a",
        auth="kubernetes",
    )
    assert found.environment()["MLFLOW_WORKSPACE"] == "team-a"
    assert found.environment()["MLFLOW_TRACKING_AUTH"] == "kubernetes"


def test_injected_variables_go_before_the_platforms_own() -> None:
    environ = {
        "KFP_MLFLOW_CONFIG": json.dumps(PLATFORM),
        "MLFLOW_TRACKING_URI": HOST,
        "MLFLOW_RUN_ID": "step",
        "MLFLOW_EXPERIMENT_ID": "9",
    }
    found = platform_settings(environ)
    assert found is not None
    assert (found.tracking_uri, found.parent_run, found.experiment_id) == (HOST, "step", "9")
    assert platform_settings({**environ, "XAUTOLM_MLFLOW": "off"}) is None


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"endpoint": ""}', '{"endpoint": {}}', "null"])
def test_a_platform_that_says_nothing_of_use_is_no_fault(text: str) -> None:
    assert platform_settings({"KFP_MLFLOW_CONFIG": text}) is None


def test_a_resume_is_tracked_where_the_search_was(tmp_path) -> None:
    assert read_settings(tmp_path) is None
    kept = TrackingSettings(tracking_uri=HOST, parent_run="r1")
    write_settings(kept, tmp_path)
    assert resumed_settings(None, {}, tmp_path) == kept
    assert resumed_settings("off", {}, tmp_path) is None
    other = resumed_settings("sqlite:////x.db", {}, tmp_path)
    assert other == TrackingSettings(tracking_uri="sqlite:////x.db")
    (tmp_path / settings.SETTINGS_FILE).write_text("{")
    with pytest.raises(ConfigError, match="damaged"):
        resumed_settings(None, {}, tmp_path)
