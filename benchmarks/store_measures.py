"""What ``store_scale.py`` measures, each in a process of its own."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

if TYPE_CHECKING:
    from xautolm_core.experience.store import ObjectExperienceStore
    from xautolm_core.search.history import History
    from xautolm_core.search.history.relevance import Relevance
    from xautolm_core.search.samplers.selection import SearchContext

SEED = 1
WARM_START_ROWS = 100_000
_WRITERS = 16

Figures = dict[str, float]


class Stopwatch:
    """Adds up wall-clock and processor seconds of this process, by name."""

    def __init__(self) -> None:
        self.figures: Figures = {}

    @contextmanager
    def measure(self, name: str) -> Iterator[None]:
        """Measure what is done within."""
        wall, processor = time.perf_counter(), time.process_time()
        yield
        self.figures[f"{name}_seconds"] = time.perf_counter() - wall
        self.figures[f"{name}_cpu_seconds"] = time.process_time() - processor


def build(folder: str, rows: int) -> Figures:
    """Fill a folder store in bulk; return the bytes that an experience takes."""
    import made_up_experiences

    from xautolm_core.experience.folder import FolderStore
    from xautolm_core.experience.segment import SEGMENT_ROWS
    from xautolm_core.experience.writing import write_segments

    watch = Stopwatch()
    store = FolderStore(Path(folder))
    waiting: list[Any] = []
    with watch.measure("build"):
        for number, table in enumerate(made_up_experiences.tables(rows, SEED)):
            if number == 0:
                made_up_experiences.check_layout(table, range(0, len(table), 97))
            waiting.append(table)
            if sum(map(len, waiting)) + len(table) > SEGMENT_ROWS:
                write_segments(store.storage, waiting, generation=1)
                waiting = []
        write_segments(store.storage, waiting, generation=1)
    sizes = [info.size_bytes for info in store.storage.list("segments/")]
    return watch.figures | {
        "bytes_an_experience": sum(sizes) / rows,
        "segments": float(len(sizes)),
    }


def history(store: str, tenant: str | None = None) -> Figures:
    """Make a history ready; ``XAUTOLM_CACHE`` says where the cache is."""
    watch = Stopwatch()
    with watch.measure("import"):
        _imports()
    relevance = _context().relevance
    with watch.measure("ready"):
        found = _history(store, relevance, tenant)
    return watch.figures | {
        "relevant": float(len(found)),
        "left_out": float(sum(found.left_out.values())),
    }


def keep(store: str) -> Figures:
    """Keep what a search learns from in its run folder, as a new search does, and read it again."""
    import tempfile

    from xautolm_core.search.history.cache import HistoryCache
    from xautolm_core.search.history.kept import keep_history
    from xautolm_core.search.history.kept import kept_history
    from xautolm_core.search.history.reading import read_rows
    from xautolm_core.search.history.reading import read_source

    watch = Stopwatch()
    source = read_source(_open(store), cache=HistoryCache.from_environment())
    rows, left_out = read_rows([source], _context().relevance)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "history.parquet"
        with watch.measure("keep"):
            _, digest = keep_history(path, rows, left_out)
        with watch.measure("resume"):
            found = kept_history(path, digest, frozenset())
        size = path.stat().st_size
    return watch.figures | {"kept": float(len(found)), "bytes_a_row": size / max(1, len(found))}


def warm_start(store: str) -> Figures:
    """Build the sampler ``xautolm`` from a history of a known number of relevant experiences."""
    import numpy as np

    from xautolm_core.search.samplers import make_sampler

    watch = Stopwatch()
    context = _context()
    found = _history(store, context.relevance)
    found = found.take(np.arange(min(WARM_START_ROWS, len(found))))
    with watch.measure("warm_start"):
        sampler = make_sampler(
            "xautolm",
            space=context.space,
            objectives=context.objectives,
            seed=0,
            task_type=context.task_type,
            task_features=context.task_features,
            system_features=context.system_features,
            history=found,
        )
    report = sampler.report
    return watch.figures | {
        "relevant": float(len(found)),
        "applied": float(report.applied),
        "mapped": float(report.mapped),
        "prior_shift": report.prior_shift,
    }


def fill_single(store: str, rows: int) -> Figures:
    """Write single objects in bulk: as whole objects of the storage, without the store's checks."""
    watch = Stopwatch()
    with watch.measure("fill"), ThreadPoolExecutor(_WRITERS) as pool:
        storage = _open(store).storage
        objects = _single_objects(rows)
        while batch := list(islice(objects, 1_000)):
            list(pool.map(lambda item: storage.put(*item), batch))
    return watch.figures


