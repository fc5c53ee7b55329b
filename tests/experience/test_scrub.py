"""Messages that are safe to keep."""

from __future__ import annotations

from datetime import UTC
from datetime import datetime
from datetime import timedelta
from datetime import timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.experience.samples import complete_sample
from tests.experience.samples import sample
from xautolm_core.experience.messages import scrub_foreign_message
from xautolm_core.experience.scrub import MAX_MESSAGE_CHARACTERS
from xautolm_core.experience.scrub import scrub_experience
from xautolm_core.experience.scrub import scrub_message
from xautolm_core.records.experience import ExperiencePrediction


@pytest.mark.parametrize(
    ("message", "clean"),
    [
        ("CUDA out of memory. Tried to allocate 2.50 GiB", None),
        ("mat1 and mat2 shapes cannot be multiplied (2048x1600 and 4800x1)", None),
        ("unscale_() has already been called on this optimizer since the last update().", None),
        ("accuracy 1/2, 3/4 of the rows and/or more", None),
        ("no file at /home/jane/models/x.bin", "no file at <path>"),
        ("'/root/a b/c' is gone", "'<path>' is gone"),
        ("file:///etc/shadow is odd", "<url> is odd"),
        ("get https://user:pw@host.example/x?token=1 failed", "get <url> failed"),
        ("s3://bucket/key denied", "<url> denied"),
        (r"C:\Users\jane\x.csv missing", "<path> missing"),
        ("~/secret/notes missing", "<path> missing"),
        ("line one\nline two\ttab\x00", "line one line two tab"),
        ("connect 10.0.3.17:9000 refused", "connect <host> refused"),
        ("node gpu-7.cluster.local:443 is down", "node <host> is down"),
        ("worker worker-17 died", "worker <host> died"),
        ("mail jane.doe@example.org", "mail <mail>"),
    ],
)
def test_paths_hosts_and_lines_are_taken_out(message: str, clean: str | None) -> None:
    assert scrub_message(message, hostname="worker-17") == (message if clean is None else clean)


def test_long_messages_are_cut() -> None:
    cut = scrub_message("word " * 200)
    assert len(cut) <= MAX_MESSAGE_CHARACTERS
    assert cut.endswith("...")


@given(st.text(max_size=600))
def test_scrubbing_is_safe_and_changes_nothing_the_second_time(text: str) -> None:
    once = scrub_message(text, hostname="worker-17")
    assert len(once) <= MAX_MESSAGE_CHARACTERS
    assert len(once.splitlines()) <= 1
    assert scrub_message(once, hostname="worker-17") == once


@given(st.lists(st.text(st.sampled_from("ab1._-"), min_size=1), min_size=1))
def test_absolute_paths_never_survive(parts: list[str]) -> None:
    path = "/" + "/".join(parts)
    assert path not in scrub_message(f"cannot open {path} now", hostname="")


def test_times_are_brought_to_utc() -> None:
    local = datetime(2026, 3, 1, 1, 0, tzinfo=timezone(timedelta(hours=2)))
    clean = scrub_experience(sample(ended_at=local, started_at=datetime(2026, 3, 1)))
    assert clean.ended_at.isoformat() == "2026-02-28T23:00:00+00:00"
    assert clean.started_at == datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("no label 'great phone I love'", "no label <text>"),
        ("KeyError: 'Acme Corp'", "KeyError: <text>"),
        ("unknown argument 'lora_alpha'", "unknown argument 'lora_alpha'"),
        ("{0: 'billing', 1: 'refund'}", "{0: 'billing', 1: 'refund'}"),
        ("got '这部电影,非常好看。'", "got <text>"),
        ('got "这部电影非常好看"', "got <text>"),
        ("got “¡fantástico!”", "got <text>"),
        ("got 'great,really=great'", "got <text>"),
        ("no module 'torch.nn' on `cuda:0`: ''", None),
    ],
)
def test_of_quotations_plain_names_stay(text: str, clean: str | None) -> None:
    assert scrub_message(text) == (text if clean is None else clean)


def test_of_foreign_messages_only_names_of_code_stay_in_quotations() -> None:
    text = "{0: 'billing', 1: \"refund\"}: 'lora_alpha' and 'torch.bfloat16', not `Acme`"
    clean = "{0: <text>, 1: <text>}: 'lora_alpha' and 'torch.bfloat16', not <text>"
    assert scrub_foreign_message(text) == clean


def test_predictions_that_are_not_finite_are_left_out() -> None:
    odd = ExperiencePrediction(score_median=0.5, seconds_low=float("nan"), joules_high=float("inf"))
    clean = scrub_experience(sample(predicted=odd))
    assert clean.predicted == ExperiencePrediction(score_median=0.5)
    assert scrub_experience(clean) == clean


def test_of_a_reading_the_gpu_and_numbers_that_are_not_finite_are_left_out() -> None:
    (plain,) = complete_sample().energy
    odd = plain.model_copy(update={"device": "GPU-4f2a", "idle_joules": float("nan")})
    (clean,) = scrub_experience(sample(energy=(odd,))).energy
    assert clean == plain.model_copy(update={"idle_joules": None})
