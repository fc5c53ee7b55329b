"""Small data for the tests of this folder."""

from __future__ import annotations

import json
from pathlib import Path

WORDS = ["good", "bad", "fine", "poor", "great", "awful", "nice", "weak", "strong", "dull"]


def rows(count: int = 40, classes: tuple = ("neg", "pos")) -> list[dict]:
    """Make labelled texts, all different, the classes in turn."""
    return [
        {"text": f"the {WORDS[i % 10]} film number {i}", "label": classes[i % len(classes)]}
        for i in range(count)
    ]


def write_csv(path: Path, records: list[dict]) -> Path:
    """Write a CSV file, every field quoted."""
    names = list(records[0])
    lines = [",".join(names)]
    lines += [
        ",".join('"' + str(record[n]).replace('"', '""') + '"' for n in names) for record in records
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def write_jsonl(path: Path, records: list[dict]) -> Path:
    """Write a JSON Lines file."""
    path.write_text("".join(json.dumps(r) + "\n" for r in records), encoding="utf-8")
    return path
