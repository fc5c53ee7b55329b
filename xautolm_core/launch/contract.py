"""The contract of all launchers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Protocol
from typing import Self

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xautolm_core.records.attempt import TrialResult
    from xautolm_core.trial.contract import TrialSpec


@dataclass(frozen=True)
class TrialHandle:
    """A trial that was submitted.

    Attributes:
        search_id: Id of its search.
        trial_number: Its number.
        attempt: Number of the attempt.
        out_folder: Folder for its result.
        native_id: Name in the backend: a process id, a Job's name.
    """

    search_id: str
    trial_number: int
    attempt: int
    out_folder: Path
    native_id: str

    @classmethod
    def of(cls, spec: TrialSpec, native_id: str) -> Self:
        """Return the handle of a spec's trial."""
        return cls(spec.search_id, spec.trial_number, spec.attempt, spec.out_folder, native_id)

    @property
    def key(self) -> str:
        """Name of the attempt, unique over all searches."""
        return attempt_key(self.search_id, self.trial_number, self.attempt)


def attempt_key(search_id: str, trial_number: int, attempt: int) -> str:
    """Return the name of an attempt, unique over all searches."""
    return f"{search_id}/{trial_number}/{attempt}"


class Launcher(Protocol):
    """Starts trials and returns their results. A failed trial is a result, never an exception."""

    def submit(self, spec: TrialSpec) -> TrialHandle:
        """Write the spec to its folder, then start the trial; return without waiting for it.

        Raises:
            LaunchError: The backend cannot start any trial.
        """
        ...

    def poll(self, handle: TrialHandle) -> TrialResult | None:
        """Return the result, or None while the trial runs. Never blocks."""
        ...

    def wait(self, handles: Sequence[TrialHandle], timeout_seconds: float) -> None:
        """Return as soon as one of the trials has ended, or after the timeout."""
        ...

    def cancel(self, handle: TrialHandle, *, grace_seconds: float = 5.0) -> TrialResult:
        """End a trial: SIGTERM first, SIGKILL after the grace; return its result."""
        ...

    def begin_cancel(
        self, handles: Sequence[TrialHandle], *, grace_seconds: float = 5.0, pruned: str = ""
    ) -> None:
        """Begin to end many trials at once, without waiting: ``poll`` or ``cancel`` follows.

        Args:
            handles: The trials.
            grace_seconds: Time between SIGTERM and SIGKILL.
            pruned: Why the search stops them early, in words: they are then ``pruned`` in place of
                ``cancelled``, except for one that ends otherwise meanwhile.
        """
        ...

    def adopt(self, spec: TrialSpec) -> TrialHandle | None:
        """Return a handle of a trial that an earlier process submitted, or None if it is lost."""
        ...

    def discard_checkpoint(self, out_folder: Path) -> None:
        """Delete the checkpoint of a trial that has ended, wherever it is stored.

        Args:
            out_folder: The trial's folder.

        Raises:
            StoreError: The storage cannot be reached.
        """
        ...

    def close(self) -> None:
        """End running trials and free all resources. Safe to call twice."""
        ...
