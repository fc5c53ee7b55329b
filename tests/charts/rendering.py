"""The chart as Helm renders it. ``make chart-golden`` writes the golden files anew."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from helm_python.chart import Chart
from helm_python.chart import values_from_yaml

CHART = Path(__file__).parents[2] / "charts" / "xautolm"
GOLDEN = Path(__file__).parent / "golden"
VALUE_SETS = ("minimal", "everything", "air-gapped")
NAMESPACE = "platform"
# Files of the repository, which a test compares with what is rendered.
COPIED = ("dashboards.yaml", "rules.yaml")


@cache
def chart() -> Chart:
    return Chart.load(CHART)


def values_of(value_set: str) -> dict[str, Any]:
    return values_from_yaml((CHART / "ci" / f"{value_set}-values.yaml").read_text("utf-8"))


def render(values: dict[str, Any]) -> dict[str, str]:
    """Return what is rendered, by the template's path below ``templates``."""
    found = chart().render(values, name="xautolm", namespace=NAMESPACE)
    return {path.split("/templates/")[1]: text for path, text in found.items()}


@cache
def rendered(value_set: str) -> dict[str, str]:
    return render(values_of(value_set))


def objects_in(texts: dict[str, str]) -> list[dict[str, Any]]:
    return [
        one
        for path, text in texts.items()
        if path.endswith(".yaml")
        for one in yaml.safe_load_all(text)
        if one
    ]


@cache
def _parsed(value_set: str) -> list[dict[str, Any]]:
    return objects_in(rendered(value_set))


def objects(value_set: str, kind: str | None = None) -> list[dict[str, Any]]:
    return [one for one in _parsed(value_set) if kind in (None, one["kind"])]


def name_of(one: dict[str, Any]) -> str:
    return f"{one['kind']}/{one['metadata'].get('namespace')}/{one['metadata']['name']}"


def pod_specs(value_set: str) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Yield the name of whatever makes pods, the metadata of its pods, and their spec."""
    for one in objects(value_set):
        spec = one.get("spec", {})
        spec = spec.get("jobTemplate", {}).get("spec", spec)
        template = spec.get("template")
        if template:
            yield name_of(one), template["metadata"], template["spec"]


def containers(spec: dict[str, Any]) -> list[dict[str, Any]]:
    return [*spec.get("initContainers", []), *spec["containers"]]


def golden_text(value_set: str) -> str:
    """Return what is rendered as one text, but for what are files of the repository anyway."""
    parts = []
    for path, text in sorted(rendered(value_set).items()):
        if path.endswith(".tpl") or not text.strip():
            continue
        lines = [line.rstrip() for line in text.strip("\n").splitlines()]
        kept = ["(a file of monitoring/)"] if path.endswith(COPIED) else lines
        parts.append("\n".join([f"##### {path}", *(line for line in kept if line), ""]))
    return "\n".join(parts)


def main() -> None:
    """Write the golden files."""
    GOLDEN.mkdir(exist_ok=True)
    for value_set in VALUE_SETS:
        (GOLDEN / f"{value_set}.txt").write_text(golden_text(value_set), "utf-8")


if __name__ == "__main__":
    main()
