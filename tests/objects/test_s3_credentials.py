"""Credentials in mounted files, and lent by the platform."""

from __future__ import annotations

import json
import os
import threading
import traceback
from collections.abc import Iterator
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.servers.fixtures import S3Server
from xautolm_core.errors import ConfigError
from xautolm_core.objects.s3 import S3Objects
from xautolm_core.objects.s3_credentials import MountedKeys
from xautolm_core.objects.s3_settings import read_s3_settings

pytest.importorskip("minio")

SECRET = "a-very-secret-key"
TOKEN = "pods-own-token"


@pytest.mark.parametrize(
    "names",
    [
        ("accesskey", "secretkey", "sessiontoken"),
        ("access_key", "secret_key", "session_token"),
        ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
        ("access-key", "secret-key", "session-token"),
    ],
)
def test_a_folder_of_keys_is_read(tmp_path: Path, names: tuple[str, str, str]) -> None:
    for name, value in zip(names, ("someone", SECRET, "token"), strict=True):
        (tmp_path / name).write_text(f"{value}\n")
    (tmp_path / "config.bin").write_bytes(b"\xff" * 100_000)
    mounted = MountedKeys(tmp_path)
    keys = mounted.retrieve()
    assert (keys.access_key, keys.secret_key, keys.session_token) == ("someone", SECRET, "token")
    assert SECRET not in repr(mounted)


def test_a_credentials_file_of_aws_is_read(tmp_path: Path) -> None:
    file = tmp_path / "credentials"
    file.write_text(
        "[default]\naws_access_key_id = someone\naws_secret_access_key = a%b=c\n"
        "[team]\naws_access_key_id=other\naws_secret_access_key=d\naws_session_token=t\n"
    )
    keys, team = MountedKeys(file).retrieve(), MountedKeys(file, "team").retrieve()
    assert (keys.access_key, keys.secret_key, keys.session_token) == ("someone", "a%b=c", None)
    assert (team.access_key, team.session_token) == ("other", "t")
    found = read_s3_settings(f"s3://bucket?credentials_file={file}&profile=team", {})
    assert found.credentials.retrieve().access_key == "other"


@pytest.mark.parametrize(
    "content",
    [
        f"aws_secret_access_key = {SECRET}\n",
        f"[default]\n{SECRET}\n",
        f"[default]\naws_secret_access_key = {SECRET}\n",
        f"[default]\naws_access_key_id = a b {SECRET}\naws_secret_access_key = {SECRET}\n",
        f"[other]\naws_access_key_id = a\naws_secret_access_key = {SECRET}\n",
        "x" * 70_000,
        b"\xff\xfe",
    ],
)
def test_a_file_that_cannot_be_used_is_named_without_its_content(
    tmp_path: Path, content: str | bytes
) -> None:
    file = tmp_path / "credentials"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigError) as caught:
        MountedKeys(file).retrieve()
    assert SECRET not in str(caught.value)


