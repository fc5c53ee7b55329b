"""What an installation would make depends on what the API server knows. Helm asks it over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from helm_python.config import Config
from helm_python.errors import HelmError

from tests.charts.discovery import PROMETHEUS_OPERATOR
from tests.charts.discovery import STOCK
from tests.charts.discovery import serving
from tests.charts.rendering import NAMESPACE
from tests.charts.rendering import chart
from tests.charts.rendering import values_of


def _would_make(kubeconfig: str, **values: Any) -> set[str]:
    with Config(kubeconfig_content=kubeconfig, namespace=NAMESPACE) as helm:
        given = {**values_of("minimal"), **values}
        release = helm.install(chart(), "xautolm", given, dry_run="server")
    return {one["kind"] for one in yaml.safe_load_all(release["manifest"]) if one}


def test_a_cluster_without_the_operator_gets_nothing_of_it() -> None:
    with serving(STOCK) as kubeconfig:
        assert not _would_make(kubeconfig) & {"ServiceMonitor", "PodMonitor", "PrometheusRule"}


def test_a_cluster_with_the_operator_is_watched_without_a_word() -> None:
    with serving(STOCK | PROMETHEUS_OPERATOR) as kubeconfig:
        found = _would_make(kubeconfig)
        assert {"ServiceMonitor", "PrometheusRule"} <= found
        assert "PodMonitor" not in found
        off = {"serviceMonitor": {"enabled": False}, "rules": {"enabled": False}}
        unwatched = _would_make(kubeconfig, monitoring=off)
        assert not unwatched & {"ServiceMonitor", "PodMonitor", "PrometheusRule"}


def test_a_cluster_that_is_too_old_is_refused() -> None:
    with (
        serving(STOCK, "v1.28.4") as kubeconfig,
        pytest.raises(HelmError, match=r"1\.29"),
    ):
        _would_make(kubeconfig)
