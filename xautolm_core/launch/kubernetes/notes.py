"""What the user is told of trials that wait: each thing once, and again after a while."""

from __future__ import annotations

import time
from typing import Protocol

_AGAIN_SECONDS = 300.0


class Notes(Protocol):
    """Takes what the user should know. A ``SearchObserver`` is one."""

    def note(self, text: str, *, warning: bool = False) -> None:
        """Tell something that the user should know."""
        ...


class SpacedNotes:
    """Passes warnings on, but none about the same subject within five minutes.

    Args:
        notes: Takes them; None for nobody.
    """

    def __init__(self, notes: Notes | None) -> None:
        self._notes = notes
        self._told: dict[str, float] = {}

    def warn(self, text: str, subject: str) -> None:
        """Tell something, unless the same subject was told a short while ago.

        Args:
            text: What is told.
            subject: What it is about.
        """
        now = time.monotonic()
        told = self._told.get(subject)
        if self._notes is None or (told is not None and now - told < _AGAIN_SECONDS):
            return
        self._told[subject] = now
        self._notes.note(text, warning=True)
