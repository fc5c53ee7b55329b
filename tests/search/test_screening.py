"""Models are compared on a few rows before any is fine-tuned, for a tenth of the budget."""

from __future__ import annotations

from datetime import UTC
from datetime import datetime
from types import SimpleNamespace

import numpy as np
import optuna
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from tests.search.instant import InstantLauncher
from tests.search.instant import Silent
from tests.search.instant import analytic_result
from tests.search.test_rounds import Pipeline
from tests.space.folders import TINY_BERT
from tests.space.folders import write_model
from xautolm_core.experience.open import open_store
from xautolm_core.records.attempt import TrialProgress
from xautolm_core.records.attempt import TrialResult
from xautolm_core.records.configuration import Configuration
from xautolm_core.records.energy import EnergyReading
from xautolm_core.records.methods import is_cheap
from xautolm_core.records.outcome import Outcome
from xautolm_core.records.scores import Score
from xautolm_core.search.contract import TrialRecord
from xautolm_core.search.forecast import Forecast
from xautolm_core.search.history import History
from xautolm_core.search.plan import BudgetPolicy
from xautolm_core.search.records import choose_of_kind
from xautolm_core.search.runner import run_search
from xautolm_core.search.samplers.screening import past_screening_scores
from xautolm_core.search.samplers.screening import screening_scores
from xautolm_core.search.screening import Screening
from xautolm_core.search.spending import SpendingLimits
from xautolm_core.space.screening import SCREENING_ROWS
from xautolm_core.space.screening import is_screening

# --- which, in which order, for how much ---


def probe(model: str, *, screening: bool = True) -> Configuration:
    parameters = {"max_length": 128, **({"screening_rows": SCREENING_ROWS} if screening else {})}
    method = "linear_probe"
    return Configuration(branch=method, model=model, method=method, parameters=parameters)


def record(
    tried: Configuration,
    seconds: float,
    *,
    number: int = 0,
    rows: int = SCREENING_ROWS,
    joules: float | None = None,
    outcome: Outcome = Outcome.OK,
) -> TrialRecord:
    scored = outcome is Outcome.OK
    reading = EnergyReading(component="cpu", joules=joules or 0.0, source="x", quality="A")
    result = TrialResult(
        search_id="s",
        trial_number=number,
        outcome=outcome,
        seconds={"train": seconds},
        scores={"macro_f1": Score(value=0.5)} if scored else {},
        progress=TrialProgress(rows=rows),
        energy=() if joules is None else (reading,),
    )
    return TrialRecord(number, tried, result, "", {"f1": 0.5} if scored else {})


class Planner:
    """Screening of models that take so many seconds, the first of which is probed on all rows."""

    def __init__(
        self,
        seconds: dict[str, float],
        folder,
        *,
        budget: float | None = None,
        rows: int = 5_000,
        cached: bool = False,
        refused: tuple[str, ...] = (),
        **spending: float,
    ) -> None:
        if cached:
            (folder / "features").mkdir(exist_ok=True)
        self.seconds, self.cached = seconds, cached
        self.notes: list[str] = []
        self.first = next(iter(seconds))
        setup = SimpleNamespace(
            task=SimpleNamespace(train=range(rows)),
            space=SimpleNamespace(
                cheap=(probe(self.first, screening=False),), screening=tuple(map(probe, seconds))
            ),
            spec=SimpleNamespace(screening=True, spending=SpendingLimits(**spending)),
            policy=BudgetPolicy(budget, 99, None),
            feasibility=lambda one: "too large" if one.model in refused else None,
            cache_folder=folder,
            note=self.notes.append,
        )
        forecaster = SimpleNamespace(
            forecast=lambda one, _: Forecast(seconds[one.model], 1.0, 0.0, 0.1)
        )
        self.screening = Screening(setup, forecaster, validation_rows=min(rows, 2_000))
        self.probed = record(probe(self.first, screening=False), 5.0, rows=rows)

    def run(self, *, workers: int = 1, slower: float = 1.0) -> list[str]:
        """Run what is planned, so many at once; return the models in the order of their starts."""
        records, running, begun = [self.probed], [], []
        while True:
            planned = self.screening.next(records, running)
            if planned is not None and len(running) < workers:
                running.append(planned.configuration)
                begun.append(planned.configuration.model)
                continue
            if not running:
                return begun
            ended = running.pop(0)
            number = len(records)
            seconds = slower * self.seconds[ended.model]
            if self.cached and ended.model == self.first:
                seconds = 1.0
            power = self.probed.result.energy_joules
            joules = None if power is None else power / 5.0 * seconds
            records.append(record(ended, seconds, number=number, joules=joules))


