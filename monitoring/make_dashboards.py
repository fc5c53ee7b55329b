"""Writes the Grafana dashboards beside this file: ``make dashboards``.

A dashboard is a list of panels here (``operations``, ``green_ai``), and a thousand lines of JSON in
Grafana: the latter is generated from the former, and a test checks that they agree. Names of
metrics are in ``docs/monitoring.md``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from monitoring.green_ai import GREEN
from monitoring.operations import OPERATIONS
from monitoring.panels import document

FOLDER = Path(__file__).parent / "dashboards"

DASHBOARDS = {
    "xautolm-operations": ("xautolm: operations", OPERATIONS),
    "xautolm-green-ai": ("xautolm: Green AI", GREEN),
}


def dashboard(uid: str) -> dict[str, Any]:
    """Return a dashboard as Grafana reads it."""
    title, panels = DASHBOARDS[uid]
    return document(uid, title, panels)


def text(uid: str) -> str:
    """Return a dashboard's file."""
    return json.dumps(dashboard(uid), indent=2) + "\n"


def main() -> None:
    """Write the dashboards."""
    FOLDER.mkdir(exist_ok=True)
    for uid in DASHBOARDS:
        (FOLDER / f"{uid}.json").write_text(text(uid), "utf-8")


if __name__ == "__main__":
    main()
