"""Writes each component's README from its metadata and its own signature.

``python -m xautolm_components.describing`` writes them; ``--check`` says which are stale.
"""

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent
_TYPES = {
    "STRING": "str",
    "NUMBER_INTEGER": "int",
    "NUMBER_DOUBLE": "float",
    "BOOLEAN": "bool",
    "STRUCT": "dict",
    "LIST": "list",
}


def component_names() -> list[str]:
    """Return the names of all components."""
    return sorted(file.parent.name for file in FOLDER.glob("*/component.py"))


def readme_of(name: str) -> str:
    """Return the README of a component."""
    metadata = yaml.safe_load((FOLDER / name / "metadata.yaml").read_text(encoding="utf-8"))
    component = getattr(import_module(f"xautolm_components.{name}.component"), name)
    spec = component.pipeline_spec.components[f"comp-{name.replace('_', '-')}"]
    lines = [
        f"# {name}",
        "",
        _first_paragraph(component.python_func.__doc__ or ""),
        "",
        f"Stability: {metadata['stability']}. Image: {metadata['image']}. "
        f"Kubeflow Pipelines {metadata['dependencies']['kubeflow'][0]['version']}. "
        f"Uses: {', '.join(metadata['dependencies']['external_services']) or 'nothing else'}.",
        *_table("Parameters", spec.input_definitions.parameters, _parameter_type),
        *_table("Input artifacts", spec.input_definitions.artifacts, _artifact_type),
        *_table("Output parameters", spec.output_definitions.parameters, _parameter_type),
        *_table("Output artifacts", spec.output_definitions.artifacts, _artifact_type),
        "",
        "Written by `make describe` from `metadata.yaml` and `component.py`.",
    ]
    return "\n".join(lines) + "\n"


def stale() -> list[str]:
    """Return the components whose README is out of date."""
    found = []
    for name in component_names():
        file = FOLDER / name / "README.md"
        if not file.is_file() or file.read_text(encoding="utf-8") != readme_of(name):
            found.append(name)
    return found


def _first_paragraph(docstring: str) -> str:
    text = docstring.partition("Args:")[0].partition("Returns:")[0]
    return "\n".join(line.strip() for line in text.strip().splitlines())


def _table(title: str, fields: Any, type_of: Any) -> list[str]:
    if not fields:
        return []
    rows = [
        f"| `{name}` | {type_of(fields[name])} | {' '.join(fields[name].description.split())} |"
        for name in fields
    ]
    return ["", f"## {title}", "", "| name | type | what |", "|---|---|---|", *sorted(rows)]


def _parameter_type(field: Any) -> str:
    kind = type(field).DESCRIPTOR.fields_by_name["parameter_type"].enum_type
    return _TYPES.get(kind.values_by_number[field.parameter_type].name, "?")


def _artifact_type(field: Any) -> str:
    return str(field.artifact_type.schema_title).removeprefix("system.")


def main(arguments: list[str]) -> int:
    """Write or check all READMEs; return the exit code."""
    if arguments == ["--check"]:
        names = stale()
        for name in names:
            print(f"{FOLDER / name}/README.md is stale: run make describe", file=sys.stderr)
        return 1 if names else 0
    for name in component_names():
        (FOLDER / name / "README.md").write_text(readme_of(name), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
