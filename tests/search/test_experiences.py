from __future__ import annotations

from tests.search.instant import InstantLauncher
from tests.search.instant import Silent
from xautolm_core.experience.open import open_store
from xautolm_core.outcomes import Outcome
from xautolm_core.search.runner import run_search


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
    assert first.data_fraction == 1.0
    assert first.model_descriptor is not None
    assert first.model_descriptor["pretrained"] is False
    assert first.task_features.values["n_classes"] == 2
    assert first.system_features.values["logical_cores"]
    assert first.energy == ()
    assert "happy" not in first.model_dump_json()
