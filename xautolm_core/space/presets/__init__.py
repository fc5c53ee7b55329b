"""The search spaces that come with xautolm: YAML files to use, copy and edit."""

from __future__ import annotations

from importlib.resources import files

from xautolm_core.errors import SpaceError

_SUFFIX = ".yaml"


def preset_names() -> list[str]:
    """Return the presets' names, ordered."""
    names = (entry.name for entry in files(__package__).iterdir())
    return sorted(name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX))


def preset_text(name: str) -> str:
    """Return a preset's YAML.

    Raises:
        SpaceError: There is no such preset.
    """
    known = preset_names()
    if name not in known:
        raise SpaceError(f"There is no preset {name!r}", hint=f"Presets: {', '.join(known)}")
    return (files(__package__) / f"{name}{_SUFFIX}").read_text(encoding="utf-8")
