"""Write experiences to the store, with retries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xautolm_core.errors import StoreError
from xautolm_core.objects.contract import StorageUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from xautolm_core.records.attempt import TrialResult
    from xautolm_core.records.experience import Experience
    from xautolm_core.search.contract import SearchResult
    from xautolm_core.search.explanation import TrialExplanation
    from xautolm_core.search.resume import ResumedTrial
    from xautolm_core.search.setup import SearchSetup
    from xautolm_core.trial.contract import TrialSpec


class ExperienceOutbox:
    """Appends experiences; those that cannot be written are kept and retried.

    The search's state has the number of waiting ones.

    Args:
        setup: The shared setup of the search.
    """

    def __init__(self, setup: SearchSetup) -> None:
        self._setup = setup
        self._waiting: list[Experience] = []
        self._has_warned = False

    def post(
        self, spec: TrialSpec, result: TrialResult, explanation: TrialExplanation | None = None
    ) -> None:
        """Append the experience of one attempt, with the sampler's predictions."""
        self._waiting.append(self._experience(spec, result, explanation))
        self.flush()

    def post_again(self, resumed: Iterable[ResumedTrial]) -> None:
        """Append what an earlier process may not have appended; duplicates do no harm."""
        self._waiting += [
            self._experience(attempt.spec, attempt.result, attempt.proposal.explanation)
            for one in resumed
            for attempt in one.attempts
            if attempt.spec is not None and attempt.result is not None
        ]
        self.flush()

    def flush(self) -> None:
        """Append all waiting experiences; warn once if that fails."""
        waiting, self._waiting = self._waiting, []
        for place, experience in enumerate(waiting):
            try:
                self._setup.store.append(experience)
            except StorageUnavailableError as error:
                # The others would fail in the same way.
                self._waiting += waiting[place:]
                self._warn(error)
                break
            except StoreError as error:
                self._waiting.append(experience)
                self._warn(error)
        self._setup.state.unkept_experiences = len(self._waiting)

    def _experience(
        self, spec: TrialSpec, result: TrialResult, explanation: TrialExplanation | None
    ) -> Experience:
        model = self._setup.space.model_of(spec.configuration)
        descriptor = None if model is None else model.descriptor
        return self._setup.writer.experience(spec, result, descriptor, explanation)

    def _warn(self, error: StoreError) -> None:
        # Once only: the same fault affects the next ones.
        if not self._has_warned:
            self._has_warned = True
            told = f"Experiences cannot be written, and are retried until the end: {error}"
            self._setup.note(told, warning=True)


def require_kept(result: SearchResult) -> None:
    """Check that the store has all experiences of a search.

    Args:
        result: The result of the search.

    Raises:
        StoreError: Some could not be written.
    """
    count = result.unkept_experiences
    if count:
        words = "1 experience" if count == 1 else f"{count} experiences"
        raise StoreError(
            f"{words} could not be written to the store {result.spec.store}",
            hint="Make room there or fix its permissions, then resume the search: it writes them",
        )
