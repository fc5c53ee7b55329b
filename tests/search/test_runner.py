from __future__ import annotations

import io
import json
import os
import signal
import warnings
from collections import Counter
from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from tests.search.instant import InstantLauncher
from tests.search.instant import Silent
from tests.search.instant import analytic_result
from tests.search.instant import search
from xautolm_core.errors import ConfigError
from xautolm_core.errors import DataError
from xautolm_core.errors import SpaceError
from xautolm_core.errors import StoreError
from xautolm_core.experience.open import open_store
from xautolm_core.records.attempt import TrialResult
from xautolm_core.records.outcome import Failure
from xautolm_core.records.outcome import Outcome
from xautolm_core.search.contract import Objective
from xautolm_core.search.contract import SearchSpec


def experiences(spec: SearchSpec):
    return list(open_store(spec.store).scan())


def test_a_search_leaves_everything_where_it_belongs(make_spec, tmp_path):
    spec, out = make_spec(), tmp_path / "run"
    observer = Silent()
    result = search(spec, out, observer=observer)
    assert result.stopped_by == "trials"
    assert [t.number for t in result.trials] == list(range(6))
    assert sum(result.outcomes.values()) == 6
    assert observer.started == list(range(6))
    assert [record.number for record in observer.ended] == list(range(6))
    assert {"load", "space", "features", "history", "trials"} <= set(observer.phases)
    best = max(
        (t for t in result.trials if t.values), key=lambda t: (t.values["f1"], -t.values["time"])
    )
    assert result.best == best.number
    assert (out / "model" / "model.safetensors").read_text() == str(best.number)
    assert not (out / "model").is_symlink()
    kept = {int(p.parent.parent.name.split("-")[0]) for p in out.glob("trials/*/model/config.json")}
    assert kept == {t.number for t in result.front}
    assert len(experiences(spec)) == 6
    assert {e.outcome for e in experiences(spec)} == set(result.outcomes)
    assert json.loads((out / "search.json").read_text())["search_id"] == "search-1"
    assert not (out / "cache").exists()
    assert not (out / ".lock").exists()
    assert result.task["rows"]["train"] > result.task["rows"]["test"] > 0


def test_the_study_opens_in_optuna(make_spec, tmp_path):
    result = search(make_spec(), tmp_path / "run")
    storage = JournalStorage(JournalFileBackend(str(tmp_path / "run" / "study.journal")))
    study = optuna.load_study(study_name="search-1", storage=storage)
    assert study.metric_names == ["f1", "time"]
    assert [d.name for d in study.directions] == ["MAXIMIZE", "MINIMIZE"]
    assert len(study.trials) == 6
    for record in result.trials:
        trial = study.trials[record.number]
        assert trial.user_attrs["outcome"] == record.result.outcome.value
        assert trial.user_attrs["why"] == record.why
        if record.values:
            assert trial.values == list(record.values.values())
    front = {trial.number for trial in study.best_trials}
    assert front == {record.number for record in result.front}


def test_the_dashboard_reads_the_journal(make_spec, tmp_path):
    dashboard = pytest.importorskip("optuna_dashboard")
    search(make_spec(), tmp_path / "run")
    storage = JournalStorage(JournalFileBackend(str(tmp_path / "run" / "study.journal")))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        application = dashboard.wsgi(storage)
    answers: list[str] = []
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/api/studies/0",
        "QUERY_STRING": "after=0",
        "wsgi.input": io.BytesIO(b""),
        "wsgi.errors": None,
        "SERVER_NAME": "x",
        "SERVER_PORT": "1",
        "wsgi.url_scheme": "http",
    }
    body = b"".join(application(environ, lambda status, *_: answers.append(status)))
    assert answers == ["200 OK"]
    assert len(json.loads(body)["trials"]) == 6


@pytest.mark.parametrize(("keep", "left"), [("best", 1), ("all", None)])
def test_keep_models(make_spec, tmp_path, keep, left):
    result = search(make_spec(keep_models=keep), tmp_path / "run")
    found = len(list((tmp_path / "run").glob("trials/*/model/config.json")))
    assert found == (left or sum(bool(t.values) for t in result.trials))


def test_a_usable_model_is_there_after_the_first_success(make_spec, tmp_path):
    out = tmp_path / "run"
    seen = []

    class Looking(Silent):
        def trial_ended(self, record, front, best):
            model = out / "model" / "model.safetensors"
            seen.append((best and best.number, model.read_text() if model.exists() else None))

    search(make_spec(), out, observer=Looking())
    assert any(number is not None for number, _ in seen)
    assert all((None if n is None else str(n)) == text for n, text in seen)


