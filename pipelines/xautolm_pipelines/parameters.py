"""Parameters of a run: read from the command line and a file, and checked before anything is sent.

The API takes wrong names and types and lets the run fail later, or not at all.
"""

import json
import math
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from xautolm_core.errors import ConfigError
from xautolm_core.validation import did_you_mean
from xautolm_pipelines.package import Package
from xautolm_pipelines.package import Parameter

# Parameters cross the API as JSON numbers, which are doubles there.
_LARGEST_INTEGER = 2**53
_WORDS = {
    "STRING": "a text",
    "NUMBER_INTEGER": "a whole number",
    "NUMBER_DOUBLE": "a number",
    "BOOLEAN": "true or false",
    "LIST": "a list (JSON)",
    "STRUCT": "a mapping (JSON)",
}
_TRUE = frozenset({"true", "yes", "on", "1"})
_FALSE = frozenset({"false", "no", "off", "0"})


def gather(package: Package, pairs: Sequence[str], file: Path | None) -> dict[str, Any]:
    """Return the parameters of a run, complete and of the right types.

    Args:
        package: The pipeline, which declares them.
        pairs: ``KEY=VALUE`` of ``--param``; these win.
        file: A YAML mapping, or None.

    Raises:
        ConfigError: One is unknown, missing, given twice, or of the wrong type.
    """
    values = _of_file(package, file) if file is not None else {}
    seen: set[str] = set()
    for pair in pairs:
        name, sign, text = pair.partition("=")
        if not sign or not name:
            raise ConfigError(
                f"--param: '{name}' is not KEY=VALUE", hint="Write for example --param trials=20"
            )
        if name in seen:
            raise ConfigError(f"--param: '{name}' is given twice", hint="Give it once")
        seen.add(name)
        values[name] = _from_text(_declared(package, name, "--param"), text)
    missing = [p.name for p in package.parameters.values() if p.required and p.name not in values]
    if missing:
        raise ConfigError(
            f"the pipeline {package.name} needs the parameter"
            f"{'s' if len(missing) > 1 else ''} {', '.join(missing)}",
            hint=f"Give --param {missing[0]}=...",
        )
    return values


def _of_file(package: Package, file: Path) -> dict[str, Any]:
    from xautolm_core.yaml_document import read

    try:
        document = read(file)
    except FileNotFoundError:
        raise ConfigError(
            f"--params-file: there is no file {file}", hint="Give a YAML file"
        ) from None
    if document.data is None:
        return {}
    if not isinstance(document.data, dict):
        raise ConfigError(
            f"--params-file: {file} is not a mapping of names to values",
            hint="Write one parameter a line, for example: trials: 20",
        )
    values = {}
    for name, value in document.data.items():
        where = f"{file}:{document.line((name,))}"
        values[str(name)] = _checked(_declared(package, str(name), where), value, where)
    return values


def _declared(package: Package, name: str, where: str) -> Parameter:
    known: Mapping[str, Parameter] = package.parameters
    if name not in known:
        listed = ", ".join(sorted(known)) or "none"
        raise ConfigError(
            f"{where}: the pipeline {package.name} has no parameter '{name}' (it has: {listed})",
            hint=did_you_mean(name, known),
        )
    return known[name]


def _from_text(parameter: Parameter, text: str) -> Any:
    """Return the value of a text; messages never show the text, as it may be a secret."""
    kind = parameter.kind
    value: Any = text
    if kind == "BOOLEAN":
        word = text.strip().lower()
        value = True if word in _TRUE else False if word in _FALSE else text
    elif kind == "NUMBER_INTEGER":
        value = _converted(int, text)
    elif kind == "NUMBER_DOUBLE":
        value = _converted(float, text)
    elif kind in {"LIST", "STRUCT"}:
        value = _converted(json.loads, text)
    return _checked(parameter, value, "--param")


def _converted(convert: Any, text: str) -> Any:
    try:
        return convert(text)
    except ValueError:
        return text


def _checked(parameter: Parameter, value: Any, where: str) -> Any:
    kind = parameter.kind
    number = isinstance(value, int | float) and not isinstance(value, bool)
    fits = {
        "STRING": isinstance(value, str),
        "BOOLEAN": isinstance(value, bool),
        "NUMBER_INTEGER": number and isinstance(value, int),
        "NUMBER_DOUBLE": number and math.isfinite(value),
        "LIST": isinstance(value, list),
        "STRUCT": isinstance(value, dict),
    }
    if not fits.get(kind, True):
        wanted = _WORDS.get(kind, kind)
        hint = "Put it into quotes" if kind == "STRING" else f"Give {wanted}"
        raise ConfigError(
            f"{where}: the parameter '{parameter.name}' must be {wanted}, not "
            f"{_name_of(value, where)}",
            hint=hint,
        )
    if number and isinstance(value, int) and abs(value) > _LARGEST_INTEGER:
        raise ConfigError(
            f"{where}: the parameter '{parameter.name}' is beyond 2**53; the API would round it",
            hint="Give a smaller number",
        )
    if isinstance(value, list | dict):
        _check_json(parameter, value, where)
    return value


def _check_json(parameter: Parameter, value: Any, where: str) -> None:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        raise ConfigError(
            f"{where}: the parameter '{parameter.name}' holds what JSON cannot (NaN, a date)",
            hint="Put it into quotes",
        ) from None


def _name_of(value: Any, where: str) -> str:
    if where == "--param":
        return "what is given"
    names = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
    names |= {list: "a list", dict: "a mapping", type(None): "empty"}
    return names.get(type(value), f"of type {type(value).__name__}")
