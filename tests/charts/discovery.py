"""An API server over HTTP that says which kinds it knows: enough for a dry run of Helm."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from http.server import ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

STOCK = {
    "": {
        "configmaps": "ConfigMap",
        "limitranges": "LimitRange",
        "resourcequotas": "ResourceQuota",
        "secrets": "Secret",
        "serviceaccounts": "ServiceAccount",
        "services": "Service",
    },
    "apps": {"deployments": "Deployment"},
    "batch": {"cronjobs": "CronJob", "jobs": "Job"},
    "networking.k8s.io": {"networkpolicies": "NetworkPolicy"},
    "policy": {"poddisruptionbudgets": "PodDisruptionBudget"},
    "rbac.authorization.k8s.io": {"rolebindings": "RoleBinding", "roles": "Role"},
}
PROMETHEUS_OPERATOR = {
    "monitoring.coreos.com": {
        "podmonitors": "PodMonitor",
        "prometheusrules": "PrometheusRule",
        "servicemonitors": "ServiceMonitor",
    }
}


def _version(group: str) -> str:
    return f"{group}/v1" if group else "v1"


def _root(group: str) -> str:
    return f"apis/{group}/v1" if group else "api/v1"


def _answers(kinds: dict[str, dict[str, str]], version: str) -> dict[str, Any]:
    groups = [
        {
            "name": group,
            "versions": [{"groupVersion": _version(group), "version": "v1"}],
            "preferredVersion": {"groupVersion": _version(group), "version": "v1"},
        }
        for group in kinds
        if group
    ]
    schemas = {_root(g): {"serverRelativeURL": f"/openapi/v3/{_root(g)}"} for g in kinds}
    found: dict[str, Any] = {
        "/version": {"major": "1", "minor": version.split(".")[1], "gitVersion": version},
        "/api": {"kind": "APIVersions", "versions": ["v1"]},
        "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups},
        "/openapi/v3": {"paths": schemas},
    }
    for group, names in kinds.items():
        resources = [
            {"name": name, "kind": kind, "namespaced": True, "singularName": "", "verbs": ["get"]}
            for name, kind in names.items()
        ]
        found[f"/{_root(group)}"] = {
            "kind": "APIResourceList",
            "groupVersion": _version(group),
            "resources": resources,
        }
        found[f"/openapi/v3/{_root(group)}"] = _schema(group, names)
    return found


def _schema(group: str, names: dict[str, str]) -> dict[str, Any]:
    """Say that the server itself validates; so the client needs no schemas."""
    parameters = [
        {"name": name, "in": "query", "schema": {"type": "string"}}
        for name in ("dryRun", "fieldValidation")
    ]
    paths = {
        f"/{_root(group)}/namespaces/{{namespace}}/{name}/{{name}}": {
            "patch": {
                "responses": {},
                "parameters": parameters,
                "x-kubernetes-group-version-kind": {"group": group, "version": "v1", "kind": kind},
            }
        }
        for name, kind in names.items()
    }
    return {"openapi": "3.0.0", "info": {"title": "kinds", "version": "v1"}, "paths": paths}


@contextmanager
def serving(kinds: dict[str, dict[str, str]], version: str = "v1.34.0") -> Iterator[str]:
    """Serve, and yield the content of a kubeconfig. No object is there, and none can be made."""
    answers = _answers(kinds, version)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *arguments: Any) -> None:
            pass

        def do_GET(self) -> None:
            absent = {"kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404}
            found = answers.get(urlsplit(self.path).path)
            data = json.dumps(found or absent).encode()
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    one = {"name": "fake"}
    address = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{**one, "cluster": {"server": address}}],
                "users": [{**one, "user": {}}],
                "contexts": [{**one, "context": {"cluster": "fake", "user": "fake"}}],
                "current-context": "fake",
            }
        )
    finally:
        server.shutdown()
        server.server_close()