def test_workers_run_at_once(make_spec, tmp_path):
    launcher = InstantLauncher()
    result = search(make_spec(workers=3, max_trials=7), tmp_path / "run", launcher)
    assert launcher.most_at_once == 3
    assert [t.number for t in result.trials] == list(range(7))


def test_latency_is_an_objective(make_spec, tmp_path):
    objectives = (Objective.F1, Objective.TIME, Objective.LATENCY)
    launcher = InstantLauncher()
    result = search(make_spec(objectives=objectives), tmp_path / "run", launcher)
    assert all(spec.measure_latency for spec in launcher.submitted)
    assert all(set(t.values) == {"f1", "time", "latency"} for t in result.trials if t.values)


def test_an_infrastructure_fault_is_tried_once_more_and_never_learnt(make_spec, tmp_path):
    def flaky(spec) -> TrialResult:
        result = analytic_result(spec)
        if spec.trial_number == 1 or (spec.trial_number == 2 and spec.attempt == 0):
            return result.model_copy(
                update={"outcome": Outcome.INFRA, "scores": {}, "model_folder": None}
            )
        return result

    spec, launcher = make_spec(max_trials=4), InstantLauncher(flaky)
    result = search(spec, tmp_path / "run", launcher)
    tried = Counter(s.trial_number for s in launcher.submitted)
    assert tried == {0: 1, 1: 2, 2: 2, 3: 1}
    assert result.trials[1].result.outcome is Outcome.INFRA
    assert result.trials[2].result.attempt == 1
    assert result.trials[2].result.outcome is not Outcome.INFRA
    # Every attempt is an experience of its own.
    assert len(experiences(spec)) == 6
    first, second = (s for s in launcher.submitted if s.trial_number == 2)
    assert first.configuration == second.configuration


def test_a_trial_that_starts_again_says_why(make_spec, tmp_path):
    failures = {
        1: (
            Outcome.PREEMPTED,
            Failure(kind="EvictionByEvictionAPI", message="its pod was evicted"),
        ),
        2: (Outcome.INFRA, Failure(kind="JobGone")),
    }

    def disturbed(spec) -> TrialResult:
        result = analytic_result(spec)
        if spec.attempt or spec.trial_number not in failures:
            return result
        outcome, failure = failures[spec.trial_number]
        return result.model_copy(
            update={"outcome": outcome, "failure": failure, "scores": {}, "model_folder": None}
        )

    told = []

    class Listening(Silent):
        def note(self, text, *, warning=False):
            told.append((text, warning))

    search(make_spec(max_trials=4), tmp_path / "run", InstantLauncher(disturbed), Listening())
    assert [one for one in told if "starts again" in one[0]] == [
        ("Trial 1 starts again, attempt 1: preempted, its pod was evicted", False),
        ("Trial 2 starts again, attempt 1: infra, JobGone", True),
    ]


def test_an_interrupt_ends_it_with_the_front_so_far_and_it_can_be_resumed(make_spec, tmp_path):
    spec, out = make_spec(max_trials=8), tmp_path / "run"
    whole = search(make_spec(max_trials=8, store=str(tmp_path / "other")), tmp_path / "whole")

    class Impatient(Silent):
        def trial_started(self, number, configuration, why):
            if number == 3:
                os.kill(os.getpid(), signal.SIGTERM)

    launcher = InstantLauncher()
    before = signal.getsignal(signal.SIGTERM)
    result = search(spec, out, launcher, Impatient())
    assert signal.getsignal(signal.SIGTERM) is before
    assert result.stopped_by == "interrupted"
    assert result.best is not None
    assert (out / "model" / "model.safetensors").exists()
    assert len(launcher.submitted) == 4
    resumed = search(spec, out, resume=True)
    assert resumed.stopped_by == "trials"
    assert [t.configuration for t in resumed.trials] == [t.configuration for t in whole.trials]
    assert [t.values for t in resumed.trials] == [t.values for t in whole.trials]


