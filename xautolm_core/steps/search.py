"""The controller's step: the whole search, with trials as Jobs or in this container."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

from xautolm_core.cluster_search import launched
from xautolm_core.errors import ConfigError
from xautolm_core.errors import StoreError
from xautolm_core.search.contract import ALTERNATIVE_FOLDER
from xautolm_core.search.contract import BEST_MODEL_FOLDER
from xautolm_core.search.folders import HISTORY_FILE
from xautolm_core.steps.entry import step
from xautolm_core.steps.finished import require_model
from xautolm_core.steps.notification import SUMMARY_KEY
from xautolm_core.steps.notification import keep_for_the_end
from xautolm_core.steps.request import PipelineRequest
from xautolm_core.steps.request import read_request
from xautolm_core.trial.contract import MODEL_FOLDER
from xautolm_core.trial.contract import SPEC_FILE
from xautolm_core.trial.contract import TRIALS_FOLDER
from xautolm_core.trial.contract import TrialSpec
from xautolm_core.trial.contract import attempt_name

if TYPE_CHECKING:
    from xautolm_core.launch.contract import Launcher
    from xautolm_core.launch.exchange import TrialExchange
    from xautolm_core.records.configuration import Configuration
    from xautolm_core.search.contract import SearchObserver
    from xautolm_core.search.contract import TrialRecord
    from xautolm_core.search.measured import Measured
    from xautolm_core.tracking.settings import TrackingSettings

EXIT_INTERRUPTED = 143


class Mirrored:
    """Forwards a search's progress, and stores its small files as objects after every trial.

    Args:
        observer: Receives the progress.
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
        """Forward it, and store the files."""
        self._observer.trial_started(number, configuration, why)

    def trial_ended(
        self, record: TrialRecord, front: Sequence[TrialRecord], best: TrialRecord | None
    ) -> None:
        """Forward it, and store the small files."""
        self._observer.trial_ended(record, front, best)
        self._mirror.sync()

    def tick(self, seconds_left: float | None, running: Mapping[int, Mapping[str, Any]]) -> None:
        """Forward it."""
        self._observer.tick(seconds_left, running)


class MirroredWithModels(Mirrored):
    """Also stores the models of trials that run in this container."""

    def __init__(self, observer: SearchObserver, exchange: TrialExchange, out_folder: Path) -> None:
        super().__init__(observer, exchange, out_folder)
        self._exchange = exchange
        self._trials_folder = out_folder / TRIALS_FOLDER

    def trial_started(self, number: int, configuration: Configuration, why: str) -> None:
        """Store the trial's files: a retry must not use its number again."""
        super().trial_started(number, configuration, why)
        self._mirror.sync()

    def trial_ended(
        self, record: TrialRecord, front: Sequence[TrialRecord], best: TrialRecord | None
    ) -> None:
        """Store the trial's model, if the search keeps it, before its result."""
        folder = self._trials_folder / attempt_name(record.number, record.result.attempt)
        if record.result.model_folder is not None and (folder / MODEL_FOLDER).is_dir():
            spec = TrialSpec.model_validate_json((folder / SPEC_FILE).read_bytes())
            self._exchange.tell(spec, record.result)
        super().trial_ended(record, front, best)


@step
def search(request: str, features_file: str, history: str, result_folder: str) -> None:
    """Run a search, or continue the one of a killed step of the same run.

    Args:
        request: The checked request.
        features_file: Output of ``extract_meta_features``.
        history: Digest of the history to use; empty for the store's current content.
        result_folder: Folder for the result: summary, report, trials, model.

    Raises:
        ConfigError: The search cannot begin.
        StoreError: A bucket cannot be used, or some experiences were not written: a retry does it.
        LaunchError: Trials cannot be started, or none gave a model.
        SystemExit: SIGTERM ended the search; its results are kept, and a retry continues it.
    """
    from xautolm_core.launch.exchange import TrialExchange
    from xautolm_core.progress.line_view import LineView
    from xautolm_core.report.document import summary_document
    from xautolm_core.report.folder import write_result_folder
    from xautolm_core.search.outbox import require_kept
    from xautolm_core.search.runner import run_search
    from xautolm_core.tracking.live import tracked

    asked = read_request(request)
    exchange = TrialExchange.open(asked.exchange_address)
    with tempfile.TemporaryDirectory(prefix="xautolm-search-") as name:
        out_folder = Path(name) / "run"
        spec = asked.search_spec(Path(name))
        spec = spec.model_copy(update={"history": history or None})
        resume = exchange.restore(out_folder)
        view = LineView(spec, sys.stdout, resumed=resume)
        kind = Mirrored if asked.cluster is not None else MirroredWithModels
        observer = kind(view, exchange, out_folder)
        with tracked(tracking_of_platform(view), out_folder, view):
            with launcher_of(asked, exchange, observer) as launcher:
                result = run_search(
                    spec,
                    out_folder,
                    launcher=launcher,
                    observer=observer,
                    resume=resume,
                    with_test=False,
                    measured=read_features(features_file),
                )
            exchange.mirror(out_folder).sync()
            if result.stopped_by == "interrupted":
                print("interrupted: the results are kept; a retry continues", file=sys.stderr)
                sys.exit(EXIT_INTERRUPTED)
            write_result_folder(result)
        keep_for_the_end(asked, SUMMARY_KEY, summary_document(result))
        copy_result(out_folder, Path(result_folder))
        require_kept(result)
        require_model(result)


def tracking_of_platform(observer: SearchObserver) -> TrackingSettings | None:
    """Return where the platform wants the search tracked; None where it does not, or cannot be.

    Args:
        observer: Is told why it cannot be. The step does without.
    """
    from xautolm_core.tracking.settings import has_client
    from xautolm_core.tracking.settings import platform_settings

    try:
        found = platform_settings(os.environ)
    except ConfigError as error:
        observer.note(f"MLflow is not told of this search: {error}", warning=True)
        return None
    if found is not None and not has_client():
        observer.note(
            "MLflow is not told of this search: this image lacks the extra 'mlflow'", warning=True
        )
        return None
    return found


def read_features(file: str) -> Measured:
    """Read the output of ``extract_meta_features``.

    Raises:
        ConfigError: It is malformed.
    """
    from xautolm_core.search.measured import read_measured

    return read_measured(json.loads(Path(file).read_bytes()))


@contextmanager
def launcher_of(
    asked: PipelineRequest, exchange: TrialExchange, observer: SearchObserver
) -> Iterator[Launcher]:
    """Yield the launcher that a request names, and close it at the end.

    Raises:
        LaunchError: The cluster cannot be asked.
    """
    if asked.cluster is None:
        from xautolm_core.launch.local import LocalLauncher

        with LocalLauncher() as local:
            yield local
        return
    with launched(
        asked.cluster, exchange, search_id=asked.spec.search_id, notes=observer
    ) as launcher:
        yield launcher


def copy_result(out_folder: Path, target: Path) -> None:
    """Copy the result files of a search.

    The trials' folders and the history are left out: ``forget`` would not find experiences there.

    Raises:
        StoreError: The target cannot be written.
    """
    try:
        target.mkdir(parents=True, exist_ok=True)
        for path in out_folder.iterdir():
            if path.is_file() and not path.name.startswith(".") and path.name != HISTORY_FILE:
                shutil.copy2(path, target / path.name)
        for name in (BEST_MODEL_FOLDER, ALTERNATIVE_FOLDER):
            if (out_folder / name).is_dir():
                shutil.copytree(out_folder / name, target / name, dirs_exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"The result cannot be written to {target}: {error.strerror or error}",
            hint="Make room on the step's disk",
        ) from error
