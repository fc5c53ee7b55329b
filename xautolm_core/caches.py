"""The folder of this user's caches."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

SETTING = "XAUTOLM_CACHE"
"""Environment variable: folder of all caches, or ``off``."""


def folder_of_caches(environment: Mapping[str, str] | None = None) -> Path | None:
    """Return the folder of this user's caches; None if they are off or no folder is known.

    It is ``$XAUTOLM_CACHE``, else ``$XDG_CACHE_HOME/xautolm``, else ``~/.cache/xautolm``;
    ``XAUTOLM_CACHE=off`` switches all of them off.
    """
    known = os.environ if environment is None else environment
    setting = known.get(SETTING, "").strip()
    if setting.lower() == "off":
        return None
    if setting:
        return Path(setting).expanduser()
    xdg = known.get("XDG_CACHE_HOME", "").strip()
    try:
        # The standard says that a relative path is to be ignored.
        base = Path(xdg) if Path(xdg).is_absolute() else Path.home() / ".cache"
    except RuntimeError:
        return None
    return base / "xautolm"