def test_a_cancelled_trial_runs_again_with_the_same_configuration(make_spec, tmp_path):
    spec, out = make_spec(max_trials=3), tmp_path / "run"

    class Stubborn(InstantLauncher):
        def poll(self, handle):
            if handle.trial_number == 1 and not self.cancelled:
                os.kill(os.getpid(), signal.SIGINT)
                return None
            return super().poll(handle)

    first = Stubborn()
    result = search(spec, out, first)
    assert first.cancelled == [1]
    assert result.outcomes[Outcome.CANCELLED] == 1
    second = InstantLauncher()
    resumed = search(spec, out, second, resume=True)
    assert [(s.trial_number, s.attempt) for s in second.submitted] == [(1, 1), (2, 0)]
    assert second.submitted[0].configuration == first.submitted[1].configuration
    assert Outcome.CANCELLED not in resumed.outcomes


def test_more_trials_can_be_asked_for_afterwards(make_spec, tmp_path):
    out = tmp_path / "run"
    search(make_spec(max_trials=3), out)
    launcher = InstantLauncher()
    result = search(make_spec(max_trials=5), out, launcher, resume=True)
    assert [s.trial_number for s in launcher.submitted] == [3, 4]
    assert len(result.trials) == 5
    assert (out / "model" / "model.safetensors").read_text() == str(result.best)


def test_a_torn_journal_does_not_matter(make_spec, tmp_path):
    out = tmp_path / "run"
    search(make_spec(max_trials=3), out)
    journal = out / "study.journal"
    journal.write_bytes(journal.read_bytes()[:-17])
    (out / "study.journal.lock").symlink_to(journal)
    assert len(search(make_spec(max_trials=5), out, resume=True).trials) == 5


def test_history_is_pinned_over_a_resume(make_spec, tmp_path):
    search(make_spec(search_id="past", max_trials=5), tmp_path / "past")
    spec = make_spec(sampler="xautolm", max_trials=4)
    first = search(spec, tmp_path / "run")
    assert first.warm_start.applied == 5
    assert 0 < first.warm_start.prior_shift < 1
    search(make_spec(search_id="later", max_trials=3), tmp_path / "later")
    again = search(spec.model_copy(update={"max_trials": 6}), tmp_path / "run", resume=True)
    assert again.warm_start == first.warm_start
    assert all(e.warm_started for e in experiences(spec) if e.search_id == "search-1")


def test_a_search_without_history_warns(make_spec, tmp_path):
    observer = Silent()
    result = search(make_spec(sampler="xautolm", max_trials=2), tmp_path / "run", observer=observer)
    assert any("No warm start" in note for note in observer.notes)
    assert any("No warm start" in note for note in result.notes)
    assert result.warm_start.applied == 0


def test_other_tenants_are_not_learnt_from(make_spec, tmp_path):
    search(make_spec(search_id="past", tenant="theirs"), tmp_path / "past")
    result = search(make_spec(sampler="xautolm", tenant="ours", max_trials=2), tmp_path / "run")
    assert result.warm_start.applied == 0


def test_a_space_that_is_used_up_ends_the_search(make_spec, tmp_path, space_file):
    small = tmp_path / "small.yaml"
    text = space_file.read_text()
    text = text[: text.index("  tiny-head:")]
    text = text.replace("[8, 16, 32, 64]", "[8, 16]").replace("[32, 64]", "[32]")
    small.write_text(
        text.replace("[1e-4, 1e-3, 1e-2]", "[1e-3]").replace("{low: 1, high: 4}", "[1, 2]")
    )
    result = search(make_spec(space=str(small), max_trials=9), tmp_path / "run")
    assert result.stopped_by == "exhausted"
    assert len(result.trials) == 4


@pytest.mark.parametrize("sampler", ["xautolm", "random"])
def test_a_search_of_cheap_methods_alone_ends_after_them(make_spec, tmp_path, sampler):
    changes = {"space": "starter", "methods": ("tfidf",), "sampler": sampler, "max_trials": None}
    spec = make_spec(**changes)
    result = search(spec, tmp_path / "run")
    assert (result.stopped_by, result.best) == ("exhausted", 0)
    assert [t.configuration.method for t in result.trials] == ["tfidf"]
    assert not any("warm start" in note for note in result.notes)
    assert (tmp_path / "run" / "model").is_dir()
    assert SearchSpec.model_validate_json((tmp_path / "run" / "search.json").read_bytes()) == (
        result.spec
    )
    again = search(result.spec, tmp_path / "run", resume=True)
    assert (again.stopped_by, len(again.trials)) == ("exhausted", 1)


