"""What pods and Roles have to keep to: Pod Security's level "restricted", and more.

https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.charts.rendering import containers

# Kinds that may lie outside of a namespace or grant something beyond it.
CLUSTER_KINDS = frozenset(
    {"ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "Namespace", "PriorityClass"}
)
_VOLUMES = {
    *("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim"),
    *("projected", "secret"),
}
# What may end up in a name of an API group or verb and grant more than it says.
_ESCALATING = {"*", "escalate", "bind", "impersonate"}


def pod_findings(metadata: dict[str, Any], spec: dict[str, Any]) -> Iterator[str]:
    """Yield what a pod does that a restricted one may not, or leaves out that ours has."""
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(field):
            yield f"{field} is set"
    security = spec.get("securityContext", {})
    if security.get("runAsNonRoot") is not True or security.get("runAsUser") == 0:
        yield "the pod may run as root"
    if security.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield "the pod has no seccomp profile"
    if security.get("sysctls"):
        yield "the pod sets sysctls"
    for volume in spec.get("volumes", []):
        yield from (
            f"volume {volume['name']}: {kind}" for kind in set(volume) - {"name"} - _VOLUMES
        )
    if not {"automountServiceAccountToken", "enableServiceLinks"} <= set(spec):
        yield "the pod leaves its token or service links to chance"
    if spec.get("serviceAccountName", "default") == "default":
        yield "the pod has the namespace's default account"
    if metadata["labels"].get("sidecar.istio.io/inject") != "false":
        yield "a mesh may add a side-car, with which a Job never ends"
    for one in containers(spec):
        yield from (f"{one['name']}: {finding}" for finding in _container_findings(one))


def _container_findings(one: dict[str, Any]) -> Iterator[str]:
    security = one.get("securityContext", {})
    if security.get("allowPrivilegeEscalation") is not False or security.get("privileged"):
        yield "privileges may be gained"
    if security.get("capabilities") != {"drop": ["ALL"]}:
        yield "capabilities are kept"
    if security.get("readOnlyRootFilesystem") is not True:
        yield "the root file system may be written"
    image = one["image"]
    tag = image.rpartition("/")[2].partition(":")[2]
    if "@sha256:" not in image and tag in ("", "latest"):
        yield f"image {image} moves"
    for kind in ("requests", "limits"):
        if not {"cpu", "memory"} <= set(one.get("resources", {}).get(kind, {})):
            yield f"no {kind} of cpu and memory"
    if any(port.get("hostPort") for port in one.get("ports", [])):
        yield "a port of the host"
    if any("secretKeyRef" in str(variable) for variable in one.get("env", [])):
        yield "a secret is a variable"
    if "envFrom" in one:
        yield "variables from elsewhere"


def role_findings(role: dict[str, Any]) -> Iterator[str]:
    """Yield what a Role grants that none of ours may."""
    for rule in role["rules"]:
        words = {*rule["apiGroups"], *rule["resources"], *rule["verbs"]}
        if words & _ESCALATING:
            yield f"grants {words & _ESCALATING}"
        if any("secret" in resource for resource in rule["resources"]):
            yield "grants secrets"
        if {"pods", "pods/exec", "pods/attach"} & set(rule["resources"]) and {
            "create",
            "update",
            "patch",
        } & set(rule["verbs"]):
            yield "grants running commands in pods"
