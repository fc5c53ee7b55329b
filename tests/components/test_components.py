from __future__ import annotations

import ast
import datetime
import sys
from importlib import import_module
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel
from pydantic import ConfigDict

from xautolm_components.describing import component_names
from xautolm_components.describing import stale

FOLDER = Path(__file__).parents[2] / "components" / "xautolm_components"


class Dependency(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str
    version: str


class Dependencies(BaseModel):
    model_config = ConfigDict(extra="forbid")
    kubeflow: list[Dependency]
    external_services: list[str]


class Metadata(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str
    stability: str
    image: str
    dependencies: Dependencies
    tags: list[str]
    lastVerified: datetime.date  # noqa: N815


@pytest.fixture(params=component_names())
def name(request):
    return request.param


def test_its_metadata_are_whole(name):
    metadata = Metadata(**yaml.safe_load((FOLDER / name / "metadata.yaml").read_text()))
    assert metadata.name == name
    component = getattr(import_module(f"xautolm_components.{name}.component"), name)
    executor = next(iter(component.pipeline_spec.deployment_spec["executors"].values()))
    assert metadata.image in executor["container"]["image"]


def test_its_body_is_a_line_or_two(name):
    tree = ast.parse((FOLDER / name / "component.py").read_text())
    function = next(node for node in tree.body if isinstance(node, ast.FunctionDef))
    body = [n for n in function.body if not isinstance(n, ast.ImportFrom)][1:]  # no docstring
    assert 1 <= len(body) <= 2


def test_it_imports_nothing_heavy_at_its_top(name):
    tree = ast.parse((FOLDER / name / "component.py").read_text())
    modules = {n.module.partition(".")[0] for n in tree.body if isinstance(n, ast.ImportFrom)}
    assert modules <= {"kfp", "xautolm_components", *sys.stdlib_module_names}
    assert "__future__" not in modules


def test_all_descriptions_are_fresh():
    assert stale() == []