def test_a_failing_store_does_not_end_a_search(make_spec, tmp_path, monkeypatch):
    spec = make_spec(max_trials=4)
    from xautolm_core.experience.store import ObjectExperienceStore

    real, calls = ObjectExperienceStore.append, []

    def append(self, experience):
        calls.append(experience.trial_number)
        if len(calls) == 2:
            raise StoreError("The disk is full", hint="Make room")
        return real(self, experience)

    monkeypatch.setattr(ObjectExperienceStore, "append", append)
    result = search(spec, tmp_path / "run")
    assert len(result.trials) == 4
    assert any("The disk is full" in note for note in result.notes)
    assert [e.trial_number for e in experiences(spec)] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"sampler": "nonsense"}, ConfigError),
        ({"sampler_options": {"x": 1}}, ConfigError),
        ({"space": "no-such-space"}, SpaceError),
        ({"trial_memory_bytes": 1_000_000}, SpaceError),
    ],
)
def test_bad_input_leaves_nothing_behind(make_spec, tmp_path, changes, error):
    out = tmp_path / "run"
    with pytest.raises(error) as caught:
        search(make_spec(**changes), out)
    assert "\n" not in str(caught.value)
    assert not out.exists()
    assert not (tmp_path / "store").exists()


def test_an_infeasible_space_says_what_is_missing(make_spec, tmp_path):
    with pytest.raises(SpaceError, match="No configuration of space tiny can run") as caught:
        search(make_spec(trial_memory_bytes=1_000_000), tmp_path / "run")
    assert "--trial-memory" in str(caught.value)


def test_a_folder_holds_one_search(make_spec, tmp_path):
    out = tmp_path / "run"
    search(make_spec(max_trials=1), out)
    with pytest.raises(ConfigError, match="already holds a search"):
        search(make_spec(max_trials=1), out)
    with pytest.raises(ConfigError, match="holds search search-1"):
        search(make_spec(search_id="other"), out, resume=True)
    with pytest.raises(ConfigError, match="holds no search"):
        search(make_spec(), tmp_path / "nowhere", resume=True)
    assert not (tmp_path / "nowhere").exists()


def test_two_processes_cannot_search_in_one_folder(make_spec, tmp_path):
    out = tmp_path / "run"

    class Nested(Silent):
        problem = ""

        def trial_started(self, number, configuration, why):
            with pytest.raises(ConfigError) as caught:
                search(make_spec(), out, resume=True)
            self.problem = str(caught.value)

    observer = Nested()
    search(make_spec(max_trials=1), out, observer=observer)
    assert "Another process is searching" in observer.problem


def test_changed_data_are_not_resumed(make_spec, tmp_path, data_file):
    copy = tmp_path / "moods.csv"
    copy.write_text(data_file.read_text())
    from xautolm_core.tasks.source import read_task_spec

    spec, out = make_spec(task=read_task_spec(str(copy)), max_trials=2), tmp_path / "run"
    search(spec, out)
    copy.write_text(copy.read_text() + "one more row,good\n")
    with pytest.raises(DataError, match="have changed"):
        search(spec, out, resume=True)


def test_a_budget_ends_a_search(make_spec, tmp_path):
    """Trials that pretend to take no time: only the clock can end it."""
    endless = {"allow_duplicates": True}  # a fast machine tries the whole space in seconds
    spec = make_spec(max_trials=None, budget_seconds=6.0, sampler_options=endless)
    result = search(spec, tmp_path / "run")
    assert result.stopped_by == "budget"
    assert len(result.trials) > 0
    assert result.seconds < 6.0
    assert sum(result.phase_seconds.values()) <= result.seconds + 0.1


def test_used_time_counts_over_a_resume(make_spec, tmp_path):
    out = tmp_path / "run"
    first = search(make_spec(max_trials=2), out)
    second = search(make_spec(max_trials=3), out, resume=True)
    assert second.seconds > first.seconds


def test_trial_specs_carry_their_limits(make_spec, tmp_path):
    launcher = InstantLauncher()
    spec = make_spec(max_trials=2, trial_timeout_seconds=40.0, trial_memory_bytes=2**31)
    search(spec, tmp_path / "run", launcher)
    budget = launcher.submitted[0].budget
    assert budget.wall_limit_seconds == 40.0
    assert budget.soft_deadline_seconds == pytest.approx(30.0)
    assert budget.host_memory_bytes == 2**31
    assert budget.max_validation_rows == 2000
    assert len({s.seed for s in launcher.submitted}) == 2
    assert Path(launcher.submitted[0].out_folder).name == "0000-0"
