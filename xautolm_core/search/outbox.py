"""Experiences on their way to the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xautolm_core.errors import StoreError

if TYPE_CHECKING:
    from xautolm_core.experience.schema import Experience
    from xautolm_core.search.setup import SearchSetup
    from xautolm_core.trial.contract import TrialResult
    from xautolm_core.trial.contract import TrialSpec


class ExperienceOutbox:
    """Appends experiences in their order; what cannot be written is kept and tried again.

    Args:
        setup: What the trials of the search share.
    """

    def __init__(self, setup: SearchSetup) -> None:
        self._setup = setup
        self._waiting: list[Experience] = []

    def post(self, spec: TrialSpec, result: TrialResult) -> None:
        """Append what one attempt has come to."""
        model = self._setup.space.model_of(spec.configuration)
        descriptor = None if model is None else model.descriptor
        self._waiting.append(self._setup.writer.experience(spec, result, descriptor))
        self.flush()

    def flush(self) -> None:
        """Append all that waits; stop at the first that cannot be written, with a warning."""
        while self._waiting:
            try:
                self._setup.store.append(self._waiting[0])
            except StoreError as error:
                self._setup.note(f"An experience could not be kept: {error}", warning=True)
                return
            self._waiting.pop(0)
