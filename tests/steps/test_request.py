from __future__ import annotations

import csv

import pytest

from xautolm_core.errors import ConfigError
from xautolm_core.errors import DataError
from xautolm_core.steps.cluster import cluster_settings
from xautolm_core.steps.request import MeasurementRequest
from xautolm_core.steps.request import make_request
from xautolm_core.steps.request import read_request

DIGEST = f"xautolm/trial@sha256:{'a' * 64}"


@pytest.fixture
def data(tmp_path):
    file = tmp_path / "reviews.csv"
    with file.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["text", "label"])
        writer.writerows([[f"text {i}", i % 2] for i in range(30)])
    return file


@pytest.fixture
def parameters(data, tmp_path):
    return {
        "run_id": "run-1",
        "task": str(data),
        "space": "starter",
        "store": (tmp_path / "store").as_uri(),
        "workspace": (tmp_path / "work").as_uri(),
        "launcher": "local",
    }


def test_a_request_survives_the_way_to_the_next_step(parameters):
    # Numbers come as KFP passes them: integers within a mapping are floats.
    request = make_request(
        **parameters,
        methods="tfidf, full",
        limits={"trials": 8.0, "hours": 0.5, "cost": 3.0},
        prices={"trial_hour": 0.5},
    )
    assert read_request(request.model_dump_json()) == request
    assert request.spec.search_id == "run-1"
    assert request.spec.methods == ("tfidf", "full")
    assert request.spec.max_trials == 8
    assert request.spec.budget_seconds == 1800
    assert request.spec.spending.cost == 3
    assert request.exchange_address == f"{parameters['workspace']}/run-1"


def test_a_task_may_be_given_as_yaml(parameters, data):
    parameters["task"] = f"name: opinions\ndata: {data}\ntext: text\nlabel: label\n"
    assert make_request(**parameters).spec.task.name == "opinions"


def test_a_space_may_be_given_as_yaml(parameters, tmp_path):
    text = "schema: 1\nname: mine\n"
    request = make_request(**{**parameters, "space": text})
    spec = request.search_spec(tmp_path)
    assert (tmp_path / spec.space).read_text() == text
    assert request.search_spec(tmp_path).space == spec.space


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"limits": {"trials": 0}}, "limits: trials is 0"),
        ({"limits": {"hours": -1.5}}, "limits: hours is -1.5"),
        ({"limits": {"cost": 0.0}}, "limits: cost is 0.0"),
        ({"limits": {"trails": 3}}, "limits: there is no 'trails'"),
        ({"limits": {"trials": 2.5}}, "max_trials"),
        ({"limits": {"gpu_hours": 3}}, "gpu_hours limits nothing"),
        ({"limits": {"cost": 3}}, "cost limits nothing"),
        ({"limits": {"carbon_grams": 300}}, "carbon limits nothing"),
        ({"prices": {"grams_per_kwh": 9000}}, "grams_per_kwh"),
        ({"prices": {"pue": 0.5}}, "pue"),
        ({"prices": {"gpu": 3}}, "prices: there is no 'gpu'"),
        ({"prices": {"currency": "euros"}}, "currency"),
        ({"trials_in_flight": 0}, "workers"),
        ({"launcher": "slurm"}, "launcher"),
        ({"objectives": "f1,beauty"}, "objectives"),
        ({"task": " "}, "task is empty"),
        ({"workspace": ""}, "workspace"),
    ],
)
def test_a_wrong_parameter_is_named(parameters, changes, words):
    with pytest.raises(ConfigError, match=words) as caught:
        make_request(**{**parameters, **changes})
    assert "\n" not in str(caught.value)


def test_wrong_yaml_of_a_task_is_not_called_by_a_file_that_nobody_knows(parameters):
    parameters["task"] = "data: x.csv\nlable: y\n"
    with pytest.raises(DataError, match=r"^task:2: unknown field 'lable'"):
        make_request(**parameters)


def test_energy_has_a_price_and_an_intensity(parameters):
    request = make_request(
        **parameters,
        limits={"cost": 3, "carbon_grams": 300},
        prices={"kwh": 0.3, "currency": "EUR", "grams_per_kwh": 380, "pue": 1.2},
    )
    found = request.spec.spending
    assert (found.cost, found.price_per_kwh, found.currency) == (3, 0.3, "EUR")
    assert (found.carbon_grams, found.grams_per_kwh, found.pue) == (300, 380, 1.2)
    assert found.intensity_source == "given by prices"


def test_gpus_of_the_cluster_count_against_gpu_hours(parameters):
    parameters["launcher"] = "kubernetes"
    cluster = cluster_settings(trial_image=DIGEST, gpu_count=2)
    request = make_request(**parameters, cluster=cluster, limits={"gpu_hours": 3})
    assert request.spec.spending.gpus_per_trial == 2


def test_what_measurements_depend_on_is_all_that_they_are_cached_by(parameters):
    first = make_request(**parameters)
    again = make_request(**{**parameters, "run_id": "run-2", "sampler": "random", "tenant": "x"})
    other = make_request(**{**parameters, "space": "paper-classification"})
    digests = [MeasurementRequest.of(r, "1.0/1.0").model_dump_json() for r in (first, again, other)]
    assert digests[0] == digests[1] != digests[2]
    assert (
        MeasurementRequest.of(first, "1.0/2.0").digest != MeasurementRequest.of(first, "1").digest
    )


class TestCluster:
    def test_parameters_of_their_own_go_before_the_text(self):
        settings = cluster_settings(
            "image: other\nresources: {memory_limit: 24Gi, gpu_count: 4}\nqueue: {name: a, "
            "priority_class: low}",
            trial_image=DIGEST,
            gpu_count=1,
            queue="trials",
            tolerations=[{"key": "gpu", "operator": "Exists", "tolerationSeconds": 60.0}],
            node_selector={"pool": "gpu"},
            s3_secret="s3",
        )
        assert settings.image == DIGEST
        assert settings.resources.gpu_count == 1
        assert settings.resources.memory_limit == "24Gi"
        assert settings.queue.name == "trials"
        assert settings.queue.priority_class == "low"
        assert settings.tolerations[0].tolerationSeconds == 60
        assert settings.s3_secret == "s3"

    def test_numbers_of_the_overlay_stay_whole(self):
        text = "pod_template: {spec: {priority: 7}}"
        settings = cluster_settings(text, trial_image=DIGEST)
        assert settings.pod_template == {"spec": {"priority": 7}}
        assert isinstance(settings.pod_template["spec"]["priority"], int)

    @pytest.mark.parametrize(
        ("text", "image", "words"),
        [
            ("", "", "trial_image is empty"),
            ("a: [", DIGEST, "line 1 is not YAML"),
            ("- a", DIGEST, "must map names"),
            ("memory: 3", DIGEST, "cluster: memory"),
            ("require_image_digest: true", "trial:1", "has no digest"),
            ("resources: {memory_limit: much}", DIGEST, "resources.memory_limit"),
        ],
    )
    def test_what_is_wrong_is_named(self, text, image, words):
        with pytest.raises(ConfigError, match=words):
            cluster_settings(text, trial_image=image)


def test_trial_pods_may_have_keys_of_fewer_rights_than_the_steps() -> None:
    both = {"trial_image": DIGEST, "s3_secret": "of-all-steps"}
    assert cluster_settings(**both).s3_secret == "of-all-steps"
    assert cluster_settings("s3_secret: of-trials", **both).s3_secret == "of-trials"
