from __future__ import annotations

from pathlib import Path

import pytest

from xautolm_core.errors import ConfigError
from xautolm_pipelines.connection import IN_CLUSTER_ENDPOINT
from xautolm_pipelines.connection import resolve

TOKEN = "eyJ-s3cr3t"


@pytest.mark.parametrize(
    ("given", "endpoint"),
    [
        ("https://kf.example.com/pipeline/", "https://kf.example.com/pipeline"),
        ("kf.example.com", "https://kf.example.com"),
        ("localhost:8888", "http://localhost:8888"),
        ("http://[::1]:80/apis/v2beta1", "http://[::1]:80"),
    ],
)
def test_endpoints(given: str, endpoint: str) -> None:
    assert resolve(endpoint=given).endpoint == endpoint


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("ftp://kf.example.com", "not an http"),
        ("https://", "not an http"),
        ("http://a:b:c", "not an http"),
        (f"https://me:{TOKEN}@kf.example.com", "a password"),
        ("https://kf.example.com/?token=1", "a query"),
    ],
)
def test_bad_endpoints(given: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        resolve(endpoint=given)
    assert TOKEN not in str(caught.value)


def test_no_endpoint() -> None:
    with pytest.raises(ConfigError, match="Give --endpoint"):
        resolve()


def test_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XAUTOLM_KFP_HOST", "https://kf.example.com")
    monkeypatch.setenv("XAUTOLM_KFP_NAMESPACE", "team-a")
    monkeypatch.setenv("XAUTOLM_KFP_TOKEN", TOKEN)
    monkeypatch.setenv("XAUTOLM_KFP_UI", "https://ui.example.com/_/pipeline/")
    connection = resolve()
    assert (connection.endpoint, connection.namespace) == ("https://kf.example.com", "team-a")
    assert connection.bearer() == TOKEN
    assert TOKEN not in repr(connection)
    assert connection.run_link("1") == "https://ui.example.com/_/pipeline/#/runs/details/1"


def test_a_token_file_is_read_anew(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("one\n")
    connection = resolve(endpoint="https://kf.example.com", token_file=file)
    assert connection.bearer() == "one"
    file.write_text("two\n")
    assert connection.bearer() == "two"
    file.write_text("Bearer two")
    with pytest.raises(ConfigError, match="holds no token") as caught:
        connection.bearer()
    assert "two" not in str(caught.value)
    file.unlink()
    with pytest.raises(ConfigError, match="cannot be read"):
        connection.bearer()


def test_the_service_account_token_stays_in_the_cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "projected").write_text(TOKEN)
    monkeypatch.setenv("KF_PIPELINES_SA_TOKEN_PATH", str(tmp_path / "projected"))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    assert resolve().endpoint == IN_CLUSTER_ENDPOINT
    assert resolve().bearer() == TOKEN
    assert resolve(endpoint="http://ml-pipeline:8888").bearer() == TOKEN
    assert resolve(endpoint="https://kf.example.com").bearer() == ""


def test_bad_namespaces_and_authorities(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not a name of a namespace"):
        resolve(endpoint="localhost", namespace="Team A")
    with pytest.raises(ConfigError, match="there is no file"):
        resolve(endpoint="localhost", ca_file=tmp_path / "none.pem")
