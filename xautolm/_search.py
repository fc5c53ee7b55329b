"""The functions ``search`` and ``resume``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any
from typing import Literal

from xautolm._data import given_data
from xautolm._result import SearchResult
from xautolm._running import Progress
from xautolm._running import run_request
from xautolm._space import SearchSpace
from xautolm._words import given_path
from xautolm._words import in_callers_words
from xautolm_core.request.options import SearchOptions
from xautolm_core.request.options import given_options
from xautolm_core.request.search_request import new_search
from xautolm_core.request.search_request import resumed_search
from xautolm_core.tracking.settings import resumed_settings
from xautolm_core.tracking.settings import tracking_settings

_NO_OPTIONS = ("data", "run", "progress", "mlflow")

Time = str | float | timedelta
"""``"10m"``, ``"1h30m"``, seconds, or a ``timedelta``."""


def search(
    data: Any,
    *,
    text: str | None = None,
    label: str | None = None,
    budget: Time | None = None,
    trials: int | None = None,
    text_pair: str | None = None,
    question: str | None = None,
    context: str | None = None,
    answers: str | None = None,
    prompt: str | None = None,
    completion: str | None = None,
    messages: str | None = None,
    type: str | None = None,
    name: str | None = None,
    drop_invalid: bool = False,
    quoting: Literal["auto", "quoted", "none"] | None = None,
    space: str | Path | SearchSpace | None = None,
    methods: str | Sequence[str] = (),
    models: str | Path | Sequence[str | Path] = (),
    objectives: str | Sequence[str] = ("f1", "time"),
    sampler: str = "guarded",
    sampler_options: Mapping[str, Any] | None = None,
    screening: bool = True,
    early_stopping: bool = True,
    seed: int = 0,
    workers: int = 1,
    trial_timeout: Time | None = None,
    trial_memory: str | int | None = None,
    launcher: str = "local",
    launcher_settings: str | Path | Mapping[str, Any] | None = None,
    meters: str | Sequence[str] = (),
    store: str | Path | None = None,
    read_stores: str | Sequence[str] = (),
    tenant: str | None = None,
    all_tenants: bool = False,
    cold: bool = False,
    prices: str | Sequence[str] = (),
    zone: str | None = None,
    intensities: str | Path | None = None,
    grams_per_kwh: float | None = None,
    pue: float | None = None,
    out: str | Path | None = None,
    keep_models: Literal["front", "best", "all"] = "front",
    offline: bool = False,
    mlflow: str | None = None,
    progress: Progress = True,
) -> SearchResult:
    """Search for the best model of a task, and return it with all trials.

    The columns determine the task type: texts with classes, questions with passages and answers, or
    prompts with texts to be written.

    Each trial runs in a process of its own. Ctrl-C (or the stop button of a notebook) ends the
    search cleanly: what was found is returned, and ``resume`` continues it.

    Args:
        data: Path of a data file (``.csv``, ``.jsonl``, ``.parquet``) or of a YAML task, a folder
            with ``train``, ``validation`` and ``test`` files, an ``s3://`` address, the name of a
            data set on the hub, a ``Task``, a frame of pandas or polars, a ``Dataset`` or
            ``DatasetDict`` of ``datasets``, or a mapping of column names to values. A mapping of
            ``train``, ``validation`` and ``test`` to frames gives the splits. What is in memory is
            kept with the run, so that it can be resumed.
        text: Column of the text; found by its name and content if None.
        label: Column of the class, likewise.
        budget: What to stop after, everything included: ``"10m"``, ``"1h30m"``, seconds or a
            ``timedelta``; or what trials may use: ``"0.5kWh"``, ``"2gpuh"``, ``"5EUR"``,
            ``"300gCO2e"``; several with commas. 15 minutes if nothing else bounds the search.
        trials: Stop after this many trials of language models; cheap candidates do not count.
        text_pair: Column of a second text, for pairs of texts.
        question: Column of the question, for question answering; found by its name if None, as are
            the other two.
        context: Column of the passage that holds the answer.
        answers: Column of the accepted answers.
        prompt: Column of the prompt, for text generation; found by its name if None, as are the
            other two.
        completion: Column of the text to be written.
        messages: Column of whole conversations; the last message of each is the text to be written.
        type: Kind of task: ``"text-classification"``, ``"question-answering"`` or
            ``"text-generation"``; found from the columns if None.
        name: Name of the task, the same at each retraining; by default the data's name.
        drop_invalid: Leave out rows without text or label, or without an answer in the passage,
            instead of refusing the data.
        quoting: What the double quotes in CSV and TSV files are: ``"auto"``, ``"quoted"``
            (they enclose cells) or ``"none"`` (they are text).
        space: What may be tried: a preset, a YAML file, or a ``SearchSpace``; ``"starter"`` if
            None, ``"starter-qa"`` for questions, or ``"starter-generative"`` for texts to be
            written.
        methods: Which of the space's methods, such as ``["tfidf", "lora"]``; all if empty.
        models: Folders with local models.
        objectives: ``"f1"``, and what is traded for it: ``"time"``, ``"energy"``, ``"latency"``.
        sampler: ``"guarded"``, ``"xautolm"``, ``"zero_shot"``, ``"knn"``, ``"random"``, or the name
            that a plug-in gives.
        sampler_options: Options of the sampler, by name.
        screening: Compare the space's models on a few rows first.
        early_stopping: Stop a trial that scores below the median of the others at equal epochs.
        seed: Seed of splits, sampler and trials.
        workers: Trials at the same time.
        trial_timeout: Limit of one trial; derived from the budget if None.
        trial_memory: Memory limit of one trial: ``"4GiB"`` or bytes; derived if None.
        launcher: Where trials run: ``"local"``, in processes of this machine; ``"kubernetes"``, as
            Jobs of the cluster that KUBECONFIG names; or the name that a plug-in gives.
        launcher_settings: YAML file, or mapping, with the launcher's settings (see
            docs/launching.md).
        meters: Names of the energy meters to try first; the built-in ones follow.
        store: The experience store: a folder or an address. By default ``$XAUTOLM_STORE``, else
            ``~/.local/share/xautolm/experiences``.
        read_stores: Further stores to read: ``"team=s3://team/memory@0.5"`` (name, address
            and trust).
        tenant: Owner of the experiences that are written, and read.
        all_tenants: Learn from other tenants' experiences in the own store too.
        cold: Start without history; the experiences are still kept.
        prices: Prices for a budget in money: ``"2.5EUR/gpuh"``, ``"0.3EUR/kWh"``.
        zone: Zone of the power grid, such as ``"DEU"``, for a carbon budget.
        intensities: Table of carbon intensities (CSV or JSON).
        grams_per_kwh: Grams of CO2e per kWh, in place of a table.
        pue: Power usage effectiveness: energy of the data centre over that of its machines.
        out: Run folder; ``runs/<task>-<UTC time>`` by default.
        keep_models: Models of which trials stay on disk.
        offline: Do not contact a model hub.
        mlflow: Where to report the search to MLflow: ``"http://host:5000"``,
            ``"sqlite:///mlflow.db"``, ``"env"`` for the value of MLFLOW_TRACKING_URI, or ``"off"``.
            By default ``$XAUTOLM_MLFLOW``, else nowhere (see docs/mlflow.md).
        progress: ``True`` shows a table in a notebook, a live view in a terminal and lines
            elsewhere (standard error); ``False`` shows warnings only, ``"lines"`` always lines; or
            an observer of your own (see ``xautolm.extending.SearchObserver``).

    Returns:
        The result: ``predict``, ``model``, ``front``, ``to_pandas()``, ``plot()``,
        ``report_path``. In a notebook it shows itself.

    Raises:
        ConfigError: An argument is wrong. Nothing was started or written.
        DataError: The data cannot be used; the message says which rows and why.
        SpaceError: Nothing in the space can run here.
        StoreError: The store or the disk cannot be used; a search that has started can be resumed.
        LaunchError: Trials cannot be started.

    Example:
        >>> import pandas, xautolm
        >>> frame = pandas.read_csv("reviews.csv")
        >>> result = xautolm.search(frame, text="review", label="sentiment", budget="10m")
        >>> result.predict(["It never worked."])
        ['negative']
    """
    given = dict(locals())  # nothing else is there yet
    with in_callers_words():
        tracking = tracking_settings(mlflow, os.environ)
        columns = _complete([(text, label), (question, context, answers)], text_pair)
        request = new_search(_options(given).model_copy(update={"data": given_data(data, columns)}))
        return SearchResult.of(run_request(request, progress, tracking))


def resume(
    run: str | Path | SearchResult,
    *,
    budget: Time | None = None,
    trials: int | None = None,
    trial_timeout: Time | None = None,
    trial_memory: str | int | None = None,
    workers: int | None = None,
    screening: bool | None = None,
    early_stopping: bool | None = None,
    prices: str | Sequence[str] = (),
    zone: str | None = None,
    intensities: str | Path | None = None,
    grams_per_kwh: float | None = None,
    pue: float | None = None,
    keep_models: Literal["front", "best", "all"] | None = None,
    offline: bool | None = None,
    launcher: str | None = None,
    launcher_settings: str | Path | Mapping[str, Any] | None = None,
    mlflow: str | None = None,
    progress: Progress = True,
) -> SearchResult:
    """Continue a search that was interrupted or killed, or give a finished one a larger budget.

    Data, space, sampler and seed stay as they were; arguments given here replace the earlier ones.

    Args:
        run: The run folder, or the result that ``search`` returned.
        budget: As in ``search``, the time that was used before included.
        trials: Likewise.
        trial_timeout: Likewise.
        trial_memory: Likewise.
        workers: Likewise.
        screening: Likewise.
        early_stopping: Likewise.
        prices: Likewise.
        zone: Likewise.
        intensities: Likewise.
        grams_per_kwh: Likewise.
        pue: Likewise.
        keep_models: Likewise.
        offline: Likewise.
        launcher: That of the search; it cannot change.
        launcher_settings: New settings, for a cluster with the same workspace.
        mlflow: As in ``search``; unchanged if None.
        progress: As in ``search``.

    Returns:
        The result of the whole search.

    Raises:
        ConfigError: The folder holds no search, or an argument is wrong.
        DataError: The data have changed since the search began.
        StoreError: The store or the disk cannot be used.
        LaunchError: Trials cannot be started.
    """
    given = dict(locals())  # nothing else is there yet
    with in_callers_words():
        folder = run.out_folder if isinstance(run, SearchResult) else given_path(run, "run")
        tracking = resumed_settings(mlflow, os.environ, folder)
        request = resumed_search(_options(given), folder)
        return SearchResult.of(run_request(request, progress, tracking))


def _complete(kinds: Sequence[Sequence[str | None]], text_pair: str | None) -> list[str]:
    """Return the columns that the caller has named, if these are all that a kind of task needs."""
    for needed in kinds:
        if all(name is not None for name in needed):
            return [name for name in (*needed, text_pair) if name is not None]
    # A column that is not named is looked for among all.
    return []


def _options(arguments: dict[str, Any]) -> SearchOptions:
    """Return the options of arguments: each is the option of its name, but for a few."""
    given = {name: value for name, value in arguments.items() if name not in _NO_OPTIONS}
    if isinstance(space := given.get("space"), SearchSpace):
        given["space"] = space.argument
    return given_options(given)
