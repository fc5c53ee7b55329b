"""Finds installed packages that bring models, without importing them."""

from __future__ import annotations

import importlib.util
from pathlib import Path


def package_folder(package: str) -> Path | None:
    """Return the folder of an installed package; None if it is not installed.

    Args:
        package: Its name as it is imported; of a dotted one the first part counts.
    """
    try:
        # Finding a top-level package does not import it.
        found = importlib.util.find_spec(package.partition(".")[0])
    except (ImportError, ValueError):
        return None
    if found is None or not found.submodule_search_locations:
        return None
    return Path(found.submodule_search_locations[0])
