"""Nothing forbidden reaches the bytes of an experience, whichever field it is put in."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from tests.experience.samples import complete_sample
from xautolm_core.errors import StoreError
from xautolm_core.experience.codec import encode
from xautolm_core.experience.policy import TenantPolicy
from xautolm_core.experience.scrub import scrub_experience
from xautolm_core.records.experience import Experience

HOSTNAME = "trainer-node-17"
OWN_SECRET = "correct horse battery staple 99"
OWN_TOKEN = "qwertzuiopasdf"

MESSAGE = ("failure", "message")
KEY = "key of "
MODEL_PLACES = (("configuration", "model"), ("configuration", "parameters", "lr_scheduler"))

mark = st.text("bcdfghjkmnpqrstvwxz", min_size=6, max_size=12).map(lambda text: f"zq{text}")
digits = "0123456789"
upper = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
lower = upper.lower()


def token(alphabet: str, low: int, high: int) -> st.SearchStrategy[str]:
    return st.text(alphabet, min_size=low, max_size=high)


secrets = st.one_of(
    token(upper + digits, 16, 16).map(lambda t: (f"AKIA{t}", t)),
    token(upper + lower + digits, 36, 36).map(lambda t: (f"ghp_A{t}", t)),
    token(upper + lower, 30, 34).map(lambda t: (f"hf_A{t}", t)),
    token(upper + lower + digits, 20, 40).map(lambda t: (f"glpat-A1{t}", t)),
    st.tuples(mark, mark, mark).map(
        lambda t: (f"eyJhbGciOi{t[0]}.eyJzdWIi{t[1]}.{t[2]}", "".join(t[1]))
    ),
    mark.map(lambda t: (f"password={t}", t)),
    mark.map(lambda t: (f'"db_password": "{t} {t}"', t)),
    mark.map(lambda t: (f"MINIO_ROOT_PASSWORD: {t}!", t)),
    mark.map(lambda t: (f"aws_secret_access_key = {t}", t)),
    mark.map(lambda t: (f"token={t}", t)),
    mark.map(lambda t: (f"api-key: '{t}'", t)),
    mark.map(lambda t: (f"Authorization: Bearer {t}", t)),
    mark.map(lambda t: (f"authorization: {t}", t)),
    mark.map(lambda t: (f"Bearer {t}1", t)),
    mark.map(lambda t: (f"https://{t}:{t}@store.example.org/x", t)),
    mark.map(lambda t: (f"postgresql://admin:{t}@db/x", t)),
    mark.map(lambda t: (f"root:{t}@db", t)),
    mark.map(
        lambda t: (f"-----BEGIN RSA PRIVATE KEY-----\n{t}\n{t}\n-----END RSA PRIVATE KEY-----", t)
    ),
    mark.map(lambda t: (f"-----BEGIN PRIVATE KEY-----{t}", t)),
    st.just((OWN_SECRET, OWN_SECRET)),
    st.just((OWN_TOKEN, OWN_TOKEN)),
    # The two secrets of this process, cut off by whoever made the message.
    st.just((OWN_TOKEN[:10], OWN_TOKEN[:10])),
)
paths = st.one_of(
    mark.map(lambda t: (f"/home/{t}/models/bert", t)),
    mark.map(lambda t: (f"/{t}", t)),
    mark.map(lambda t: (f"./{t}", t)),
    mark.map(lambda t: (f"../{t}/x", t)),
    mark.map(lambda t: (f"~/{t}", t)),
    mark.map(lambda t: (f"~{t}/x", t)),
    mark.map(lambda t: (f"$HOME/{t}", t)),
    mark.map(lambda t: (f"C:\\Users\\{t}\\model", t)),
    mark.map(lambda t: (f"C:/Users/{t}", t)),
    mark.map(lambda t: (f"\\\\server\\{t}", t)),
    mark.map(lambda t: (f"data\\{t}\\train.csv", t)),
    mark.map(lambda t: (f"file://{t}/x", t)),
    mark.map(lambda t: (f"file:///srv/{t}", t)),
    mark.map(lambda t: (f"s3://bucket/{t}", t)),
)
hosts = st.one_of(
    mark.map(lambda t: (f"{t}.cluster.local", t)),
    mark.map(lambda t: (f"{t}.example.com", t)),
    mark.map(lambda t: (f"gpu-7.{t}.corp:8080", t)),
    mark.map(lambda t: (f"www.{t}.de", t)),
    mark.map(lambda t: (f"{t}:9000", t)),
    st.just(("10.20.30.41", "10.20.30.41")),
    st.just(("10.20.30.41:9000", "10.20.30.41")),
    st.just(("fe80::1ff:fe23:4567:890a", "4567")),
)
texts = st.lists(mark, min_size=7, max_size=30).map(
    lambda words: (" ".join(words), " ".join(words[:3]))
)
forbidden = st.one_of(secrets, paths, hosts, st.just((HOSTNAME, HOSTNAME)))


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield where strings are, keys of mappings that are no fields included."""
    if isinstance(value, str):
        yield path
    elif isinstance(value, dict):
        for key, inner in value.items():
            if path and (path[-1] in OPEN or path[-1] == "scores"):
                yield (*path, KEY + key)
            yield from places(inner, (*path, key))
    elif isinstance(value, (list, tuple)):
        for index, inner in enumerate(value):
            yield from places(inner, (*path, index))


