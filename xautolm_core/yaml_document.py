"""YAML with line numbers, so that an error can name the place."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from xautolm_core.errors import ConfigError

_EXPONENT_FLOAT = re.compile(r"[-+]?[0-9][0-9_]*(?:\.[0-9_]*)?[eE][-+]?[0-9]+$")
_MAX_CHARACTERS = 1_000_000


class _Loader(yaml.SafeLoader):
    """The safe loader, which also reads ``5e-5`` as a number (YAML 1.1 wants ``5.0e-5``)."""


_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _EXPONENT_FLOAT, list("-+0123456789"))


@dataclass(frozen=True)
class Document:
    """Plain data together with the nodes that they came from.

    Attributes:
        data: The content: dicts, lists and scalars.
        source: Name of the file, for messages.
        root: The node of the whole document.
        fault: Error class for wrong content.
    """

    data: Any
    source: str
    root: yaml.Node | None
    fault: type[ConfigError] = ConfigError

    def line(self, path: Sequence[str | int]) -> int:
        """Return the line (from 1 on) of the key or item at a path, as near as it can be found."""
        line, node = 1, self.root
        for part in path:
            if isinstance(node, yaml.MappingNode):
                pair = next(((k, v) for k, v in node.value if k.value == str(part)), None)
                if pair is None:
                    break
                key, node = pair
                # A key merged by "<<" is written elsewhere: point there.
                line = key.start_mark.line + 1
            elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
                if not 0 <= part < len(node.value):
                    break
                node = node.value[part]
                line = node.start_mark.line + 1
            else:
                break
        return line

    def error(self, path: Sequence[str | int], problem: str, hint: str = "") -> ConfigError:
        """Return an error that names file, line and place."""
        place = _place(path)
        where = f"{self.source}:{self.line(path)}: "
        return self.fault(f"{where}{place}{problem}", hint=hint)


def read(path: Path, fault: type[ConfigError] = ConfigError) -> Document:
    """Return the document of a YAML file.

    Raises:
        ConfigError: It cannot be read, is not YAML, repeats a key, or refers to itself; of class
            ``fault``.
        FileNotFoundError: There is no such file.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise
    except UnicodeDecodeError as error:
        raise fault(f"{path} is not UTF-8: byte {error.start}", hint="Save it as UTF-8") from error
    except OSError as error:
        raise fault(
            f"Cannot read {path}: {error.strerror or error}", hint="Give a YAML file"
        ) from error
    return parse(text, str(path), fault)


def parse(text: str, source: str, fault: type[ConfigError] = ConfigError) -> Document:
    """Return the document of a YAML text.

    Args:
        text: The YAML.
        source: Name of the file, for messages.
        fault: Class of the error to raise.

    Raises:
        ConfigError: It is not YAML, repeats a key, or refers to itself; of class ``fault``.
    """
    if len(text) > _MAX_CHARACTERS:
        raise fault(f"{source} is larger than 1 MB", hint="Give a YAML file of settings")
    loader = _Loader(text)
    try:
        root = loader.get_single_node()
        if root is not None:
            _check(loader, root, Document(None, source, root, fault), ())
        data = None if root is None else loader.construct_document(root)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark is not None else 1
        raise fault(
            f"{source}:{line}: {error.problem or 'no YAML'}",
            hint="Fix the YAML there (indentation, quotes, brackets)",
        ) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise fault(f"{source}: not readable as YAML: {error}", hint="Fix the file") from error
    finally:
        loader.dispose()
    return Document(data=data, source=source, root=root, fault=fault)


def _check(
    loader: _Loader, node: yaml.Node, document: Document, above: tuple[yaml.Node, ...]
) -> None:
    """Refuse repeated keys and loops, and merge the keys of ``<<`` into their mapping."""
    if any(node is other for other in above):
        line = node.start_mark.line + 1
        raise document.fault(
            f"{document.source}:{line}: an anchor refers to itself", hint="Remove the alias"
        )
    if isinstance(node, yaml.MappingNode):
        _check_keys(node, document)
        loader.flatten_mapping(node)
        # Keys that were merged in stand first; the mapping's own ones win.
        node.value = list({key.value: (key, value) for key, value in node.value}.values())
        children = [value for _, value in node.value]
    elif isinstance(node, yaml.SequenceNode):
        children = node.value
    else:
        return
    for child in children:
        _check(loader, child, document, (*above, node))


def _check_keys(node: yaml.MappingNode, document: Document) -> None:
    seen: dict[str, int] = {}
    for key, _ in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise document.fault(
                f"{document.source}:{line}: a key must be a plain word", hint="Fix the key"
            )
        if key.value in seen and key.value != "<<":
            raise document.fault(
                f"{document.source}:{line}: {key.value!r} appears a second time "
                f"(first in line {seen[key.value]})",
                hint="Rename or remove one of them",
            )
        seen[key.value] = line


def _place(path: Sequence[str | int]) -> str:
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in path]
    text = "".join(parts).lstrip(".")
    return f"{text}: " if text else ""
