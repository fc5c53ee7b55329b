"""The images that the components run in, defined in one place.

Set the variables to compile the pipelines for images of your own, pinned by digest.
"""

import os
import re
from pathlib import Path

LOCK_FILE = Path(__file__).parent / "images.lock"
_DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")


def _image(name: str) -> str:
    """Return an image's reference: the environment's, else that of the lock file."""
    given = os.environ.get(f"XAUTOLM_IMAGE_{name.upper()}")
    if given:
        return given
    lines = LOCK_FILE.read_text(encoding="utf-8").splitlines()
    locked = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    return locked[name]


def unpinned(*references: str) -> list[str]:
    """Return those references that are not pinned by a digest."""
    return [reference for reference in references if not _DIGEST.search(reference)]


RUNTIME_IMAGE = _image("runtime")
TRIAL_IMAGE = _image("trial")
