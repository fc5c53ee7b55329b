"""What a search came to, for Python and notebooks."""

from __future__ import annotations

import functools
import shlex
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any
from typing import Literal
from typing import Self

from xautolm._model import Model
from xautolm._words import in_callers_words
from xautolm_core.errors import ConfigError
from xautolm_core.search import contract
from xautolm_core.tasks.task_type import primary_score

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from xautolm_core.search.contract import TrialRecord


class Plot:
    """A picture (SVG). A notebook shows it.

    Args:
        svg: The picture.

    Attributes:
        svg: The picture.
    """

    def __init__(self, svg: str) -> None:
        self.svg = svg

    def save(self, path: str | Path) -> Path:
        """Write the picture to a file, which ends in ``.svg``; return it.

        Raises:
            ConfigError: The ending is another one.
        """
        file = Path(path)
        if file.suffix.lower() != ".svg":
            raise ConfigError(f"{file}: a plot is written as SVG", hint="End the name in .svg")
        file.write_text(
            self.svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1),
            encoding="utf-8",
        )
        return file

    def _repr_html_(self) -> str:
        return f'<div style="max-width:960px;background:#ffffff">{self.svg}</div>'

    def __repr__(self) -> str:
        """Return what it is, not all of it."""
        return f"<Plot, {len(self.svg):,} characters of SVG>"


class SearchResult(contract.SearchResult):
    """What a search came to. A notebook shows it as a table with a plot.

    Attributes:
        spec: What was asked.
        out_folder: The run folder.
        task: Name, fingerprint, labels, rows of each split, warnings.
        trials: All trials, by number: ``configuration``, ``result``, ``values``, ``why``.
        front: Those of the Pareto front.
        best: Number of the chosen trial; None if no trial gave a model.
        test: The chosen model on the test split: ``macro_f1``, ``accuracy``, ``per_class``,
            ``confusion``, and ``comparison`` with the best model of the other kind.
        outcomes: Outcome to number of trials.
        seconds: Wall-clock seconds of the whole search.
        phase_seconds: What of it went to what.
        stopped_by: Why it ended: ``budget``, ``trials``, ``interrupted``, ...
        warm_start: What the history did.
        notes: What the user should know, in words.
        models: Model id to what is known of it.
        task_features: Meta-features of the task.
        system_features: Meta-features of the machine.
        unkept_experiences: Experiences that the store could not take; a resume writes them.
    """

    @classmethod
    def of(cls, found: contract.SearchResult) -> Self:
        """Return a result of the core with what Python users do with it."""
        return cls(**{one.name: getattr(found, one.name) for one in fields(found)})

    @property
    def best_trial(self) -> TrialRecord | None:
        """The trial whose model was chosen; None if no trial gave one."""
        return next((one for one in self.trials if one.number == self.best), None)

    @property
    def best_score(self) -> float | None:
        """Macro-F1 of the chosen model on validation, in [0, 1]."""
        best = self.best_trial
        score = None if best is None else primary_score(best.result.model_scores)
        return None if score is None else score.value

    @property
    def best_params(self) -> dict[str, Any]:
        """Method, model and hyper-parameters of the chosen model; empty without one."""
        best = self.best_trial
        if best is None:
            return {}
        tried = best.configuration
        return {"method": tried.method, "model": tried.model, **tried.parameters}

    @property
    def summary(self) -> dict[str, Any]:
        """The document of ``summary.json``, which programs may rely on."""
        from xautolm_core.report.document import summary_document

        return summary_document(self)

    @property
    def report_path(self) -> Path:
        """The HTML report."""
        return self.out_folder / contract.REPORT_FILE

    @functools.cached_property
    def model(self) -> Model:
        """The chosen model.

        Raises:
            ConfigError: No trial gave a model.
        """
        if self.best is None:
            raise ConfigError(
                "No trial of this search gave a model",
                hint=f"{self.report_path} says how each of them ended",
            )
        return Model(self.out_folder)

    @functools.cached_property
    def alternative(self) -> Model | None:
        """The best model of the other kind: cheap beside a language model, or vice versa."""
        folder = self.out_folder / contract.ALTERNATIVE_FOLDER
        return Model(folder) if folder.is_dir() else None

    def predict(
        self, texts: Iterable[str], text_pairs: Iterable[str] | None = None, *, batch_size: int = 32
    ) -> list[str]:
        """Return the chosen model's classes of texts (see ``Model.predict``)."""
        return self.model.predict(texts, text_pairs, batch_size=batch_size)

    def predict_proba(
        self, texts: Iterable[str], text_pairs: Iterable[str] | None = None, *, batch_size: int = 32
    ) -> np.ndarray:
        """Return the chosen model's probabilities of all classes (see ``Model.predict_proba``)."""
        return self.model.predict_proba(texts, text_pairs, batch_size=batch_size)

    def to_pandas(self) -> pd.DataFrame:
        """Return a row for each trial: outcome, configuration, scores, seconds, joules.

        The columns are those of ``trials.parquet`` (see docs/results.md).
        """
        from xautolm_core.report.trials_table import trials_table

        table: pd.DataFrame = trials_table(self).to_pandas()
        return table.set_index("trial")

    def plot(self, kind: Literal["time", "energy", "latency", "curve"] = "time") -> Plot:
        """Return a picture.

        Args:
            kind: The score against what is traded for it (``time``, or another objective of the
                search): each trial, and the front; or ``curve``: the best score so far over the
                time of the search.

        Raises:
            ConfigError: The search has no such objective, or there is nothing to draw.
        """
        from xautolm_core.report.plots import search_plots

        plots = search_plots(self)
        if kind not in plots:
            raise ConfigError(
                f"There is no plot {kind!r} of this search",
                hint=f"There are {', '.join(plots)}" if plots else "No trial has a score",
            )
        return Plot(str(plots[kind]))

    def _repr_html_(self) -> str:
        from xautolm_core.report.snippet import result_snippet

        return result_snippet(self)

    def __repr__(self) -> str:
        """Return task, best score and front in a line."""
        score = "no model"
        if self.best_score is not None:
            score = f"{self.primary.title} {self.best_score:.4f}"
        return (
            f"<SearchResult {self.task.get('name')}: {score}, {len(self.trials)} trials, "
            f"{len(self.front)} on the front, {self.out_folder}>"
        )


def load_run(path: str | Path) -> SearchResult:
    """Return the result of a search that has ended, from its run folder.

    Args:
        path: The run folder.

    Raises:
        ConfigError: The folder holds no search, or one that has not ended.

    Example:
        >>> xautolm.load_run("runs/reviews-20261122T101500Z").to_pandas()
    """
    from xautolm_core.search.result_file import RESULT_FILE
    from xautolm_core.search.result_file import read_result

    folder = Path(path).expanduser().absolute()
    with in_callers_words():
        if not (folder / RESULT_FILE).is_file() and (folder / contract.SEARCH_FILE).is_file():
            raise ConfigError(
                f"The search in {folder} has not ended",
                hint="Wait for it, or go on with it: "
                f"xautolm search --resume {shlex.quote(str(folder))}",
            )
        return SearchResult.of(read_result(folder))
