"""Searches from Python."""

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
from xautolm._words import in_callers_words
from xautolm_core.errors import ConfigError
from xautolm_core.request.options import SearchOptions
from xautolm_core.request.search_request import new_search
from xautolm_core.request.search_request import resumed_search
from xautolm_core.tasks.quoting import Quoting
from xautolm_core.tracking.settings import resumed_settings
from xautolm_core.tracking.settings import tracking_settings

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
    name: str | None = None,
    drop_invalid: bool = False,
    quoting: Literal["auto", "quoted", "none"] | None = None,
    space: str | Path | SearchSpace = "starter",
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
    """Search for the best text classifier, and return it with everything that was found.

    Each trial runs in a process of its own. Ctrl-C (or the stop button of a notebook) ends the
    search cleanly: what was found is returned, and ``resume`` goes on with it.

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
        trials: Stop after so many trials of language models; cheap candidates come besides.
        text_pair: Column of a second text, for pairs of texts.
        name: Name of the task, the same over retrainings; by default the data's name.
        drop_invalid: Leave out rows without text or label, instead of refusing the data.
        quoting: What the double quotes in CSV and TSV files are: ``"auto"``, ``"quoted"``
            (they enclose cells) or ``"none"`` (they are text).
        space: What may be tried: a preset (``"starter"``), a YAML file, or a ``SearchSpace``.
        methods: Which of the space's methods, such as ``["tfidf", "lora"]``; all if empty.
        models: Folders with local models.
        objectives: ``"f1"``, and what is traded for it: ``"time"``, ``"energy"``, ``"latency"``.
        sampler: ``"guarded"``, ``"xautolm"``, ``"zero_shot"``, ``"knn"``, ``"random"``, or the name
            that a plug-in gives.
        sampler_options: Options of the sampler, by name.
        screening: Compare the space's models on a few rows first.
        early_stopping: Stop trials that do worse than half of the others after as many epochs.
        seed: Seed of splits, sampler and trials.
        workers: Trials at the same time.
        trial_timeout: Limit of one trial; derived from the budget if None.
        trial_memory: Memory limit of one trial: ``"4GiB"`` or bytes; derived if None.
        launcher: Where trials run: ``"local"``, in processes of this machine; ``"kubernetes"``, as
            Jobs of the cluster that KUBECONFIG names; or the name that a plug-in gives.
        launcher_settings: YAML file, or mapping, with the launcher's settings (see
            docs/launching.md).
        meters: Meters of energy that are asked first, by name; then those that are always there.
        store: The experience store: a folder or an address. By default ``$XAUTOLM_STORE``, else
            ``~/.local/share/xautolm/experiences``.
        read_stores: Stores that are read besides: ``"team=s3://team/memory@0.5"`` (name, address
            and trust).
        tenant: Whose experiences they are.
        all_tenants: Learn from other tenants' experiences in the own store too.
        cold: Start without history; the experiences are still kept.
        prices: What a budget of money pays for: ``"2.5EUR/gpuh"``, ``"0.3EUR/kWh"``.
        zone: Zone of the grid, such as ``"DEU"``, for a budget of carbon.
        intensities: Table of carbon intensities (CSV or JSON).
        grams_per_kwh: CO2e of a kWh, without a table.
        pue: Energy of the data centre over that of its machines.
        out: Run folder; ``runs/<task>-<UTC time>`` by default.
        keep_models: Which models stay on disk.
        offline: Do not ask a model hub.
        mlflow: Where MLflow is told of the search: ``"http://host:5000"``,
            ``"sqlite:///mlflow.db"``, ``"env"`` for what MLFLOW_TRACKING_URI says, or ``"off"``. By
            default ``$XAUTOLM_MLFLOW``, else nowhere (see docs/mlflow.md).
        progress: ``True`` shows a table in a notebook, a live view in a terminal and lines
            elsewhere (standard error); ``False`` shows warnings alone, ``"lines"`` always lines; or
            an observer of your own (see ``xautolm.extending.SearchObserver``).

    Returns:
        The result: ``predict``, ``model``, ``front``, ``to_pandas()``, ``plot()``,
        ``report_path``. In a notebook it shows itself.

    Raises:
        ConfigError: An argument is wrong. Nothing has begun, and nothing is left behind.
        DataError: The data cannot be used; the message says which rows and why.
        SpaceError: Nothing in the space can run here.
        StoreError: The store or the disk cannot be used; a search that has begun can be resumed.
        LaunchError: Trials cannot be started.

    Example:
        >>> import pandas, xautolm
        >>> frame = pandas.read_csv("reviews.csv")
        >>> result = xautolm.search(frame, text="review", label="sentiment", budget="10m")
        >>> result.predict(["It never worked."])
        ['negative']
    """
    with in_callers_words():
        tracking = tracking_settings(mlflow, os.environ)
        options = SearchOptions(
            data=given_data(data, text=text, text_pair=text_pair, label=label),
            text=text,
            text_pair=text_pair,
            label=label,
            name=name,
            drop_invalid=drop_invalid,
            quoting=_quoting(quoting),
            space=space.argument if isinstance(space, SearchSpace) else str(space),
            methods=_listed(methods),
            screening=screening,
            sampler=sampler,
            sampler_options=dict(sampler_options or {}),
            objectives=_listed(objectives),
            seed=seed,
            models=tuple(map(Path, [models] if isinstance(models, str | Path) else models)),
            offline=offline,
            budget=_written(budget),
            prices=_several(prices),
            zone=zone,
            intensities=None if intensities is None else Path(intensities),
            grams_per_kwh=grams_per_kwh,
            pue=pue,
            trials=trials,
            trial_timeout=_written(trial_timeout),
            trial_memory=None if trial_memory is None else str(trial_memory),
            workers=workers,
            early_stopping=early_stopping,
            launcher=launcher,
            launcher_settings=_settings(launcher_settings),
            meters=_several(meters),
            store=None if store is None else str(store),
            read_stores=_several(read_stores),
            tenant=tenant,
            all_tenants=all_tenants,
            cold=cold,
            out=None if out is None else Path(out),
            keep_models=keep_models,
        )
        return SearchResult.of(run_request(new_search(options), progress, tracking))


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
    """Go on with a search that was interrupted or killed, or that gets a larger budget.

    Data, space, sampler and seed stay as they were; what is given here takes the place of what was
    given before.

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
        launcher_settings: New ones, on a cluster with the same workspace.
        mlflow: As in ``search``; where nothing is given, as before.
        progress: As in ``search``.

    Returns:
        The result of the whole search.

    Raises:
        ConfigError: The folder holds no search, or an argument is wrong.
        DataError: The data have changed since the search began.
        StoreError: The store or the disk cannot be used.
        LaunchError: Trials cannot be started.
    """
    folder = run.out_folder if isinstance(run, SearchResult) else Path(run)
    with in_callers_words():
        tracking = resumed_settings(mlflow, os.environ, folder.expanduser())
        options = SearchOptions(
            budget=_written(budget),
            trials=trials,
            trial_timeout=_written(trial_timeout),
            trial_memory=None if trial_memory is None else str(trial_memory),
            workers=workers,
            screening=screening,
            early_stopping=early_stopping,
            prices=_several(prices),
            zone=zone,
            intensities=None if intensities is None else Path(intensities),
            grams_per_kwh=grams_per_kwh,
            pue=pue,
            keep_models=keep_models,
            offline=offline,
            launcher=launcher,
            launcher_settings=_settings(launcher_settings),
        )
        request = resumed_search(options, folder)
        return SearchResult.of(run_request(request, progress, tracking))


def _listed(names: str | Sequence[str]) -> str:
    return names if isinstance(names, str) else ",".join(names)


def _quoting(given: str | None) -> Quoting | None:
    try:
        return None if given is None else Quoting(given)
    except ValueError:
        raise ConfigError(
            f"--quoting: {given!r} is no choice", hint=f"Known are {', '.join(Quoting)}"
        ) from None


def _several(given: str | Sequence[str]) -> tuple[str, ...]:
    """Return several things, or the only one, which needs no list around it."""
    # A string is a sequence, too: of its letters.
    return (given,) if isinstance(given, str) else tuple(given)


def _settings(given: str | Path | Mapping[str, Any] | None) -> Path | Mapping[str, Any] | None:
    return Path(given) if isinstance(given, str) else given


def _written(given: Time | None) -> str | None:
    """Return a time or a budget as it is written on a command line."""
    if isinstance(given, timedelta):
        given = given.total_seconds()
    return None if given is None else str(given)
