from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xautolm_core.records.configuration import Configuration
from xautolm_core.records.methods import METHODS
from xautolm_core.records.outcome import Outcome
from xautolm_core.report.wording import OUTCOME_WORDS
from xautolm_core.report.wording import bytes_words
from xautolm_core.report.wording import configuration_label
from xautolm_core.report.wording import configuration_words
from xautolm_core.report.wording import method_label
from xautolm_core.report.wording import method_words
from xautolm_core.report.wording import number_words
from xautolm_core.report.wording import points_words
from xautolm_core.report.wording import score_words
from xautolm_core.report.wording import seconds_words
from xautolm_core.report.wording import value_words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "–"),
        (math.nan, "–"),
        (0.0, "0.00 s"),
        (0.424, "0.42 s"),
        (12.34, "12.3 s"),
        (59.96, "1 min 00 s"),
        (60, "1 min 00 s"),
        (245.4, "4 min 05 s"),
        (3599.6, "1 h 00 min"),
        (7800, "2 h 10 min"),
    ],
)
def test_durations_read_well(seconds: float | None, words: str) -> None:
    assert seconds_words(seconds) == words


@given(st.floats(min_value=0, max_value=1e7))
def test_minutes_and_seconds_stay_below_sixty(seconds: float) -> None:
    words = seconds_words(seconds)
    if " min " in words and words.endswith(" s"):
        assert 0 <= int(words.split(" min ")[1].removesuffix(" s")) < 60
        assert int(words.split(" min ")[0]) < 60


@pytest.mark.parametrize(
    ("size", "words"),
    [(None, "–"), (0, "0 B"), (1536, "2 KiB"), (880 * 2**20, "880.0 MiB"), (3 * 2**40, "3.0 TiB")],
)
def test_sizes_are_binary(size: int | None, words: str) -> None:
    assert bytes_words(size) == words


def test_scores_that_are_no_numbers_are_not_shown_as_such() -> None:
    assert [score_words(s) for s in (None, math.nan, 0.5)] == ["–", "–", "0.5000"]


def test_values_are_short() -> None:
    assert [value_words(v) for v in (True, None, 5e-05, 16, "linear", 0.1)] == [
        "yes",
        "none",
        "5e-5",
        "16",
        "linear",
        "0.1",
    ]


def test_feature_values_keep_large_counts_whole() -> None:
    assert [number_words(v) for v in (120000.0, 1.99871, None, "Tesla")] == [
        "120 000",
        "1.999",
        "–",
        "Tesla",
    ]


def test_every_outcome_has_words() -> None:
    assert set(OUTCOME_WORDS) == {outcome.value for outcome in Outcome}


def test_a_configuration_names_model_method_and_what_matters() -> None:
    configuration = Configuration(
        branch="b",
        model="org/some-model",
        method="lora",
        parameters={"learning_rate": 2e-4, "lora_r": 8, "weight_decay": 0.01},
    )
    assert configuration_words(configuration) == "some-model lora, lr 0.0002, r 8"


@pytest.mark.parametrize(
    ("method", "model", "words"),
    [
        ("tfidf", "", "TF-IDF, logistic regression"),
        ("linear_probe", "org/m", "linear probe on org/m"),
        ("linear_probe_tfidf", "org/m", "linear probe on org/m, with TF-IDF"),
        ("lora", "org/m", "org/m lora"),
    ],
)
def test_a_method_reads_well(method: str, model: str, words: str) -> None:
    assert method_words(method, model) == words


def test_labels_of_methods_are_short_and_tell_them_apart() -> None:
    labels = [method_label(method) for method in METHODS]
    assert len(set(labels)) == len(METHODS)
    assert max(map(len, labels)) <= 14


def test_nobody_takes_a_screening_for_a_candidate_on_all_rows() -> None:
    method = "linear_probe"
    parameters = {"max_length": 128, "screening_rows": 1_000}
    one = Configuration(branch=method, model="org/m", method=method, parameters=parameters)
    assert configuration_words(one) == "linear probe on m, screening on 1 000 rows, length 128"
    assert configuration_label(one) == "screening"
    full = one.model_copy(update={"parameters": {"max_length": 128}})
    assert configuration_words(full) == "linear probe on m, length 128"
    assert configuration_label(full) == "probe"


@pytest.mark.parametrize(
    ("difference", "words"), [(0.0786, "+7.9"), (-0.004, "−0.4"), (-0.0001, "+0.0"), (0.0, "+0.0")]
)
def test_differences_are_points_with_a_sign(difference: float, words: str) -> None:
    assert points_words(difference) == words
