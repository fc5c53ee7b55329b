"""What an import read, kept, changed and dropped, counted, so that nothing goes unexplained."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from typing import Any

from xautolm_core.records.experience import Experience

PLACES_SHOWN = 5
"""Number of places that are named for each reason; the rest is counted."""

MAX_REASONS = 200
"""Different reasons or fields; a hostile file could otherwise make up any number of them."""

_OTHERS = "other reasons"
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_MAX_CHARACTERS = 160


@dataclass
class Account:
    """The account of one import.

    Every record that was read is imported, a duplicate, or dropped: ``is_balanced``.

    Attributes:
        importer: Its name and version, such as ``published/1``.
        source: What was read, as the user named it, without credentials.
        read: Records found, broken ones included.
        imported: Task and outcome to number of experiences.
        duplicates: Task and reason to number of records.
        records: Reason to number of records that were dropped.
        places: Reason to the first places where that happened.
        fields: Field and reason to the number of records in which it was left out.
        changes: What was changed on the way, to number of records.
        files: Reason to number of files that were not read.
        warnings: What else the user should know.
    """

    importer: str
    source: str = ""
    read: int = 0
    imported: Counter[tuple[str, str]] = field(default_factory=Counter)
    duplicates: Counter[tuple[str, str]] = field(default_factory=Counter)
    records: Counter[str] = field(default_factory=Counter)
    places: dict[str, list[str]] = field(default_factory=dict)
    fields: Counter[tuple[str, str]] = field(default_factory=Counter)
    changes: Counter[str] = field(default_factory=Counter)
    files: Counter[str] = field(default_factory=Counter)
    warnings: list[str] = field(default_factory=list)

    @property
    def is_balanced(self) -> bool:
        """Whether every record that was read is accounted for."""
        kept = self.imported.total() + self.duplicates.total()
        return self.read == kept + self.records.total()

    def drop_record(self, place: str, reason: str) -> None:
        """Count a record that is dropped."""
        self._count(self.records, plain(reason), place)

    def skip_file(self, place: str, reason: str) -> None:
        """Count a file that is not read."""
        self._count(self.files, plain(reason), place)

    def drop_field(self, name: str, reason: str) -> None:
        """Count a field that is left out of one experience."""
        key = (plain(name), plain(reason))
        if key not in self.fields and len(self.fields) >= MAX_REASONS:
            key = ("other fields", _OTHERS)
        self.fields[key] += 1

    def change(self, what: str) -> None:
        """Count a change to one experience."""
        self.changes[plain(what)] += 1

    def add_duplicate(self, experience: Experience, reason: str) -> None:
        """Count a record that says the same as another one."""
        self.duplicates[(experience.task_name, reason)] += 1

    def add_imported(self, experiences: Sequence[Experience]) -> None:
        """Count what came in."""
        for experience in experiences:
            self.imported[(experience.task_name, experience.outcome.value)] += 1

    def note_changes(self, before: Experience, after: Experience) -> None:
        """Count the fields in which the rules of an experience have replaced something."""
        for name in type(before).model_fields:
            if getattr(after, name) != getattr(before, name):
                self.change(f"{name}: replaced in part by the rules of what may be kept")

    def document(self) -> dict[str, Any]:
        """Return the account as plain JSON values, in a fixed order."""
        tasks: dict[str, dict[str, int]] = {}
        for (task, outcome), count in sorted(self.imported.items()):
            tasks.setdefault(task, {})[outcome] = count
        return {
            "importer": self.importer,
            "source": self.source,
            "read": self.read,
            "imported": self.imported.total(),
            "tasks": tasks,
            "duplicates": [
                {"task": task, "reason": reason, "count": count}
                for (task, reason), count in sorted(self.duplicates.items())
            ],
            "dropped_records": self._with_places(self.records),
            "dropped_fields": [
                {"field": name, "reason": reason, "count": count}
                for (name, reason), count in sorted(self.fields.items())
            ],
            "changes": dict(sorted(self.changes.items())),
            "skipped_files": self._with_places(self.files),
            "warnings": list(self.warnings),
        }

    def text(self) -> str:
        """Return the account for people, in lines."""
        lines = [f"{self.read} records read, {self.imported.total()} experiences"]
        document = self.document()
        for task, outcomes in document["tasks"].items():
            words = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.items())
            lines.append(f"  {task}: {sum(outcomes.values())} ({words})")
        lines += _section(
            "duplicates",
            [(d["count"], f"{d['task']}: {d['reason']}") for d in document["duplicates"]],
        )
        lines += _section("records dropped", _named(document["dropped_records"]))
        lines += _section(
            "fields left out",
            [(d["count"], f"{d['field']}: {d['reason']}") for d in document["dropped_fields"]],
        )
        lines += _section("changed", [(n, what) for what, n in document["changes"].items()])
        lines += _section("files not read", _named(document["skipped_files"]))
        lines += [f"warning: {warning}" for warning in self.warnings]
        return "\n".join(lines)

    def _count(self, counter: Counter[str], reason: str, place: str) -> None:
        if reason not in counter and len(counter) >= MAX_REASONS:
            reason = _OTHERS
        counter[reason] += 1
        places = self.places.setdefault(reason, [])
        if len(places) < PLACES_SHOWN:
            places.append(plain(place))

    def _with_places(self, counter: Counter[str]) -> list[dict[str, Any]]:
        return [
            {"reason": reason, "count": count, "places": self.places.get(reason, [])}
            for reason, count in sorted(counter.items())
        ]


def plain(text: str) -> str:
    """Return a text of foreign origin for a message: one line of at most 160 characters."""
    line = " ".join(_UNPRINTABLE.sub(" ", text).split())
    return line if len(line) <= _MAX_CHARACTERS else f"{line[: _MAX_CHARACTERS - 3]}..."


def _section(title: str, rows: Sequence[tuple[int, str]]) -> list[str]:
    if not rows:
        return []
    width = max(len(str(count)) for count, _ in rows)
    total = sum(count for count, _ in rows)
    return [f"{title}: {total}", *(f"  {count:>{width}} {words}" for count, words in rows)]


def _named(entries: Sequence[Mapping[str, Any]]) -> list[tuple[int, str]]:
    rows = []
    for entry in entries:
        places = entry["places"]
        more = f" and {entry['count'] - len(places)} more" if entry["count"] > len(places) else ""
        rows.append((entry["count"], f"{entry['reason']} ({', '.join(places)}{more})"))
    return rows
