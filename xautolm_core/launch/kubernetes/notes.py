"""Notes to the user about waiting trials: each one once, and again after a while."""

from __future__ import annotations

import time
from typing import Protocol

_AGAIN_SECONDS = 300.0


class Notes(Protocol):
    """Takes notes for the user. A ``SearchObserver`` is one."""

    def note(self, text: str, *, warning: bool = False) -> None:
        """Pass on a note for the user."""
        ...


class SpacedNotes:
    """Passes warnings on, but none about the same subject within five minutes.

    Args:
        notes: Takes the notes; None to discard them.
    """

    def __init__(self, notes: Notes | None) -> None:
        self._notes = notes
        self._told: dict[str, float] = {}

    def warn(self, text: str, subject: str) -> None:
        """Pass on a note, unless the same subject had one a short while ago.

        Args:
            text: The note.
            subject: What it is about.
        """
        now = time.monotonic()
        told = self._told.get(subject)
        if self._notes is None or (told is not None and now - told < _AGAIN_SECONDS):
            return
        self._told[subject] = now
        self._notes.note(text, warning=True)