@pytest.mark.parametrize(
    ("seconds", "budget", "screened"),
    [
        ({"a": 5, "b": 30, "c": 10, "d": 20}, 600, ["c", "d", "b"]),
        ({"a": 5, "b": 30, "c": 10, "d": 20}, 599, ["c", "d"]),
        # One model alone has nothing to be compared with.
        ({"a": 5, "b": 30, "c": 10, "d": 20}, 150, []),
        ({"a": 5, "b": 61, "c": 10, "d": 60}, None, ["c", "d"]),
    ],
)
def test_the_cheapest_are_screened_as_far_as_a_tenth_goes(tmp_path, seconds, budget, screened):
    planner = Planner(seconds, tmp_path, budget=budget)
    assert planner.run() == screened
    (note,) = planner.notes
    assert note.startswith(f"Screening: {len(screened)} of 4 models compared on at most 1,000 rows")
    assert "1 not, probed on other rows: a" in note
    assert planner.run() == [] and len(planner.notes) == 1


@settings(deadline=None, max_examples=60)
@given(
    st.dictionaries(st.sampled_from("abcdefgh"), st.floats(0.5, 100), min_size=2),
    st.one_of(st.none(), st.floats(50, 5_000)),
    st.integers(1, 4),
)
def test_workers_change_nothing_and_no_cheaper_model_is_left_out(
    tmp_path_factory, seconds, budget, workers
):
    folder = tmp_path_factory.mktemp("cache")
    screened = Planner(seconds, folder, budget=budget).run()
    assert Planner(seconds, folder, budget=budget).run(workers=workers) == screened
    first = next(iter(seconds))
    ordered = sorted((s, name) for name, s in seconds.items() if name != first)
    assert screened == [name for _, name in ordered[: len(screened)]]
    if budget is not None:
        assert sum(seconds[name] for name in screened) <= 0.1 * budget * (1 + 1e-9)


def test_what_took_longer_than_forecast_ends_the_screening_sooner(tmp_path):
    seconds = {"a": 5.0, "b": 10.0, "c": 11.0, "d": 12.0}
    assert Planner(seconds, tmp_path, budget=400).run() == ["b", "c", "d"]
    assert Planner(seconds, tmp_path, budget=400).run(slower=1.5) == ["b", "c"]


def test_the_probed_model_is_screened_too_where_its_features_are_at_hand(tmp_path):
    seconds = {"a": 500.0, "b": 10.0, "c": 20.0}
    assert Planner(seconds, tmp_path, budget=400, cached=True).run() == ["a", "b", "c"]
    # On other machines trials leave no features here.
    assert Planner(seconds, tmp_path / "none", budget=400).run() == ["b", "c"]
    # A probe that was cut has not left all of them.
    planner = Planner(seconds, tmp_path, budget=400, cached=True)
    planner.probed = record(planner.probed.configuration, 5.0, rows=800)
    assert planner.run() == ["b", "c"]


def test_a_probe_on_all_rows_of_a_small_task_is_a_screening(tmp_path):
    seconds = {"a": 5.0, "b": 10.0}
    planner = Planner(seconds, tmp_path, budget=600, rows=400, cached=True)
    assert planner.run() == ["b"]
    assert planner.notes == ["Screening: 2 of 2 models compared on at most 1,000 rows"]