def test_an_absent_file_is_told_and_an_empty_one_passed_over(tmp_path: Path) -> None:
    environment = {"AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "absent")}
    with pytest.raises(ConfigError, match="absent"):
        read_s3_settings("s3://bucket", environment)
    # An optional secret of Kubernetes that is not there is an empty folder.
    (tmp_path / "empty").mkdir()
    aws = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    found = read_s3_settings(f"s3://bucket?credentials_file={tmp_path}/empty", aws)
    assert found.credentials.retrieve().access_key == "a"
    with pytest.raises(ConfigError, match="missing"):
        read_s3_settings(f"s3://bucket?credentials_file={tmp_path}/empty", {})


def test_a_file_that_is_cut_before_it_is_written_anew_keeps_its_keys(tmp_path: Path) -> None:
    file = tmp_path / "credentials"
    keys = "[default]\naws_access_key_id = a\naws_secret_access_key = {}\n"
    file.write_text(keys.format("old"))
    mounted = MountedKeys(file)
    assert mounted.retrieve().secret_key == "old"
    file.write_text("")
    assert mounted.retrieve().secret_key == "old"
    file.write_text(keys.format("new"))
    assert mounted.retrieve().secret_key == "new"


def test_the_file_in_the_address_counts_more_than_keys_in_the_environment(tmp_path: Path) -> None:
    (tmp_path / "accesskey").write_text("mounted")
    (tmp_path / "secretkey").write_text("x")
    aws = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    found = read_s3_settings(f"s3://bucket?credentials_file={tmp_path}", aws)
    assert found.credentials.retrieve().access_key == "mounted"
    variables = aws | {"XAUTOLM_S3_CREDENTIALS_FILE": str(tmp_path)}
    assert read_s3_settings("s3://bucket", variables).credentials.retrieve().access_key == "a"


def test_changed_files_are_read_again_and_half_changed_ones_not(tmp_path: Path) -> None:
    file = tmp_path / "credentials"
    text = "[default]\naws_access_key_id = {}\naws_secret_access_key = x\n"

    def replace(content: str) -> None:
        (tmp_path / "new").write_text(content)
        (tmp_path / "new").replace(file)

    replace(text.format("one"))
    chain = read_s3_settings(f"s3://bucket?credentials_file={file}", {}).credentials
    for change, expected in (
        (lambda: None, "one"),
        (lambda: replace(text.format("two")), "two"),
        (lambda: replace("[default]\naws_access_key_id = three\n"), "two"),
        (file.unlink, "two"),
        (lambda: replace(text.format("four")), "four"),
    ):
        change()
        assert chain.retrieve().access_key == expected


class Lender:
    """Lends the keys of a server as a platform does: over HTTP, for a while.

    It speaks the containers' credentials protocol (GET) and that of STS for web identities (POST).
    """

    def __init__(self, server: S3Server, token: str) -> None:
        self.requests: list[tuple[str, str]] = []
        self.life = timedelta(hours=1)
        self.refuse = False
        self.busy = 0
        lender = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                keys = {
                    "AccessKeyId": server.access_key,
                    "SecretAccessKey": server.secret_key,
                    "Token": "",
                    "Expiration": lender.expiration,
                }
                self.answer(json.dumps(keys), self.headers.get("Authorization") == token)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                text = (
                    "<AssumeRoleWithWebIdentityResponse xmlns="
                    '"https://sts.amazonaws.com/doc/2011-06-15/">'
                    "<AssumeRoleWithWebIdentityResult><Credentials>"
                    f"<AccessKeyId>{server.access_key}</AccessKeyId>"
                    f"<SecretAccessKey>{server.secret_key}</SecretAccessKey>"
                    f"<SessionToken></SessionToken><Expiration>{lender.expiration}</Expiration>"
                    "</Credentials></AssumeRoleWithWebIdentityResult>"
                    "</AssumeRoleWithWebIdentityResponse>"
                )
                self.answer(text, f"WebIdentityToken={token}" in body)

            def answer(self, text: str, allowed: bool) -> None:
                lender.requests.append((self.command, self.path))
                status = 200 if allowed and not lender.refuse else 403
                if lender.busy:
                    lender.busy, status = lender.busy - 1, 503
                self.send_response(status)
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    @property
    def expiration(self) -> str:
        return (datetime.now(UTC) + self.life).strftime("%Y-%m-%dT%H:%M:%SZ")

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def lender(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lender]:
    for name in [name for name in os.environ if name.startswith(("AWS_", "XAUTOLM_S3"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XAUTOLM_S3_ENDPOINT", s3_server.endpoint)
    lender = Lender(s3_server, TOKEN)
    yield lender
    lender.stop()


@pytest.mark.s3
@pytest.mark.parametrize("way", ["container", "web identity"])
def test_the_platforms_keys_are_lent_and_renewed(
    lender: Lender, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    token = tmp_path / "token"
    token.write_text(TOKEN)
    if way == "container":
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{lender.address}/keys")
        monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(token))
    else:
        monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(token))
        monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::1:role/trial")
        monkeypatch.setenv("XAUTOLM_S3_STS_ENDPOINT", f"{lender.address}/sts")
    storage = S3Objects.from_uri(f"s3://{bucket}")
    assert lender.requests == []
    lender.busy = 2  # and what is busy is asked again, as a server of S3 is
    assert dict(storage.get_many(f"{number}" for number in range(16))) == {}
    storage.put("key", b"x")
    assert storage.get("key") == b"x"
    # Lent once, whoever asks, and asked for again when they are about to expire.
    assert len(lender.requests) == 3
    assert TOKEN not in str(lender.requests)
    lender.life = timedelta(seconds=5)
    storage = S3Objects.from_uri(f"s3://{bucket}")
    assert storage.get("key") == b"x"
    assert storage.get("key") == b"x"
    assert len(lender.requests) >= 5


@pytest.mark.s3
def test_a_platform_that_lends_nothing_is_told_without_the_token(
    lender: Lender, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text(TOKEN)
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::1:role/trial")
    monkeypatch.setenv("XAUTOLM_S3_STS_ENDPOINT", lender.address)
    lender.refuse = True
    storage = S3Objects.from_uri(f"s3://{bucket}")
    for act in (lambda: storage.get("key"), lambda: list(storage.get_many(["a", "b"]))):
        with pytest.raises(ConfigError, match="provides no") as caught:
            act()
        assert TOKEN not in "".join(traceback.format_exception(caught.value))
