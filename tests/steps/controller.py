"""``python -m tests.steps.controller REQUEST FEATURES RESULT``: the search step as a process."""

from __future__ import annotations

import sys
from pathlib import Path

from xautolm_core.steps.search import search

if __name__ == "__main__":
    request, features, result = sys.argv[1:]
    search(Path(request).read_text(), features, "", result)
