"""The controller's step: the whole search, trials as Jobs or in this very container."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from xautolm_core.errors import StoreError
from xautolm_core.search.contract import ALTERNATIVE_FOLDER
from xautolm_core.search.contract import BEST_MODEL_FOLDER
from xautolm_core.search.folders import HISTORY_FILE
from xautolm_core.steps.cluster import connected
from xautolm_core.steps.entry import step
from xautolm_core.steps.finished import require_model
from xautolm_core.steps.mirrored import Mirrored
from xautolm_core.steps.mirrored import MirroredWithModels
from xautolm_core.steps.notification import SUMMARY_KEY
from xautolm_core.steps.notification import keep_for_the_end
from xautolm_core.steps.request import PipelineRequest
from xautolm_core.steps.request import read_request

if TYPE_CHECKING:
    from xautolm_core.launch.contract import Launcher
    from xautolm_core.launch.exchange import TrialExchange
    from xautolm_core.search.contract import SearchObserver
    from xautolm_core.search.measured import Measured

EXIT_INTERRUPTED = 143


@step
def search(request: str, features_file: str, history: str, result_folder: str) -> None:
    """Run a search, or go on with the one that a killed step of the same run has begun.

    Args:
        request: The checked request.
        features_file: What ``extract_meta_features`` wrote.
        history: Digest of what to learn from; empty for what the store holds now.
        result_folder: Where the result goes: summary, report, trials, model.

    Raises:
        ConfigError: The search cannot begin.
        StoreError: A bucket cannot be used, or has not taken all experiences: a retry writes them.
        LaunchError: Trials cannot be started, or none gave a model.
        SystemExit: SIGTERM ended the search; what it found is kept, and a retry goes on.
    """
    from xautolm_core.cli.line_view import LineView
    from xautolm_core.launch.exchange import TrialExchange
    from xautolm_core.report.document import summary_document
    from xautolm_core.report.folder import write_result_folder
    from xautolm_core.search.outbox import require_kept
    from xautolm_core.search.result_file import write_result
    from xautolm_core.search.runner import run_search

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
            print("interrupted: what was found is kept; a retry goes on", file=sys.stderr)
            sys.exit(EXIT_INTERRUPTED)
        write_result_folder(result)
        write_result(result, out_folder)
        keep_for_the_end(asked, SUMMARY_KEY, summary_document(result))
        copy_result(out_folder, Path(result_folder))
        require_kept(result)
        require_model(result)


def read_features(file: str) -> Measured:
    """Return what ``extract_meta_features`` wrote.

    Raises:
        ConfigError: It is something else.
    """
    from xautolm_core.search.measured import read_measured

    return read_measured(json.loads(Path(file).read_bytes()))


@contextmanager
def launcher_of(
    asked: PipelineRequest, exchange: TrialExchange, observer: SearchObserver
) -> Iterator[Launcher]:
    """Give the launcher that a request names, and close it in the end.

    Raises:
        LaunchError: The cluster cannot be asked.
    """
    if asked.cluster is None:
        from xautolm_core.launch.local import LocalLauncher

        with LocalLauncher() as local:
            yield local
        return
    from xautolm_core.launch.kubernetes.launcher import KubernetesLauncher

    api, namespace = connected(asked.cluster)
    with KubernetesLauncher(
        api=api,
        namespace=namespace,
        search_id=asked.spec.search_id,
        settings=asked.cluster,
        exchange=exchange,
        notes=observer,
    ) as launcher:
        yield launcher


def copy_result(out_folder: Path, target: Path) -> None:
    """Copy what a search leaves for people and programs.

    The trials' own folders are not, nor is what it learnt from: ``forget`` would not find it there.

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
