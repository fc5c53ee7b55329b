"""Prints what ``pyproject.toml`` requires, so that an image has a layer of it without the source.

``python3 requirements.py pyproject.toml s3,kubernetes``: the dependencies of the package and of its
extras, one a line, for ``pip install --requirement``. Needs nothing but Python.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path


def requirements(pyproject: Path, extras: list[str]) -> list[str]:
    """Return the dependencies of a project with some of its extras.

    Raises:
        SystemExit: There is no such extra. pip would only warn, and the image would lack something.
    """
    project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    known = project["optional-dependencies"]
    if unknown := sorted(set(extras) - set(known)):
        raise SystemExit(f"error: no extra {', '.join(unknown)}; known are:  {', '.join(known)}")
    found = list(project["dependencies"])
    for extra in extras:
        found += known[extra]
    return found


if __name__ == "__main__":
    print("\n".join(requirements(Path(sys.argv[1]), [e for e in sys.argv[2].split(",") if e])))
