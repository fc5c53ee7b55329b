"""Where S3 settings come from, which one counts, and that no secret is shown."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from xautolm_core.errors import ConfigError
from xautolm_core.errors import StoreError
from xautolm_core.errors import XautolmError
from xautolm_core.objects.s3 import S3Objects
from xautolm_core.objects.s3_settings import RETRY_SECONDS
from xautolm_core.objects.s3_settings import join_s3_uri
from xautolm_core.objects.s3_settings import read_s3_settings

pytest.importorskip("minio")

SECRET = "a-very-secret-key"
KEYS = {"XAUTOLM_S3_ACCESS_KEY": "someone", "XAUTOLM_S3_SECRET_KEY": SECRET}


def test_an_address_alone_is_aws_with_the_environments_keys() -> None:
    found = read_s3_settings("s3://bucket/some/prefix/", KEYS)
    assert (found.bucket, found.prefix) == ("bucket", "some/prefix")
    assert found.endpoint == "https://s3.amazonaws.com"
    assert found.region is found.ca_bundle is found.path_style is None
    assert found.retry_seconds == RETRY_SECONDS
    assert found.credentials.retrieve().secret_key == SECRET
    assert SECRET not in repr(found)


def test_the_address_says_everything() -> None:
    found = read_s3_settings(
        "s3://bucket/prefix?endpoint=https%3A%2F%2Fhost:9000/&region=eu-west-1"
        "&ca_bundle=/some/a%20b+c.pem&path_style=true&retry_seconds=5&timeout_seconds=2.5",
        KEYS,
    )
    assert found.endpoint == "https://host:9000"
    assert found.region == "eu-west-1"
    assert found.ca_bundle == Path("/some/a b+c.pem")
    assert found.path_style is True
    assert (found.retry_seconds, found.timeout_seconds) == (5.0, 2.5)


def test_the_address_counts_more_than_the_file_and_that_more_than_the_environment(
    tmp_path: Path,
) -> None:
    file = tmp_path / "s3.yaml"
    file.write_text("endpoint: http://file:1\nregion: file\nca_bundle: ca.pem\npath_style: false\n")
    environment = KEYS | {
        "XAUTOLM_S3_SETTINGS": str(file),
        "XAUTOLM_S3_ENDPOINT": "http://environment:1",
        "AWS_REGION": "environment",
        "XAUTOLM_S3_RETRY_SECONDS": "7",
        "XAUTOLM_S3_PATH_STYLE": "true",
    }
    found = read_s3_settings("s3://bucket?endpoint=http://address:1", environment)
    assert found.endpoint == "http://address:1"
    assert found.region == "file"
    assert found.path_style is False
    assert found.retry_seconds == 7
    # A path in a file is relative to the file.
    assert found.ca_bundle == tmp_path / "ca.pem"
    other = tmp_path / "other.yaml"
    other.write_text("endpoint: http://other:1\n")
    found = read_s3_settings(f"s3://bucket?settings={other}", environment)
    assert (found.endpoint, found.region) == ("http://other:1", "environment")


def test_our_variables_count_more_than_those_of_aws() -> None:
    environment = {
        "AWS_ENDPOINT_URL": "http://aws:1",
        "AWS_ENDPOINT_URL_S3": "http://aws-s3:1",
        "AWS_ACCESS_KEY_ID": "other",
        "AWS_SECRET_ACCESS_KEY": "other-secret",
        "AWS_SESSION_TOKEN": "other-token",
    }
    found = read_s3_settings("s3://bucket", environment)
    assert found.endpoint == "http://aws-s3:1"
    assert found.credentials.retrieve().session_token == "other-token"
    found = read_s3_settings("s3://bucket", environment | KEYS)
    # The token belongs to the other keys.
    assert found.credentials.retrieve().session_token is None
    assert found.credentials.retrieve().access_key == "someone"


def test_keys_may_stand_in_a_file_that_nobody_else_reads(tmp_path: Path) -> None:
    file = tmp_path / "s3.yaml"
    file.write_text(f"access_key: filed\nsecret_key: {SECRET}\n")
    file.chmod(0o600)
    other = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    found = read_s3_settings(f"s3://bucket?settings={file}", other)
    assert found.credentials.retrieve().access_key == "filed"
    assert SECRET not in repr(found) + repr(vars(found.credentials))
    for mode in (0o640, 0o604):
        file.chmod(mode)
        with pytest.raises(ConfigError, match="chmod 600") as caught:
            read_s3_settings(f"s3://bucket?settings={file}", other)
        assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("endpiont: http://host:1\n", "endpiont"),
        ("path_style: perhaps\n", "path_style"),
        ("retry_seconds: -1\n", "retry_seconds"),
        ("retry_seconds: .nan\n", "retry_seconds"),
        ("timeout_seconds: 0\n", "timeout_seconds"),
        ("region: [a]\n", "region"),
        ("region: 'no region'\n", "region"),
        ("endpoint: host:9000\n", "endpoint"),
        ("a: b: c\n", "line 1"),
        ("- endpoint\n", "settings"),
        ("", "settings"),
        ("!!python/object/apply:os.system [ls]\n", "YAML"),
    ],
)
def test_mistakes_in_a_file_are_named(tmp_path: Path, content: str, named: str) -> None:
    file = tmp_path / "s3.yaml"
    file.write_text(content)
    with pytest.raises(ConfigError) as caught:
        read_s3_settings("s3://bucket", KEYS | {"XAUTOLM_S3_SETTINGS": str(file)})
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)
    if named != "endpoint":
        assert "s3.yaml" in str(caught.value)


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.yaml"):
        read_s3_settings(f"s3://bucket?settings={tmp_path}/absent.yaml", KEYS)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("XAUTOLM_S3_PATH_STYLE", "perhaps"),
        ("XAUTOLM_S3_RETRY_SECONDS", "soon"),
        ("AWS_REGION", "no region"),
        ("XAUTOLM_S3_IAM", "who"),
    ],
)
def test_mistakes_in_the_environment_name_the_variable(variable: str, value: str) -> None:
    with pytest.raises(ConfigError, match=variable):
        read_s3_settings("s3://bucket", KEYS | {variable: value})


@pytest.mark.parametrize(
    "uri",
    [
        "http://bucket",
        "s3://",
        "s3:///prefix",
        "s3://key:secret@bucket/prefix",
        "s3://bucket:9000/prefix",
        "s3://[bucket",
        "s3://b",
        "s3://ab..cd",
        "s3://ab.-cd/prefix",
        "s3://ab-.cd",
        "s3://10.0.0.7/bucket",
        "s3://name-s3alias/prefix",
        "s3://bucket/prefix#part",
        "s3://bucket?endpoint",
        "s3://bucket?endpoint=",
        "s3://bucket?region=a&region=b",
        "s3://bucket?access_key=secret",
        "s3://bucket?secret_key=secret",
        "s3://bucket?X-Amz-Security-Token=secret",
        "s3://bucket?endpoint=https://key:secret@host",
        "s3://bucket?endpoint=https://host:0x1",
        "s3://bucket?endpoint=https://host/path",
        "s3://bucket?endpoint=ftp://host",
    ],
)
def test_malformed_addresses_are_refused(uri: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_s3_settings(uri, KEYS)
    assert "secret " not in str(caught.value).replace("a secret", "")


def test_a_host_in_the_place_of_the_bucket_is_told_where_it_belongs() -> None:
    with pytest.raises(ConfigError, match=r"endpoint=https://host:9000"):
        read_s3_settings("s3://10.0.0.7/bucket/prefix", KEYS)


@pytest.mark.parametrize("bucket", ["a.b-c.d", "old_Bucket", "1.2.3", "x" * 63])
def test_names_that_servers_take_are_taken(bucket: str) -> None:
    assert read_s3_settings(f"s3://{bucket}/prefix", KEYS).bucket == bucket


def test_an_unknown_setting_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(ConfigError, match="'regoin'") as caught:
        read_s3_settings("s3://bucket?regoin=here", KEYS)
    assert "region, retry_seconds" in caught.value.hint


@pytest.mark.parametrize("prefix", ["a/../b", "a//b", "a/./b"])
def test_prefixes_are_checked_like_keys(prefix: str) -> None:
    with pytest.raises(StoreError):
        read_s3_settings(f"s3://bucket/{prefix}", KEYS)


@pytest.mark.parametrize("left_out", sorted(KEYS))
def test_half_a_pair_of_keys_names_the_other_half(left_out: str) -> None:
    variables = {k: v for k, v in KEYS.items() if k != left_out}
    aws = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    with pytest.raises(ConfigError, match=left_out):
        read_s3_settings("s3://bucket", variables | aws)


def test_an_address_with_settings_can_be_extended() -> None:
    assert join_s3_uri("s3://b/p/?region=x", "org/name") == "s3://b/p/org/name?region=x"
    assert join_s3_uri("s3://b", "name") == "s3://b/name"


@pytest.mark.parametrize(
    ("path_style", "host", "path"),
    [
        ("", "host:9000", "/bucket/prefix/key"),
        ("true", "host:9000", "/bucket/prefix/key"),
        ("false", "bucket.host:9000", "/prefix/key"),
    ],
)
def test_the_bucket_stands_where_path_style_says(path_style: str, host: str, path: str) -> None:
    environment = KEYS | {"XAUTOLM_S3_PATH_STYLE": path_style, "AWS_REGION": "here"}
    client = S3Objects.from_uri("s3://bucket/prefix?endpoint=http://host:9000", environment)._client
    url = client._base_url.build(
        method="GET", region="here", bucket_name="bucket", object_name="prefix/key"
    )
    assert (url.netloc, url.path) == (host, path)


# The beginning keeps the words of our own messages from being taken for secrets.
SECRETS = st.text(
    st.characters(min_codepoint=33, max_codepoint=0x2FF), min_size=10, max_size=60
).map("Zq7".__add__)


@given(secret=SECRETS, place=st.sampled_from(range(12)))
@settings(max_examples=150, deadline=None)
def test_no_secret_is_shown_wherever_it_was_put(
    tmp_path_factory: pytest.TempPathFactory, secret: str, place: int
) -> None:
    folder = tmp_path_factory.mktemp("secret")
    file = folder / "file"
    variables = dict(KEYS)
    uri = "s3://bucket/prefix"
    if place < 4:
        uri = (
            f"s3://someone:{secret}@bucket/prefix",
            f"s3://bucket/prefix?secret_key={secret}",
            f"s3://bucket/prefix?endpoint=https://someone:{secret}@host:1",
            f"s3://bucket/prefix?{secret}",
        )[place]
    elif place < 8:
        content = (
            f"secret_key: {secret!r}\n",
            f"secretkey: {secret}\n",
            f"access_key: someone\n  secret_key: {secret}\n",
            f"access_key: [{secret}]\nsecret_key: {{a: {secret}}}\n",
        )[place - 4]
        file.write_text(content)
        uri += f"?settings={file}"
    elif place < 10:
        content = (
            f"aws_secret_access_key = {secret}\naws_access_key_id = someone\n",
            f"[default]\naws_access_key_id = {secret}\n",
        )[place - 8]
        file.write_text(content)
        uri += f"?credentials_file={file}"
    else:
        name = ("XAUTOLM_S3_ENDPOINT", "XAUTOLM_S3_ACCESS_KEY")[place - 10]
        variables[name] = f"https://u:{secret}@h" if place == 10 else f"{secret}\n{secret}"
    try:
        shown = repr(read_s3_settings(uri, variables))
    except XautolmError as error:
        shown = "".join(traceback.format_exception(error))
    assert secret not in shown
