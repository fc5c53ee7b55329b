"""Observers that keep a search's run folder as objects, so that a repeated step goes on from it."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

from xautolm_core.trial.contract import MODEL_FOLDER
from xautolm_core.trial.contract import SPEC_FILE
from xautolm_core.trial.contract import TRIALS_FOLDER
from xautolm_core.trial.contract import TrialSpec
from xautolm_core.trial.contract import attempt_name

if TYPE_CHECKING:
    from xautolm_core.launch.exchange import TrialExchange
    from xautolm_core.search.contract import SearchObserver
    from xautolm_core.search.contract import TrialRecord
    from xautolm_core.space.configuration import Configuration


class Mirrored:
    """Passes a search's progress on, and keeps its small files as objects after every trial.

    Args:
        observer: Whom it passes on to.
        exchange: The objects of the search.
        out_folder: The run folder.
    """

    def __init__(self, observer: SearchObserver, exchange: TrialExchange, out_folder: Path) -> None:
        self._observer = observer
        self._mirror = exchange.mirror(out_folder)
        self.phase = observer.phase
        self.note = observer.note
        self.warm_started = observer.warm_started

    def trial_started(self, number: int, configuration: Configuration, why: str) -> None:
        """A trial was launched."""
        self._observer.trial_started(number, configuration, why)

    def trial_ended(
        self, record: TrialRecord, front: Sequence[TrialRecord], best: TrialRecord | None
    ) -> None:
        """A trial has ended."""
        self._observer.trial_ended(record, front, best)
        self._mirror.sync()

    def tick(self, seconds_left: float | None, running: Mapping[int, Mapping[str, Any]]) -> None:
        """Pass it on."""
        self._observer.tick(seconds_left, running)


class MirroredWithModels(Mirrored):
    """Also keeps what nobody else does where trials run in this very container: their models."""

    def __init__(self, observer: SearchObserver, exchange: TrialExchange, out_folder: Path) -> None:
        super().__init__(observer, exchange, out_folder)
        self._exchange = exchange
        self._trials_folder = out_folder / TRIALS_FOLDER

    def trial_started(self, number: int, configuration: Configuration, why: str) -> None:
        """A trial was launched: whoever goes on must know, or would use its number again."""
        super().trial_started(number, configuration, why)
        self._mirror.sync()

    def trial_ended(
        self, record: TrialRecord, front: Sequence[TrialRecord], best: TrialRecord | None
    ) -> None:
        """A trial has ended. Its model, if the search keeps it, goes before its result."""
        folder = self._trials_folder / attempt_name(record.number, record.result.attempt)
        if record.result.model_folder is not None and (folder / MODEL_FOLDER).is_dir():
            spec = TrialSpec.model_validate_json((folder / SPEC_FILE).read_bytes())
            self._exchange.tell(spec, record.result)
        super().trial_ended(record, front, best)