def test_nothing_is_screened_before_the_probe_has_ended(tmp_path):
    planner = Planner({"a": 5.0, "b": 10.0, "c": 10.0}, tmp_path, budget=600)
    running = planner.probed.configuration
    assert planner.screening.next([], []) is None
    assert planner.screening.next([], [running]) is None
    failed = record(running, 5.0, outcome=Outcome.OOM_HOST)
    planned = planner.screening.next([failed], [])
    # Its model was not probed, and is screened like others.
    assert planned is not None and planned.configuration.model == "a"
    assert planned.why == "screening: probe of a on at most 1,000 rows"


def test_what_cannot_run_here_is_left_out_and_said(tmp_path):
    seconds = {"a": 5.0, "b": 10.0, "c": 10.0, "d": 10.0}
    planner = Planner(seconds, tmp_path, budget=600, refused=("b",))
    assert planner.run() == ["c", "d"]
    assert "1 not, too large for the memory or time that a trial has: b" in planner.notes[0]


def test_limits_of_spending_have_their_tenth_too(tmp_path):
    # The probe drew 1 kJ in 5 s: 10 s are 2 kJ, 20 s 4 kJ, and a tenth of 0.02 kWh is 7.2 kJ.
    seconds = {"a": 5.0, "b": 10.0, "c": 20.0, "d": 30.0}
    planner = Planner(seconds, tmp_path, energy_kwh=0.02)
    planner.probed = record(planner.probed.configuration, 5.0, joules=1_000, rows=5_000)
    assert planner.run() == ["b", "c"]
    planner = Planner(seconds, tmp_path, gpu_hours=0.1, gpus_per_trial=1)
    assert planner.run() == ["b", "c"]


def test_a_screening_trial_gets_what_is_left_of_the_tenth(tmp_path):
    planner = Planner({"a": 5.0, "b": 10.0}, tmp_path, budget=600)
    assert planner.screening.seconds_left([planner.probed]) == pytest.approx(60)
    ended = record(probe("b"), 25.0, number=1)
    assert planner.screening.seconds_left([planner.probed, ended]) == pytest.approx(35)
    late = record(probe("c"), 90.0, number=2)
    assert planner.screening.seconds_left([planner.probed, ended, late]) == 1.0
    assert Planner({"a": 5.0}, tmp_path).screening.seconds_left([]) is None


# --- in a search ---

SPACE = """\
schema: 1
name: two-sizes
models:
  both:
    - org/small
    - org/large
branches:
  both-full:
    method: full
    models: both
    parameters:
      batch_size: [8, 16, 32]
      max_length: [16, 32]
      epochs: {low: 1, high: 4}
      learning_rate: [1e-5, 1e-4]
starts:
  - branch: both-full
    model: org/small
    parameters: {batch_size: 8, max_length: 32, epochs: 2, learning_rate: 1e-4}
"""


@pytest.fixture
def make_two(make_spec, tmp_path):
    """Return a maker of specs of a space with two pretrained models."""
    for name, layers in (("small", 2), ("large", 4)):
        config = {**TINY_BERT, "num_hidden_layers": layers}
        write_model(tmp_path / "models" / "org" / name, config)
    file = tmp_path / "two.yaml"
    file.write_text(SPACE)

    def make(**changes):
        folders = (tmp_path / "models",)
        return make_spec(**{"space": str(file), "model_folders": folders, **changes})

    return make


def on_all_rows(spec) -> TrialResult:
    """A result as of a probe on all 96 training rows; a larger model scores higher."""
    result = analytic_result(spec)
    if not is_cheap(spec.configuration.method):
        return result
    score = 0.6 if spec.configuration.model == "org/large" else 0.4
    return result.model_copy(
        update={
            "progress": TrialProgress(rows=96),
            "scores": {**result.scores, "macro_f1": Score(value=score)},
        }
    )


def search(spec, out, launcher=None, *, resume=False, observer=None):
    return run_search(
        spec,
        out,
        launcher=launcher or InstantLauncher(on_all_rows),
        observer=observer or Silent(),
        resume=resume,
        with_test=False,
    )


