"""Manifests: valid for old and new Kubernetes, restricted, and with commands that exist."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from http.server import HTTPServer
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.charts import policy
from tests.charts.commands import parse
from tests.charts.rendering import VALUE_SETS
from tests.charts.rendering import containers
from tests.charts.rendering import name_of
from tests.charts.rendering import objects
from tests.charts.rendering import objects_in
from tests.charts.rendering import pod_specs
from tests.charts.rendering import render
from tests.charts.rendering import values_of
from tests.launch.kubernetes.fake_api import CORE
from tests.launch.kubernetes.fake_api import FakeApi
from xautolm_core.launch.kubernetes.checks import REQUIRED_PERMISSIONS
from xautolm_core.launch.kubernetes.overlay import check_template
from xautolm_core.launch.kubernetes.overlay import merge
from xautolm_core.launch.kubernetes.pod import pod_spec
from xautolm_core.launch.kubernetes.settings import ClusterSettings
from xautolm_core.launch.kubernetes.settings import read_settings
from xautolm_core.objects.s3_settings import read_s3_settings

# Kinds of the Prometheus operator, whose schema is not that of Kubernetes.
FOREIGN = "monitoring.coreos.com/v1"


@pytest.mark.parametrize("version", ["1.29", "1.32", "1.36"])
@pytest.mark.parametrize("value_set", VALUE_SETS)
def test_manifests_are_strictly_valid(value_set: str, version: str) -> None:
    for one in objects(value_set):
        if one["apiVersion"] != FOREIGN:
            kubernetes_validate.validate(one, version, strict=True)


@pytest.mark.parametrize("value_set", VALUE_SETS)
def test_every_pod_is_restricted(value_set: str) -> None:
    found = {
        name: list(policy.pod_findings(metadata, spec))
        for name, metadata, spec in pod_specs(value_set)
    }
    assert found and not {name: findings for name, findings in found.items() if findings}


def test_the_policy_finds_what_is_wrong() -> None:
    bad = {
        "hostNetwork": True,
        "volumes": [{"name": "h", "hostPath": {"path": "/"}}],
        "containers": [{"name": "c", "image": "registry:5000/x:latest"}],
    }
    found = " ".join(policy.pod_findings({"labels": {}}, bad))
    for words in ("hostNetwork", "root", "seccomp", "hostPath", "latest", "limits", "privileges"):
        assert words in found
    role = {"rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["*"]}]}
    assert len(list(policy.role_findings(role))) == 2


@pytest.mark.parametrize("value_set", VALUE_SETS)
def test_no_right_reaches_beyond_its_namespace_or_to_secrets(value_set: str) -> None:
    assert not {one["kind"] for one in objects(value_set)} & policy.CLUSTER_KINDS
    for role in objects(value_set, "Role"):
        assert not list(policy.role_findings(role))
    for binding in objects(value_set, "RoleBinding"):
        assert binding["roleRef"]["kind"] == "Role"
        for subject in binding["subjects"]:
            assert subject["kind"] == "ServiceAccount"
            assert subject["namespace"] == binding["metadata"]["namespace"]


@pytest.mark.parametrize("value_set", VALUE_SETS)
def test_searches_may_what_the_launcher_checks_and_list_events(value_set: str) -> None:
    needed = {
        (p.group, f"{p.resource}/{p.subresource}".rstrip("/"), p.verb) for p in REQUIRED_PERMISSIONS
    }
    roles = [
        one for one in objects(value_set, "Role") if one["metadata"]["name"] == "xautolm-search"
    ]
    assert roles
    for role in roles:
        granted = {
            (group, resource, verb)
            for rule in role["rules"]
            for group in rule["apiGroups"]
            for resource in rule["resources"]
            for verb in rule["verbs"]
        }
        assert granted == needed | {("", "events", "list")}


@pytest.mark.parametrize("value_set", VALUE_SETS)
def test_trials_and_upkeep_have_no_rights_and_no_token(value_set: str) -> None:
    bound = {
        subject["name"]
        for binding in objects(value_set, "RoleBinding")
        for subject in binding["subjects"]
    }
    assert not bound & {"xautolm-trial", "xautolm-upkeep"}
    assert all(not a["automountServiceAccountToken"] for a in objects(value_set, "ServiceAccount"))
    with_token = {
        name
        for name, _, spec in pod_specs(value_set)
        if spec["automountServiceAccountToken"] is not False
    }
    assert {name.rpartition("/")[2] for name in with_token} == {"xautolm-test-search"}


@pytest.mark.parametrize("value_set", VALUE_SETS)
def test_accounts_secrets_and_config_maps_that_pods_name_are_known(value_set: str) -> None:
    made = {name_of(one) for one in objects(value_set)}
    values = values_of(value_set)
    authority = values.get("s3", {}).get("caBundle", {}).get("configMap")
    for name, _, spec in pod_specs(value_set):
        namespace = name.split("/")[1]
        assert f"ServiceAccount/{namespace}/{spec['serviceAccountName']}" in made
        for volume in spec["volumes"]:
            config = volume.get("configMap", {}).get("name")
            if config not in (None, authority):
                assert f"ConfigMap/{namespace}/{config}" in made
        mounted = {m["name"] for one in containers(spec) for m in one["volumeMounts"]}
        assert mounted == {volume["name"] for volume in spec["volumes"]}


@pytest.mark.parametrize("value_set", VALUE_SETS)
def test_each_pod_is_selected_by_a_network_policy_and_s3_is_reached(value_set: str) -> None:
    for name, metadata, spec in pod_specs(value_set):
        namespace = name.split("/")[1]
        policies = [
            one["spec"]
            for one in objects(value_set, "NetworkPolicy")
            if one["metadata"]["namespace"] == namespace
            and _selects(one["spec"]["podSelector"], metadata["labels"])
        ]
        assert len(policies) == 1, name
        assert policies[0]["policyTypes"] == ["Ingress", "Egress"]
        ports = {p["port"] for rule in policies[0].get("egress", []) for p in rule["ports"]}
        if any(m["name"] == "s3-credentials" for c in containers(spec) for m in c["volumeMounts"]):
            assert name.endswith("s3-server") or 9000 in ports


def _selects(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    wanted = selector.get("matchLabels", {})
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        one["operator"] == "In" and labels.get(one["key"]) in one["values"]
        for one in selector.get("matchExpressions", [])
    )


@pytest.mark.parametrize("component", ["trial", "probe"])
def test_pods_of_the_launcher_are_selected_too(component: str) -> None:
    labels = {
        "app.kubernetes.io/component": component,
        "app.kubernetes.io/managed-by": "xautolm-search",
    }
    (found,) = [
        one["spec"]
        for one in objects("air-gapped", "NetworkPolicy")
        if _selects(one["spec"]["podSelector"], labels)
    ]
    assert "ingress" not in found
    # Names, and the store: no hub, no API server, nothing else.
    assert [[p["port"] for p in rule["ports"]] for rule in found["egress"]] == [[53, 53], [9000]]


def _commands() -> list[tuple[str, list[str]]]:
    found = [
        (f"{value_set}:{name}:{one['name']}", [*one["command"], *one["args"]])
        for value_set in VALUE_SETS
        for name, _, spec in pod_specs(value_set)
        for one in containers(spec)
    ]
    return [(name, line) for name, line in found if line[0] == "xautolm"]


def test_every_command_line_is_taken_by_the_command() -> None:
    paths = {parse(line[1:])[0] for _, line in _commands()}
    assert paths == {
        *("xautolm exporter", "xautolm pipeline compile", "xautolm pipeline submit"),
        *("xautolm store compact", "xautolm store init", "xautolm store stats"),
    }
    lines = [line for _, _, spec in pod_specs("everything") for line in _lines(spec)]
    assert {line[0] for line in lines} == {"xautolm", "python3", "minio"}


def _lines(spec: dict[str, Any]) -> list[list[str]]:
    return [one["command"] for one in containers(spec)]


def test_options_that_no_command_knows_are_found() -> None:
    with pytest.raises(Exception, match="--nothing"):
        parse(["store", "compact", "--nothing=1"])
    with pytest.raises(Exception, match="compress"):
        parse(["store", "compress"])


@pytest.mark.parametrize("value_set", VALUE_SETS)
def test_addresses_are_those_of_one_tenant_and_can_be_read(value_set: str, tmp_path: Path) -> None:
    for name in ("accesskey", "secretkey"):
        (tmp_path / name).write_text("x" * 20)
    environment = {"XAUTOLM_S3_CREDENTIALS_FILE": str(tmp_path)}
    prefixes: dict[str, set[str]] = {}
    for name, _, spec in pod_specs(value_set):
        for one in containers(spec):
            if one["command"] != ["xautolm"]:
                continue
            for option in ("store", "workspace"):
                address = parse(one["args"])[1].get(option)
                if address is not None:
                    settings = read_s3_settings(address, environment)
                    assert settings.endpoint.startswith("http") and settings.region == "us-east-1"
                    place = f"{settings.bucket}/{settings.prefix.rpartition('/')[0]}"
                    prefixes.setdefault(name.split("/")[1], set()).add(place)
    assert all(len(one) == 1 for one in prefixes.values())
    assert len({next(iter(one)) for one in prefixes.values()}) == len(prefixes)


def test_what_the_exporter_is_given_means_something(tmp_path: Path) -> None:
    from xautolm_core.cli.carbon_options import parse_embodied
    from xautolm_core.cli.exporter_command import parse_address
    from xautolm_core.request.basis import basis_of
    from xautolm_core.request.quantities import parse_duration

    lines = [line for _, line in _commands() if line[1] == "exporter"]
    for line in lines:
        given = parse(line[1:])[1]
        assert parse_address(given["listen"]) == ("0.0.0.0", 9468)
        assert parse_duration(given["interval"], "--interval") == 30
        basis_of(None, zone=None, grams_per_kwh=None, pue=given["pue"], prices=given["price"] or ())
        if given["gpu_embodied"]:
            parse_embodied(given["gpu_embodied"])
    assert any(parse(line[1:])[1]["zone"] == "DE" for line in lines)


@pytest.mark.parametrize("value_set", VALUE_SETS)
def test_what_searches_are_given_is_read_by_them(value_set: str, tmp_path: Path) -> None:
    from xautolm_core.steps.cluster import cluster_settings
    from xautolm_pipelines.package import find_package
    from xautolm_pipelines.parameters import gather

    maps = [
        one
        for one in objects(value_set, "ConfigMap")
        if one["metadata"]["name"] == "xautolm-search"
    ]
    assert maps
    for one in maps:
        (tmp_path / "kubernetes.yaml").write_text(one["data"]["kubernetes.yaml"])
        settings = read_settings(tmp_path / "kubernetes.yaml", ClusterSettings)
        assert settings.namespace == one["metadata"]["namespace"]
        assert settings.service_account == "xautolm-trial"
        required = {
            "metadata": {"labels": {}, "annotations": {}},
            "spec": pod_spec(["xautolm", "trial", "x"], 60, settings),
        }
        merged = merge(required, settings.pod_template)
        check_template(required, merged, require_image_digest=settings.require_image_digest)
        (tmp_path / "pipeline.yaml").write_text(one["data"]["pipeline.yaml"])
        for name in ("xautolm-search", "xautolm-retrain"):
            package = find_package(name)
            given = gather(package, ["task=s3://bucket/data.csv"], tmp_path / "pipeline.yaml")
            of_steps = cluster_settings(
                given["cluster"], trial_image=given["trial_image"], s3_secret=given["s3_secret"]
            )
            same = {"namespace", "workspace", "context"}
            assert of_steps.model_dump(exclude=same) == settings.model_dump(exclude=same)


def test_what_retrainings_are_given_is_taken_by_the_pipeline(tmp_path: Path) -> None:
    from xautolm_core.request.quantities import parse_duration
    from xautolm_pipelines.package import find_package
    from xautolm_pipelines.parameters import gather

    maps = [
        one
        for one in objects("everything", "ConfigMap")
        if "parameters.yaml" in one.get("data", {})
    ]
    assert len(maps) == 2
    for one in maps:
        (tmp_path / "parameters.yaml").write_text(one["data"]["parameters.yaml"])
        given = gather(find_package("xautolm-retrain"), [], tmp_path / "parameters.yaml")
        assert given["tenant"] == "reviews"
    submit = next(line for _, line in _commands() if line[2] == "submit")
    assert parse_duration(parse(submit[1:])[1]["wait_limit"], "--wait-limit") == 86400
    suspended = {
        j["metadata"]["name"]: j["spec"].get("suspend") for j in objects("everything", "CronJob")
    }
    assert suspended["xautolm-retrain-languages"] is True
    assert suspended["xautolm-retrain-stars"] is False


def test_retrainings_are_compiled_for_the_images_of_the_release(tmp_path: Path) -> None:
    spec = next(spec for name, _, spec in pod_specs("everything") if "retrain-stars" in name)
    compile_, submit = containers(spec)
    given = {one["name"]: one["value"] for one in compile_["env"]}
    line = [one.replace("/tmp", str(tmp_path)) for one in compile_["args"]]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "xautolm_core.cli", *line],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **given},
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    compiled = Path(submit["args"][2].replace("/tmp", str(tmp_path))).read_text("utf-8")
    images = {one["image"] for one in _executors(yaml.safe_load_all(compiled))}
    assert images == {given["XAUTOLM_IMAGE_RUNTIME"], given["XAUTOLM_IMAGE_TRIAL"]}


def _executors(documents: Iterator[dict[str, Any]]) -> list[dict[str, Any]]:
    executors = next(iter(documents))["deploymentSpec"]["executors"]
    return [one["container"] for one in executors.values()]


def test_policies_of_tenants_do_not_overlap() -> None:
    (one,) = [
        one
        for one in objects("everything", "ConfigMap")
        if one["metadata"]["name"] == "xautolm-s3-policies"
    ]
    policies = {name.removesuffix(".json"): json.loads(text) for name, text in one["data"].items()}
    assert set(policies) == {"reviews", "reviews-trial", "support", "support-trial"}
    for name, found in policies.items():
        prefix = f"teams/{name.removesuffix('-trial')}/"
        assert found["Version"] == "2012-10-17"
        listing, objects_ = found["Statement"]
        (listed,) = listing["Condition"]["StringLike"]["s3:prefix"]
        (resource,) = objects_["Resource"]
        assert listed.startswith(prefix) and prefix in resource and "s3:*" not in str(found)
        may_delete = "s3:DeleteObject" in objects_["Action"]
        assert may_delete is not name.endswith("-trial")


def test_the_claim_of_the_trial_server_stays() -> None:
    (claim,) = objects("everything", "PersistentVolumeClaim")
    assert claim["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


def test_helm_test_asks_what_a_search_asks(tmp_path: Path) -> None:
    (spec,) = [
        spec for name, _, spec in pod_specs("minimal") if name.endswith("xautolm-test-search")
    ]
    (settings,) = [
        one["data"]["kubernetes.yaml"]
        for one in objects("minimal", "ConfigMap")
        if one["metadata"]["name"] == "xautolm-search"
    ]
    (tmp_path / "kubernetes.yaml").write_text(settings)
    script = containers(spec)[0]["args"][0].replace("/etc/xautolm/search", str(tmp_path))
    fake = FakeApi()
    try:
        fake.write_kubeconfig(tmp_path / "config")
        config = json.loads((tmp_path / "config").read_text())
        config["contexts"][0]["context"]["namespace"] = "trials"
        (tmp_path / "config").write_text(json.dumps(config))
        accounts = f"{CORE}/serviceaccounts/xautolm-trial"
        fake.present |= {CORE, accounts, f"{CORE}/secrets/mlpipeline-minio-artifact"}
        assert _run(script, tmp_path).startswith("searches may start trials in trials")
        fake.denied.add(("jobs", "delete"))
        assert "may not delete jobs" in _run(script, tmp_path)
    finally:
        fake.stop()


def test_helm_test_waits_for_the_exporter_and_says_what_it_says() -> None:
    answers = iter([503, 200])

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert self.path == "/readyz"
            self.send_response(next(answers))
            self.end_headers()
            self.wfile.write(b"the totals are young")

        def log_message(self, *arguments: Any) -> None:
            pass

    (spec,) = [
        spec for name, _, spec in pod_specs("minimal") if name.endswith("xautolm-test-store")
    ]
    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        script = containers(spec)[1]["args"][0]
        assert ":9468/" in script
        script = script.replace(":9468/", f":{server.server_address[1]}/")
        done = subprocess.run(
            [sys.executable, "-c", script],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "XAUTOLM_EXPORTER_SERVICE_HOST": "127.0.0.1"},
            timeout=60,
        )
    finally:
        server.shutdown()
        server.server_close()
    assert done.stdout.strip() == "the totals are young"


def _run(script: str, folder: Path) -> str:
    environment = {**os.environ, "KUBECONFIG": str(folder / "config")}
    environment.pop("KUBERNETES_SERVICE_HOST", None)
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        timeout=120,
    )
    return done.stdout or done.stderr


def test_values_of_one_tenant_do_not_reach_another() -> None:
    values = values_of("everything")
    both = objects_in(render(values))
    alone = objects_in(render({**values, "tenants": values["tenants"][1:]}))
    of_support = [one for one in both if one["metadata"]["namespace"] == "support"]
    assert of_support == [one for one in alone if one["metadata"]["namespace"] == "support"]
    assert "reviews" not in yaml.safe_dump(of_support)
