from __future__ import annotations

import random
from datetime import timedelta

import pytest

from tests.experience.samples import cheap_sample
from tests.experience.samples import sample
from tests.report.green.samples import cheap_trial
from tests.report.green.samples import reading
from tests.report.green.samples import searches
from tests.report.green.samples import trial
from xautolm_core.experience.codec import decode
from xautolm_core.experience.codec import encode
from xautolm_core.report.green.attempts import attempts_of


def test_the_order_does_not_depend_on_the_store() -> None:
    shuffled = searches()
    random.Random(3).shuffle(shuffled)
    assert attempts_of(shuffled) == attempts_of(searches())


def test_the_digest_is_the_one_that_the_store_keeps() -> None:
    experience = sample("a", 1)
    assert attempts_of([experience])[0].digest == decode(encode(experience)).digest


@pytest.mark.parametrize("joules", [0.0, -3.0])
def test_a_reading_that_cannot_be_is_left_out_and_counted(joules: float) -> None:
    energy = (reading("cpu", joules, "rapl", "A"), reading("dram", 2.0, "rapl", "A"))
    attempt = attempts_of([trial(0, energy=energy)])[0]
    assert attempt.joules == 2.0
    assert attempt.dropped_readings == 1


def test_without_a_reading_joules_are_unknown_and_not_0() -> None:
    attempt = attempts_of([trial(0, joules=None)])[0]
    assert attempt.joules is None
    assert attempt.has_worked


def test_a_clock_that_went_back_leaves_the_phases() -> None:
    odd = trial(0, started_at=trial(0).ended_at + timedelta(seconds=90))
    assert attempts_of([odd])[0].wall_seconds == 11.75
    assert attempts_of([trial(0)])[0].wall_seconds == 20.0


def test_trials_side_by_side_share_a_machine() -> None:
    together = attempts_of([trial(n, concurrent_trials=2) for n in (0, 1)])
    assert sum(a.machine_seconds for a in together) == 20.0


def test_a_gpu_is_held_from_start_to_end() -> None:
    on_gpu, on_cpu = attempts_of([trial(0, device="cuda"), trial(1)])
    assert (on_gpu.gpu_seconds, on_cpu.gpu_seconds) == (20.0, 0.0)
    assert on_gpu.hardware == "GPU of unknown name"
    assert on_cpu.hardware == "A processor"


def test_a_method_without_a_model_has_a_word_for_it() -> None:
    attempt = attempts_of([cheap_sample()])[0]
    assert (attempt.model, attempt.parameters, attempt.method) == ("none", None, "tfidf")


def test_energy_of_reused_features_is_that_of_the_trial_that_computed_them() -> None:
    first, second = cheap_trial(0, f1=0.8, joules=10.0), cheap_trial(1, f1=0.9, joules=2.0)
    reused = second.model_copy(update={"reused_joules": 10.0, "reused_seconds": 5.0})
    attempts = attempts_of([first, reused])
    assert [sum(one.joules for one in attempt.energy) for attempt in attempts] == [10.0, 2.0]
    assert [attempt.model for attempt in attempts] == ["none", "none"]


def test_imported_experiences_were_not_metered_here() -> None:
    assert attempts_of([trial(0, origin="published")]) == []
