"""What MLflow is told of trials and searches, before anything is sent."""

from __future__ import annotations

import pytest

from tests.tracking.eight_trials import FAILURES
from tests.tracking.eight_trials import TRIALS
from tests.tracking.eight_trials import run
from xautolm_core.records.outcome import Outcome
from xautolm_core.tracking.documents import search_document
from xautolm_core.tracking.documents import trial_document
from xautolm_core.tracking.seen_search import read_seen
from xautolm_core.tracking.sync import registered_name


@pytest.fixture
def seen(make_spec, run_folder):
    run(make_spec(max_trials=TRIALS), run_folder)
    return read_seen(run_folder)


def test_every_trial_has_a_run_failures_too(seen) -> None:
    documents = [trial_document(one, is_best=False) for one in seen.trials]
    assert [one.identity["xautolm.trial"] for one in documents] == [str(n) for n in range(TRIALS)]
    for number, document in enumerate(documents):
        failed = number in FAILURES
        assert document.status == ("FAILED" if failed else "FINISHED")
        assert document.tags["xautolm.outcome"] == FAILURES.get(number, Outcome.OK).value
        assert document.parameters["method"] in ("full", "head")
        assert "learning_rate" in document.parameters
        metrics = {one.name: one.value for one in document.metrics}
        assert ("macro_f1" in metrics) != failed
        assert metrics["joules"] == 55.0 + number
        assert metrics["joules.cpu"] == 50.0 + number
        assert document.tags["xautolm.joules.quality"] == "C"
        assert document.tags["xautolm.joules.cpu.quality"] == "A"
        assert metrics["seconds.train"] > 0
        assert document.ended_at is not None
    assert documents[2].tags["xautolm.failure"] == "MemoryError"


def test_a_document_has_one_digest_until_something_changes(seen) -> None:
    record = seen.trials[0]
    same = [trial_document(record, is_best=True).digest for _ in range(2)]
    assert same[0] == same[1]
    assert trial_document(record, is_best=False).digest != same[0]


def test_the_search_tells_its_course_and_its_end(seen) -> None:
    document = search_document(seen)
    best = [one.value for one in document.metrics if one.name == "best_macro_f1"]
    assert best == sorted(best)
    assert len(best) == TRIALS - len(FAILURES)
    assert document.status == "FINISHED"
    assert document.tags["xautolm.outcomes.oom_host"] == "1"
    assert document.tags["xautolm.best_trial"] == str(seen.result.best)
    assert document.parameters["space"] == "own"  # its path is nobody's business
    assert not any("/" in value for value in document.parameters.values())


def test_a_search_that_runs_is_seen_as_far_as_it_has_come(seen, run_folder) -> None:
    half = read_seen(run_folder, running=True)
    assert half.result is None
    assert len(half.trials) == TRIALS
    document = search_document(half)
    assert (document.status, document.ended_at) == ("RUNNING", None)


@pytest.mark.parametrize(
    ("task", "name"),
    [("reviews", "reviews"), ("s3://b/a:1", "s3-b-a-1"), ("///", "task"), ("Größe 2", "Gr-e 2")],
)
def test_names_of_registered_models(task: str, name: str) -> None:
    assert registered_name(task) == name