def compact(store: str) -> Figures:
    """Compact the single objects of a store."""
    watch = Stopwatch()
    opened = _open(store)
    with watch.measure("compact"):
        gathered = opened.compact(grace=timedelta(hours=1))
    return watch.figures | {"gathered": float(gathered)}


def write_published(folder: str, rows: int) -> Figures:
    """Write the published layout: one indented JSON file for each experience."""
    import made_up_experiences

    Path(folder).mkdir()
    for number, text in enumerate(made_up_experiences.texts(rows, SEED)):
        path = Path(folder) / f"experience_{number:06d}.json"
        path.write_text(json.dumps(json.loads(text), indent=4))
    return {}


def read_published(folder: str) -> Figures:
    """Read the published layout, one file after the other."""
    watch = Stopwatch()
    with watch.measure("ready"):
        found = []
        for path in sorted(Path(folder).iterdir()):
            with path.open() as file:
                found.append(json.load(file))
    return watch.figures | {"experiences": float(len(found))}


MEASURES: Mapping[str, Callable[..., Figures]] = {
    function.__name__: function
    for function in (
        build,
        history,
        keep,
        warm_start,
        fill_single,
        compact,
        write_published,
        read_published,
    )
}


def _imports() -> None:
    """Import what a search has loaded by then, or loads here once."""
    for name in (
        "pandas",
        "pyarrow.compute",
        "pyarrow.parquet",
        "pydantic_core",
        "xautolm_core.experience.folder",
        "xautolm_core.experience.store",
        "xautolm_core.experience.view",
        "xautolm_core.search.history.cache",
        "xautolm_core.search.history.reading",
    ):
        import_module(name)


def _open(store: str) -> ObjectExperienceStore:
    from xautolm_core.experience.open import open_store
    from xautolm_core.experience.store import ObjectExperienceStore

    opened = open_store(store)
    assert isinstance(opened, ObjectExperienceStore)
    return opened


def _history(store: str, relevance: Relevance, tenant: str | None = None) -> History:
    from xautolm_core.search.history.cache import HistoryCache
    from xautolm_core.search.history.reading import read_history
    from xautolm_core.search.history.reading import read_source

    opened = _open(store)
    source = read_source(opened, tenant=tenant, cache=HistoryCache.from_environment())
    found = read_history([source], relevance)
    # Columns are parsed when they are asked for: ready is what a sampler asks for.
    _ = (found.task_features, found.parameters, found.model_descriptor, found.scores)
    if opened.faults:
        raise RuntimeError(f"faults in {store}: {opened.faults[:3]}")
    return found


def _context() -> SearchContext:
    """Return a search to come, on a task and a machine like those of the made-up experiences."""
    import made_up_experiences

    return made_up_experiences.current_search()


def _single_objects(rows: int) -> Iterator[tuple[str, bytes]]:
    import made_up_experiences

    from xautolm_core.experience.codec import digest_of
    from xautolm_core.experience.keys import derived_key

    for text in made_up_experiences.texts(rows, SEED):
        key = derived_key(json.loads(text))
        assert key is not None
        yield key, f'{{"digest":"{digest_of(text)}","experience":{text}}}\n'.encode()
