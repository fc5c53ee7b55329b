"""Search spaces: presets, files, and YAML that is written in Python."""

from __future__ import annotations

from pathlib import Path

from xautolm._words import given_path
from xautolm._words import in_callers_words
from xautolm_core.errors import SpaceError
from xautolm_core.records.methods import CHEAP_METHODS
from xautolm_core.space.definition import parse_definition
from xautolm_core.space.definition import read_definition
from xautolm_core.space.presets import preset_names
from xautolm_core.space.presets import preset_text


class SearchSpace:
    """What a search may try: methods, models, and the range of each hyper-parameter.

    Args:
        source: Name of a preset (``SearchSpace.presets()``), path of a YAML file, or the YAML
            itself, in which paths of models are absolute.

    Attributes:
        name: Its name.
        description: What it is for.
        text: Its YAML.
        methods: What it has, such as ``tfidf``, ``lora`` and ``full``.
        models: Ids of its models, whether they can be had here or not.

    Raises:
        SpaceError: There is no such space, or it is wrong; the message names the line.

    Example:
        >>> space = xautolm.SearchSpace("starter")
        >>> xautolm.search("reviews.csv", space=xautolm.SearchSpace(space.text.replace(...)))
    """

    def __init__(self, source: str | Path) -> None:
        # YAML is longer than any path.
        self._source = source if isinstance(source, str) else str(given_path(source, "source"))
        with in_callers_words():
            if self.is_text:
                found = parse_definition(self._source, "the space")
                self.text = self._source
                _require_absolute(
                    [one.path for one in found.models.values() if one.package is None]
                )
            else:
                found = read_definition(self._source)
                is_preset = self._source in preset_names()
                self.text = (
                    preset_text(self._source)
                    if is_preset
                    else Path(self._source).expanduser().read_text(encoding="utf-8")
                )
        self.name = found.name
        self.description = found.description
        of_branches = dict.fromkeys(branch.method for branch in found.branches)
        self.methods = (*(CHEAP_METHODS if found.cheap else ()), *of_branches)
        self.models = tuple(found.models)

    @staticmethod
    def presets() -> list[str]:
        """Return the names of the presets."""
        return preset_names()

    @property
    def is_text(self) -> bool:
        """Whether it was given as YAML, and is neither a preset nor a file."""
        return "\n" in self._source.strip()

    @property
    def argument(self) -> str:
        """What ``xautolm search --space`` takes, or the YAML."""
        return self._source

    def __repr__(self) -> str:
        """Return name, methods and number of models."""
        methods = ", ".join(self.methods)
        return f"<SearchSpace {self.name}: {methods}; {len(self.models)} models>"


def _require_absolute(paths: list[str | None]) -> None:
    for path in paths:
        if path is not None and not Path(path).expanduser().is_absolute():
            raise SpaceError(
                f"The space names the model folder {path!r}, and has no folder of its own",
                hint="Write an absolute path, or the space to a file and give its path",
            )