OPEN = {
    "values",
    "units",
    "facts",
    "parameters",
    "model_descriptor",
    "seconds",
    "versions",
    "provenance",
}
CONTENT = complete_sample().model_dump(mode="python")
if "provenance" in CONTENT:
    CONTENT["provenance"] = CONTENT["provenance"] or {"source_path": "store/a.json"}
# Outcome and the classes of energy are enumerations: see the test of wrong types.
PLACES = [
    place
    for place in places(CONTENT)
    if place != ("outcome",) and place[-1] not in ("component", "quality")
]


def with_string(place: tuple[Any, ...], text: str) -> Experience:
    content = copy.deepcopy(CONTENT)
    holder: Any = content
    for step in place[:-1]:
        if isinstance(holder[step], tuple):
            holder[step] = list(holder[step])
        holder = holder[step]
    last = place[-1]
    if isinstance(last, str) and last.startswith(KEY):
        holder[text] = holder.pop(last.removeprefix(KEY))
    else:
        holder[last] = text
    return Experience.model_validate(content)


def kept_bytes(place: tuple[Any, ...], text: str) -> bytes:
    """Return the bytes that would be kept, empty if it is refused."""
    try:
        clean = scrub_experience(with_string(place, text))
    except StoreError as error:
        assert place in (("id",), ("tenant",))
        return str(error).encode()
    assert scrub_experience(clean) == clean
    return encode(clean)


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: HOSTNAME)
    monkeypatch.delenv("HOSTNAME", raising=False)
    monkeypatch.setenv("TEAM_DB_PASSWORD", OWN_SECRET)
    monkeypatch.setenv("TRACKING_API_TOKEN", OWN_TOKEN)


several = settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def ids(place: tuple[Any, ...]) -> str:
    return ".".join(map(str, place))


def check_is_not_kept(place: tuple[Any, ...], text: str, core: str) -> None:
    if text == HOSTNAME and place in MODEL_PLACES:
        return  # a machine may be called like a model
    if place == ("tenant",) and not text.startswith(("AKIA", "ghp_", "hf_", "glpat", OWN_TOKEN)):
        return  # what else can stand in a tenant's name is its user's choice
    assert core.encode() not in kept_bytes(place, text)


def test_every_kind_of_string_field_is_tried() -> None:
    assert len(PLACES) >= 40
    assert {place[0] for place in PLACES} >= {
        name for name, field in Experience.model_fields.items() if field.annotation is str
    }
    assert MESSAGE in PLACES


