"""Experiences as bytes, with the golden file of each schema version."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.experience.samples import OLD_ENERGY
from tests.experience.samples import complete_sample
from tests.experience.samples import sample
from xautolm_core.experience.codec import CorruptObjectError
from xautolm_core.experience.codec import check_payload
from xautolm_core.experience.codec import decode
from xautolm_core.experience.codec import encode
from xautolm_core.experience.codec import experience_of
from xautolm_core.experience.keys import experience_key
from xautolm_core.records.experience import SCHEMA_VERSION

GOLDEN = Path(__file__).parent / "golden"


def test_version_1_is_read_for_ever() -> None:
    data = (GOLDEN / "experience-v1.json").read_bytes()
    assert experience_of(decode(data)) == complete_sample()


def test_version_1_before_it_had_provenance_and_plan_is_read_for_ever() -> None:
    data = (GOLDEN / "experience-v1-without-provenance.json").read_bytes()
    assert b"provenance" not in data
    expected = complete_sample().model_copy(
        update={"provenance": {}, "plan": None, "predicted": None, "energy": OLD_ENERGY}
    )
    assert experience_of(decode(data)) == expected


def test_the_golden_file_of_this_version_is_what_is_written() -> None:
    golden = GOLDEN / f"experience-v{SCHEMA_VERSION}.json"
    assert encode(complete_sample()) == golden.read_bytes(), "raise SCHEMA_VERSION"


def test_the_key_of_version_1() -> None:
    key = experience_key(complete_sample())
    assert key == (
        "experiences/team-a/2026-03-01/01KJNPMPR0NQQBGYEBCPNDDVNN-2026-03-01-golden-3-1.json"
    )


@given(st.integers(0, 10**6), st.integers(0, 7))
def test_any_flipped_bit_is_found_or_harmless(position: int, bit: int) -> None:
    data = bytearray(encode(complete_sample()))
    data[position % len(data)] ^= 1 << bit
    try:
        found = experience_of(decode(bytes(data)))
    except CorruptObjectError:
        return
    assert found == complete_sample()


@given(st.integers(0, 10**6))
def test_any_torn_object_is_found(length: int) -> None:
    data = encode(complete_sample()).rstrip()
    with pytest.raises(CorruptObjectError):
        decode(data[: length % len(data)])


@given(
    st.dictionaries(st.text(), st.floats(allow_nan=False, allow_infinity=False), max_size=5),
    st.text(),
    st.dictionaries(
        st.text(),
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False),
        max_size=5,
    ),
)
def test_what_is_written_is_read(
    seconds: dict[str, float], task: str, parameters: dict[str, object]
) -> None:
    configuration = sample().configuration.model_copy(update={"parameters": parameters})
    experience = sample(seconds=seconds, task_name=task, configuration=configuration)
    found = experience_of(decode(encode(experience)))
    assert found == experience
    kinds = [type(v) for v in found.configuration.parameters.values()]
    assert sorted(map(str, kinds)) == sorted(str(type(v)) for v in parameters.values())


def test_payloads_need_an_id_and_a_time() -> None:
    for text in ('{"id":"x"}', '{"id":"","ended_at":"2026-01-01T00:00:00Z"}', "[]", '{"id":1}'):
        from xautolm_core.experience.codec import digest_of

        with pytest.raises(CorruptObjectError):
            check_payload(text, digest_of(text))
    naive = f'{{"ended_at":"2026-01-01T00:00:00","id":"{"0" * 32}"}}'
    with pytest.raises(CorruptObjectError, match="time zone"):
        check_payload(naive, digest_of(naive))
