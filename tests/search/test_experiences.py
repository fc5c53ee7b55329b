from __future__ import annotations

from tests.search.instant import InstantLauncher
from tests.search.instant import Silent
from tests.trial.tiny import make_task
from xautolm_core.experience.codec import decode
from xautolm_core.experience.codec import encode
from xautolm_core.experience.codec import experience_of
from xautolm_core.experience.columns import Row
from xautolm_core.experience.columns import from_table
from xautolm_core.experience.columns import to_table
from xautolm_core.experience.open import open_store
from xautolm_core.records.attempt import TrialProgress
from xautolm_core.records.attempt import TrialResult
from xautolm_core.records.configuration import Configuration
from xautolm_core.records.features import FeatureVector
from xautolm_core.records.outcome import Outcome
from xautolm_core.search.experiences import ExperienceWriter
from xautolm_core.search.runner import run_search
from xautolm_core.space.feasible import longest_schedule_seconds
from xautolm_core.space.model import ModelReference
from xautolm_core.trial.contract import TrialSpec


def test_an_experience_holds_all_but_the_texts(make_spec, tmp_path, data_file):
    spec = make_spec(sampler="random", max_trials=4, tenant="us", seed=5)
    launcher = InstantLauncher()
    run_search(
        spec,
        tmp_path / "run",
        launcher=launcher,
        observer=Silent(),
        with_test=False,
    )
    kept = list(open_store(spec.store).scan())
    assert [e.trial_number for e in kept] == [0, 1, 2, 3]
    first = next(e for e in kept if e.outcome is Outcome.OK)
    submitted = launcher.submitted[first.trial_number]
    assert first.configuration == submitted.configuration
    assert (first.tenant, first.sampler, first.warm_started) == ("us", "random", False)
    assert first.task_name == "moods"
    assert first.seed == submitted.seed
    assert first.schedule_fraction == 0.5
    assert (first.cut_by, first.continues, first.cumulative_seconds) == (None, None, None)
    assert first.data_fraction == 1.0
    assert first.model_descriptor is not None
    assert first.model_descriptor["pretrained"] is False
    assert first.task_features.values["n_classes"] == 2
    assert first.system_features.values["logical_cores"]
    assert first.energy == ()
    assert first.plan is not None
    assert first.plan.allowed_host_bytes == submitted.budget.host_memory_bytes
    deadline = submitted.budget.soft_deadline_seconds or submitted.budget.wall_limit_seconds
    assert first.plan.allowed_seconds == longest_schedule_seconds(deadline)
    assert first.plan.estimated_host_bytes
    assert first.plan.estimated_seconds
    assert "happy" not in first.model_dump_json()


def test_a_cut_continuation_tells_what_it_did(make_spec, tmp_path):
    """The share of its schedule is that of the steps done; costs are its own and the chain's."""
    task = make_task()
    nothing = FeatureVector(extractor="none", version="1", values={})
    writer = ExperienceWriter(make_spec(), task, nothing, nothing, warm_started=False)
    spec = TrialSpec(
        search_id="s",
        trial_number=3,
        task_folder=tmp_path,
        out_folder=tmp_path,
        cache_folder=tmp_path,
        configuration=Configuration(branch="b", model="m", method="full", parameters={}),
        model=ModelReference(id="m"),
        seed=0,
    )
    result = TrialResult(
        search_id="s",
        trial_number=3,
        outcome=Outcome.OK,
        cut_by="wall",
        continues=1,
        cumulative_seconds=12.5,
        cumulative_joules=99.0,
        progress=TrialProgress(planned_steps=40, scheduled_steps=10, steps=10),
    )
    found = experience_of(decode(encode(writer.experience(spec, result, None))))
    assert (found.schedule_fraction, found.cut_by, found.continues) == (0.25, "wall", 1)
    assert (found.cumulative_seconds, found.cumulative_joules) == (12.5, 99.0)
    assert found.plan is None
    rows = list(from_table(to_table([Row("k", decode(encode(found)))])))
    assert experience_of(rows[0].payload) == found