SOME = (
    ("AKIAIOSFODNN7EXAMPLE", "IOSFODNN7EXAMPLE"),
    ("wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY12", "nFEMIK7MDENG"),
    ("ghp_16C7e42F292c6912E7710c838347Ae178B4a", "292c6912"),
    ("hf_AbCdEfGhIjKlMnOpQrStUvWxYz012345", "IjKlMnOp"),
    ("password=zqhunter", "zqhunter"),
    ("Authorization: Bearer zqhunter77", "zqhunter"),
    ("https://zquser:zqpw@10.1.2.3/x", "zq"),
    ("-----BEGIN PRIVATE KEY-----\nzqabc", "zqabc"),
    (OWN_SECRET, "horse"),
    (OWN_TOKEN, OWN_TOKEN),
    (HOSTNAME, HOSTNAME),
    ("10.20.30.41:9000", "10.20.30.41"),
    ("10.20.30.41", "10.20.30.41"),
    ("zqnode.cluster.local", "zqnode"),
    ("/home/zqjane/models/bert", "zqjane"),
    ("./zqjane", "zqjane"),
    ("../zqjane/x", "zqjane"),
    ("~/zqjane", "zqjane"),
    ("C:\\Users\\zqjane", "zqjane"),
    ("file:///srv/zqjane", "zqjane"),
    ("'The service of zqjane was awful, and I want all of my money back!'", "service"),
    ("ünïcode\x00\ud800 'zq zq zq zq zq zq zq zq zq zq zq zq zq'", "zq"),
)


@pytest.mark.parametrize("place", PLACES, ids=ids)
def test_no_field_keeps_what_is_forbidden(place: tuple[Any, ...]) -> None:
    for text, core in SOME:
        check_is_not_kept(place, text, core)


@given(place=st.sampled_from(PLACES), found=forbidden)
@several
def test_no_credential_path_or_host_is_kept(place: tuple[Any, ...], found: tuple[str, str]) -> None:
    check_is_not_kept(place, *found)


@given(place=st.sampled_from([p for p in PLACES if p != MESSAGE]), found=texts)
@several
def test_no_text_is_kept_in_a_name(place: tuple[Any, ...], found: tuple[str, str]) -> None:
    text, core = found
    assert core.encode() not in kept_bytes(place, text)


@given(place=st.sampled_from(PLACES), text=st.text(max_size=400))
@several
def test_scrubbing_again_changes_nothing(place: tuple[Any, ...], text: str) -> None:
    kept_bytes(place, text)


@given(
    before=st.sampled_from(["", "cannot parse ", "KeyError: ", "bad row: x=", "(", "at 3, "]),
    found=forbidden,
    after=st.sampled_from(["", " (code 3)", ", retry", ")", ".", " and \n more", "..."]),
)
@several
def test_nothing_forbidden_stays_within_a_message(
    before: str, found: tuple[str, str], after: str
) -> None:
    text, core = found
    if core == OWN_TOKEN[:10] and after not in ("", ".", "..."):
        return
    assert core.encode() not in kept_bytes(MESSAGE, f"{before}{text}{after}")


@given(
    found=texts,
    quotes=st.sampled_from(["''", '""', "``", "“”", "‘’", "«»"]),
    end=st.sampled_from(["", " in row 3", "..."]),
    is_cut=st.booleans(),
)
@several
def test_quoted_texts_are_taken_out_of_messages(
    found: tuple[str, str], quotes: str, end: str, is_cut: bool
) -> None:
    text, core = found
    message = f"cannot tokenize {quotes[0]}{text}" + ("" if is_cut else quotes[1] + end)
    assert core.encode() not in kept_bytes(MESSAGE, message)


@pytest.mark.parametrize("name", ["refund wanted", "refund", "Beschwerde"])
def test_classes_go_by_index_unless_the_tenant_allows_their_names(name: str) -> None:
    plain = complete_sample()
    score = plain.scores["macro_f1"]
    experience = plain.model_copy(update={"scores": {f"f1/{name}": score, "f1/3": score}})
    assert set(scrub_experience(experience).scores) == {"f1/3"}
    allowed = scrub_experience(experience, TenantPolicy(allow_class_names=True))
    assert set(allowed.scores) == {f"f1/{name}", "f1/3"}
    assert scrub_experience(allowed, TenantPolicy(allow_class_names=True)) == allowed


def test_an_allowed_class_name_is_still_no_credential() -> None:
    plain = complete_sample()
    scores = {f"f1/{OWN_TOKEN}": plain.scores["macro_f1"]}
    experience = plain.model_copy(update={"scores": scores})
    assert scrub_experience(experience, TenantPolicy(allow_class_names=True)).scores == {}
