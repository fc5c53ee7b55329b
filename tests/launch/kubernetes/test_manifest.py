"""The Job that is asked for: valid for every supported Kubernetes, and safe from its overlay."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
from hypothesis import HealthCheck
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.launch.conftest import MakeSpec
from xautolm_core.errors import ConfigError
from xautolm_core.launch.kubernetes.manifest import build_job
from xautolm_core.launch.kubernetes.names import job_name
from xautolm_core.launch.kubernetes.names import label_value
from xautolm_core.launch.kubernetes.overlay import merge
from xautolm_core.launch.kubernetes.settings import KubernetesSettings
from xautolm_core.launch.kubernetes.settings import read_settings
from xautolm_core.records.configuration import Configuration
from xautolm_core.space.model import ModelReference
from xautolm_core.trial.contract import TrialSpec

DIGEST = f"registry.example/trial@sha256:{'a' * 64}"
OWNER = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "name": "run", "uid": "u"}
OVERLAY: dict[str, Any] = {
    "metadata": {"labels": {"team": "nlp"}},
    "spec": {
        "tolerations": [{"key": "gpu", "operator": "Exists"}],
        "containers": [
            {"name": "trial", "env": [{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}]},
            {"name": "sidecar", "image": "registry.example/sidecar:1"},
        ],
        "volumes": [
            {
                "name": "work",
                "emptyDir": None,
                "ephemeral": {
                    "volumeClaimTemplate": {
                        "spec": {
                            "accessModes": ["ReadWriteOnce"],
                            "resources": {"requests": {"storage": "50Gi"}},
                        }
                    }
                },
            }
        ],
    },
}
VARIANTS: dict[str, dict[str, Any]] = {
    "least": {"image": "trial:1"},
    "most": {
        "image": DIGEST,
        "require_image_digest": True,
        "image_pull_secrets": ["registry"],
        "resources": {"gpu_count": 1, "cpu_limit": "4", "memory_request": "4Gi"},
        "node_selector": {"gpu": "a100"},
        "tolerations": [{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}],
        "queue": {"name": "trials", "priority_class": "low"},
        "priority_class": "batch",
        "s3_secret": "keys",
        "environment": {
            "XAUTOLM_S3_ENDPOINT": "http://s3:9000",
            "XAUTOLM_ENERGY_PROMETHEUS": "http://prometheus:9090",
        },
        "model_cache_claim": "models",
    },
    "overlaid": {"image": "trial:1", "pod_template": OVERLAY},
}


def settings_of(**content: Any) -> KubernetesSettings:
    return KubernetesSettings.model_validate({"image": "trial:1", **content})


@pytest.mark.parametrize("version", ["1.29", "1.32", "1.36"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_is_valid(make_spec: MakeSpec, variant: str, version: str) -> None:
    settings = settings_of(**VARIANTS[variant], namespace="trials")
    job = build_job(make_spec("any"), "s3://bucket/spec.json", settings, OWNER)
    kubernetes_validate.validate(job, version, strict=True)


def test_what_a_trial_job_is(make_spec: MakeSpec) -> None:
    spec = make_spec("any", wall_limit=100.0)
    job = build_job(spec, "s3://bucket/spec.json", settings_of(**VARIANTS["most"]), OWNER)
    wanted, pod = job["spec"], job["spec"]["template"]["spec"]
    container = pod["containers"][0]
    rules = wanted["podFailurePolicy"]["rules"]
    assert [rule["action"] for rule in rules] == ["Ignore", "FailJob"]
    assert rules[1]["onExitCodes"]["values"] == [2, 3, 4]
    assert (wanted["backoffLimit"], wanted["podReplacementPolicy"]) == (0, "Failed")
    assert 100 < pod["activeDeadlineSeconds"] < wanted["activeDeadlineSeconds"]
    assert wanted["ttlSecondsAfterFinished"] >= 3600
    assert "suspend" not in wanted
    assert pod["restartPolicy"] == "Never"
    assert pod["automountServiceAccountToken"] is False
    assert container["command"] == ["xautolm", "trial", "s3://bucket/spec.json", "--work", "/work"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert not any("secret" in str(variable).lower() for variable in container["env"])
    assert {m["mountPath"] for m in container["volumeMounts"] if m.get("readOnly")} == {
        "/var/run/xautolm/s3"
    }
    assert job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "trials"
    assert job["metadata"]["ownerReferences"] == [OWNER]
    assert wanted["template"]["metadata"]["labels"]["sidecar.istio.io/inject"] == "false"


def test_a_trial_without_a_language_model_asks_for_no_gpu(make_spec: MakeSpec) -> None:
    tfidf = Configuration(branch="tfidf", method="tfidf", parameters={})
    spec = make_spec("any").model_copy(update={"configuration": tfidf, "model": None})
    most = settings_of(**VARIANTS["most"])
    job = build_job(spec, "s3://bucket/spec.json", most, OWNER)
    kubernetes_validate.validate(job, "1.36", strict=True)
    with_gpu = build_job(make_spec("any"), "s3://bucket/spec.json", most, OWNER)
    pod, other = (one["spec"]["template"]["spec"] for one in (job, with_gpu))
    expected = {
        kind: {name: much for name, much in amounts.items() if name != "nvidia.com/gpu"}
        for kind, amounts in other["containers"][0]["resources"].items()
    }
    assert expected != other["containers"][0]["resources"]
    assert pod["containers"][0] == {**other["containers"][0], "resources": expected}
    assert {"nodeSelector", "tolerations"} == set(other) - set(pod)
    assert job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "trials"
    placed = {"node_selector": {"pool": "cpu"}, "queue": {"name": "cpus"}}
    elsewhere = settings_of(**VARIANTS["most"], cpu_placement=placed)
    job = build_job(spec, "s3://bucket/spec.json", elsewhere, OWNER)
    assert job["spec"]["template"]["spec"]["nodeSelector"] == {"pool": "cpu"}
    assert job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "cpus"
    # Where no trial has a GPU, all of them run in the same place.
    cpus = settings_of(node_selector={"pool": "any"})
    job = build_job(spec, "s3://bucket/spec.json", cpus, OWNER)
    assert job["spec"]["template"]["spec"]["nodeSelector"] == {"pool": "any"}


@pytest.mark.parametrize(
    ("overlay", "field"),
    [
        ({"spec": {"restartPolicy": "OnFailure"}}, "spec.restartPolicy"),
        ({"spec": {"activeDeadlineSeconds": None}}, "spec.activeDeadlineSeconds"),
        ({"spec": {"automountServiceAccountToken": True}}, "automountServiceAccountToken"),
        ({"spec": {"terminationGracePeriodSeconds": 1}}, "terminationGracePeriodSeconds"),
        ({"metadata": {"labels": {"xautolm.io/study": "x"}}}, "metadata.labels.xautolm.io/study"),
        ({"metadata": {"labels": None}}, "metadata.labels"),
        ({"spec": {"volumes": [{"name": "work", "$patch": "delete"}]}}, "spec.volumes.work"),
        (
            {"spec": {"containers": [{"name": "trial", "$patch": "delete"}]}},
            "spec.containers.trial",
        ),
        (
            {"spec": {"containers": [{"name": "trial", "command": ["sh"]}]}},
            "spec.containers.trial.command",
        ),
        (
            {"spec": {"containers": [{"name": "trial", "env": [{"name": "HOME", "value": "/"}]}]}},
            "spec.containers.trial.env.HOME",
        ),
        ({"spec": {"containers": [{"image": "x"}]}}, "spec.containers[0]"),
        ({"spec": {"$patch": "merge"}}, "pod_template.spec"),
    ],
)
def test_an_overlay_that_takes_away_what_is_needed(
    make_spec: MakeSpec, overlay: dict[str, Any], field: str
) -> None:
    with pytest.raises(ConfigError) as told:
        build_job(make_spec("any"), "s3://b/spec.json", settings_of(pod_template=overlay))
    assert field in str(told.value)


def test_the_digest_policy_holds_in_the_overlay(make_spec: MakeSpec) -> None:
    overlay = {"spec": {"containers": [{"name": "trial", "image": "other:latest"}]}}
    settings = settings_of(image=DIGEST, require_image_digest=True, pod_template=overlay)
    with pytest.raises(ConfigError, match="has no digest"):
        build_job(make_spec("any"), "s3://b/spec.json", settings)


# The first draw of a text reads tables of Unicode, which is slow on a busy machine.
patient = hypothesis_settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
_trees = st.recursive(
    st.integers() | st.text("xyz", max_size=5),
    lambda inner: st.dictionaries(st.sampled_from(["a", "b", "tolerations"]), inner, max_size=3),
    max_leaves=8,
)
_maps = st.dictionaries(st.sampled_from(["a", "b", "c"]), _trees, max_size=3)


@patient
@given(_maps, _maps)
def test_laws_of_the_overlay(base: dict[str, Any], overlay: dict[str, Any]) -> None:
    assert merge(base, {}) == base
    once = merge(base, overlay)
    assert merge(once, overlay) == once
    assert merge(base, dict.fromkeys(base)) == {}


def test_lists_are_merged_by_what_their_items_are_known_by() -> None:
    base = {"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}], "args": ["x"]}
    overlay = {
        "env": [{"name": "B", "$patch": "delete"}, {"name": "C", "value": "3"}],
        "args": ["y"],
    }
    merged = merge(base, overlay)
    assert merged == {
        "env": [{"name": "A", "value": "1"}, {"name": "C", "value": "3"}],
        "args": ["y"],
    }
    assert base["env"][1] == {"name": "B", "value": "2"}


@patient
@given(
    search=st.text(max_size=100),
    number=st.integers(0, 10**9),
    attempt=st.integers(0, 10**4),
)
def test_names_are_labels_of_dns(search: str, number: int, attempt: int) -> None:
    spec = TrialSpec(
        search_id=search,
        trial_number=number,
        attempt=attempt,
        task_folder=Path("task"),
        out_folder=Path("out"),
        cache_folder=Path("cache"),
        configuration=Configuration(branch="n", model="n", method="full", parameters={}),
        model=ModelReference(id="n"),
        seed=0,
    )
    name = job_name(spec)
    assert len(name) <= 63
    assert all(part.isalnum() and part == part.lower() for part in name.split("-"))
    assert name != job_name(spec.model_copy(update={"attempt": attempt + 1}))
    assert name != job_name(spec.model_copy(update={"trial_number": number + 1}))


@patient
@given(st.text(max_size=100))
def test_label_values_are_accepted(text: str) -> None:
    value = label_value(text)
    assert len(value) <= 63
    assert not value or (value[0].isalnum() and value[-1].isalnum() and value.isascii())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image: a:1\nqueue: {nam: x}\n", "settings.yaml:2: queue.name"),
        ("image: a:1\nresources:\n  memory_limit: lots\n", "settings.yaml:3: resources"),
        ("image: a:1\nrequire_image_digest: true\n", "has no digest"),
        ("image: a:1\npod_template: absent.yaml\n", "There is no file"),
        ("- image\n", "must map names"),
    ],
)
def test_settings_that_are_wrong(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as told:
        read_settings(path, KubernetesSettings)
    assert message in str(told.value)


def test_settings_with_a_template_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "pod.yaml").write_text("spec: {priorityClassName: high}\n")
    (tmp_path / "settings.yaml").write_text("image: a:1\npod_template: pod.yaml\n")
    settings = read_settings(tmp_path / "settings.yaml", KubernetesSettings)
    assert settings.pod_template == {"spec": {"priorityClassName": "high"}}


def test_a_pod_knows_its_name_where_a_prometheus_is_asked_for_its_energy(
    make_spec: MakeSpec,
) -> None:
    def variables(environment: dict[str, str]) -> dict[str, Any]:
        settings = settings_of(environment=environment)
        job = build_job(make_spec("any"), "s3://bucket/spec.json", settings, OWNER)
        [container] = job["spec"]["template"]["spec"]["containers"]
        return {one.pop("name"): one for one in container["env"]}

    asked = {"XAUTOLM_ENERGY_PROMETHEUS": "http://prometheus:9090"}
    found = variables(asked)
    pod, namespace = found["XAUTOLM_ENERGY_POD"], found["XAUTOLM_ENERGY_NAMESPACE"]
    assert pod == {"valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
    assert namespace == {"valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}}
    assert "XAUTOLM_ENERGY_POD" not in variables({})
    # What somebody set by hand stands.
    by_hand = variables({**asked, "XAUTOLM_ENERGY_POD": "mine"})
    assert by_hand["XAUTOLM_ENERGY_POD"] == {"value": "mine"}
