"""Run a checked search and write its results, for Python and the command line alike."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from contextlib import closing
from contextlib import contextmanager
from typing import TYPE_CHECKING
from typing import Literal

from xautolm_core.errors import ConfigError
from xautolm_core.errors import XautolmError
from xautolm_core.launch.choice import LauncherInputs
from xautolm_core.launch.choice import open_launcher
from xautolm_core.report.folder import write_result_folder
from xautolm_core.request.options import DATA_FOLDER
from xautolm_core.request.options import remove_made
from xautolm_core.request.search_request import SearchRequest
from xautolm_core.search.contract import SEARCH_FILE
from xautolm_core.search.contract import SearchObserver
from xautolm_core.search.runner import run_search
from xautolm_core.tracking.live import tracked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xautolm_core.launch.contract import Launcher
    from xautolm_core.search.contract import SearchResult
    from xautolm_core.search.measured import Measured
    from xautolm_core.tracking.settings import TrackingSettings

Observing = Callable[[SearchRequest], AbstractContextManager[SearchObserver]]
"""Shows a search until its context is left."""

_OBSERVER_METHODS = tuple(name for name in vars(SearchObserver) if not name.startswith("_"))

Progress = bool | Literal["auto", "lines", "quiet"] | SearchObserver | Observing


def run_request(
    request: SearchRequest, progress: Progress, tracking: TrackingSettings | None = None
) -> SearchResult:
    """Run a search, write its result folder, and return its result.

    Args:
        request: The search.
        progress: How it is shown.
        tracking: Where MLflow is told of it; None for nowhere.

    Raises:
        ConfigError: The search cannot begin; nothing of it stays on disk.
        StoreError: The store or the run folder cannot be used.
        LaunchError: Trials cannot be started.
    """
    spec, folder = request.spec, request.out_folder
    with (
        _leaving_nothing(request),
        _observing(progress)(request) as observer,
        tracked(tracking, folder, observer),
    ):
        with _launcher_of(request, observer) as (launcher, measured):
            found = run_search(
                spec,
                folder,
                launcher=launcher,
                observer=observer,
                resume=request.resume,
                measured=measured,
                is_locked=request.cluster is not None,
            )
        write_result_folder(found)
    return found


@contextmanager
def _launcher_of(
    request: SearchRequest, observer: SearchObserver
) -> Iterator[tuple[Launcher, Measured | None]]:
    """Yield the launcher that a request names, and what was measured where its trials run."""
    spec = request.spec
    if request.cluster is not None:
        from xautolm_core.cluster_search import on_cluster

        with on_cluster(spec, request.cluster, request.out_folder, observer) as found:
            yield found
        return
    inputs = LauncherInputs(spec.search_id, request.out_folder, spec.launcher_settings, observer)
    with closing(open_launcher(spec.launcher, inputs)) as launcher:
        yield launcher, None


@contextmanager
def _leaving_nothing(request: SearchRequest) -> Iterator[None]:
    """Remove what was kept for a search that did not begin."""
    try:
        yield
    except BaseException as error:
        folder = request.out_folder
        if not (folder / SEARCH_FILE).exists():
            kept = folder / DATA_FOLDER
            if isinstance(error, XautolmError) and kept in request.made:
                error.problem = error.problem.replace(str(kept), "the data given")
            remove_made(request.made, request.above)
        raise


def _observing(progress: Progress) -> Observing:
    from xautolm_core.progress.observers import make_observer

    if isinstance(progress, bool | str):
        if progress not in (True, False, "auto", "lines", "quiet"):
            raise ConfigError(
                f"progress: {progress!r} is not a way to show a search",
                hint="Use True, False, 'lines' or an observer",
            )
        how = {True: "auto", False: "quiet"}[progress] if isinstance(progress, bool) else progress

        def shown(request: SearchRequest) -> AbstractContextManager[SearchObserver]:
            return make_observer(request.spec, resumed=request.resume, to_stderr=True, how=how)

        return shown
    if isinstance(progress, type):
        name = progress.__name__
        raise ConfigError(f"progress: {name} is a class", hint=f"Give an object: {name}()")
    if callable(progress):
        return progress
    lacks = [name for name in _OBSERVER_METHODS if not callable(getattr(progress, name, None))]
    if lacks:
        raise ConfigError(
            f"progress: a {type(progress).__name__} is not an observer, it has no {lacks[0]}()",
            hint="Use True, False, 'lines' or an observer (see xautolm.extending.SearchObserver)",
        )
    return lambda _: _given(progress)


@contextmanager
def _given(observer: SearchObserver) -> Iterator[SearchObserver]:
    yield observer