def test_screening_trials_are_trials_and_evidence(make_two, tmp_path):
    spec, observer, launcher = make_two(max_trials=2), Silent(), InstantLauncher(on_all_rows)
    result = search(spec, tmp_path / "run", launcher, observer=observer)
    methods = [(t.configuration.method, t.configuration.model) for t in result.trials]
    # The small model's probe on all rows of this small task is its screening.
    assert methods[:4] == [
        ("tfidf", None),
        ("linear_probe", "org/small"),
        ("linear_probe_tfidf", "org/small"),
        ("linear_probe", "org/large"),
    ]
    assert [is_cheap(t.configuration.method) for t in result.trials] == [True] * 4 + [False] * 2
    assert "Screening: 2 of 2 models compared on at most 1,000 rows" in observer.notes
    best_cheap = choose_of_kind(result.trials, cheap=True)
    assert result.trials[3].on_front and best_cheap == result.trials[3]
    budget = launcher.submitted[3].budget
    assert (budget.max_validation_rows, budget.on_overrun) == (1_000, "stop")
    assert launcher.submitted[1].budget.on_overrun == "shrink"
    storage = JournalStorage(JournalFileBackend(str(tmp_path / "run" / "study.journal")))
    study = optuna.load_study(study_name="search-1", storage=storage)
    assert screening_scores(study) == {"org/small": 0.4, "org/large": 0.6}
    kept = list(open_store(spec.store).scan())
    assert [e.trial_number for e in kept if is_screening(e.configuration)] == [3]
    history = History.of(kept)
    rows = past_screening_scores(history)
    for row in range(len(history)):
        model = history.model[row]
        expected = {"none": None, "org/small": 0.4, "org/large": 0.6}[model]
        assert np.isnan(rows[row]) if expected is None else rows[row] == expected


@pytest.mark.parametrize(
    "changes",
    [{"screening": False}, {"methods": ("tfidf", "full")}, {"methods": ("linear_probe",)}],
)
def test_it_can_be_left_out(make_two, tmp_path, changes):
    observer = Silent()
    result = search(make_two(max_trials=1, **changes), tmp_path / "run", observer=observer)
    assert not any(is_screening(t.configuration) for t in result.trials)
    assert not any(note.startswith("Screening") for note in observer.notes)


def test_one_that_was_in_flight_runs_again_when_the_search_is_resumed(make_two, tmp_path):
    class Killed(InstantLauncher):
        def submit(self, spec):
            handle = super().submit(spec)
            if is_screening(spec.configuration):
                raise MemoryError("the search dies with its trial in flight")
            return handle

    out, spec = tmp_path / "run", make_two(max_trials=2)
    with pytest.raises(MemoryError):
        search(spec, out, Killed(on_all_rows))
    whole = search(make_two(max_trials=2, store=str(tmp_path / "s")), tmp_path / "whole")
    launcher = InstantLauncher(on_all_rows)
    # Switched off meanwhile, what has begun is still brought to its end.
    spec = spec.model_copy(update={"screening": False})
    resumed = search(spec, out, launcher, resume=True)
    first = launcher.submitted[0]
    assert (first.trial_number, first.attempt) == (3, 1)
    assert is_screening(first.configuration) and first.budget.on_overrun == "stop"
    assert [t.configuration for t in resumed.trials] == [t.configuration for t in whole.trials]


def test_rounds_screen_when_the_round_of_the_probe_is_over(make_two, tmp_path):
    (tmp_path / "bucket").mkdir()
    spec = make_two(max_trials=2, created_at=datetime.now(UTC))
    # Of this probe, which had fewer rows than there are, no features are at hand either.
    text = SPACE.replace("    - org/large\n", "    - org/large\n    - org/third\n")
    (tmp_path / "two.yaml").write_text(text)
    write_model(tmp_path / "models" / "org" / "third")
    pipeline = Pipeline(spec, tmp_path)
    rounds = []
    while proposed := pipeline.propose(3).specs:
        rounds.append([is_screening(one.configuration) for one in proposed])
        for trial in proposed:
            pipeline.run(trial)
        result = pipeline.record()
    assert rounds == [[False] * 3, [True, True, False], [False]]
    assert any("2 of 3 models compared" in note for note in result.notes)
