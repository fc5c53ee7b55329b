"""Forecast the time of a trial: the analytic estimate, corrected by the trials so far."""

from __future__ import annotations

import math
from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xautolm_core.records.configuration import Configuration
from xautolm_core.records.methods import LINEAR_PROBE
from xautolm_core.records.methods import UNTUNED
from xautolm_core.records.methods import is_cheap
from xautolm_core.records.methods import is_untuned
from xautolm_core.records.outcome import Outcome
from xautolm_core.space.hyperparameters import row_share
from xautolm_core.space.screening import at_most_screened
from xautolm_core.tasks.spec import TaskType

if TYPE_CHECKING:
    from xautolm_core.records.attempt import TrialResult
    from xautolm_core.search.contract import TrialRecord
    from xautolm_core.search.feasibility import Feasibility

# Standard deviations of log(measured / predicted), by the basis of the correction.
_SAME_METHOD = 0.1
_SAME_MODEL = 0.3
_OTHER_MODEL = 0.5
_NOTHING = 0.8
# A trial that did less than this share of its training shows its start rather than its pace.
_LEAST_SHARE = 0.005


@dataclass(frozen=True)
class Forecast:
    """The forecast time of a configuration on all training rows.

    Attributes:
        train_seconds: Training, all epochs.
        epochs: Passes over the rows.
        evaluation_seconds: One evaluation on validation.
        spread: Standard deviation of the logarithm of the actual by the predicted time.
    """

    train_seconds: float
    epochs: float
    evaluation_seconds: float
    spread: float

    @property
    def epoch_seconds(self) -> float:
        """One pass over the rows, without its evaluation."""
        return self.train_seconds / self.epochs

    @property
    def seconds(self) -> float:
        """Training and one evaluation an epoch."""
        return self.train_seconds + math.ceil(self.epochs) * self.evaluation_seconds

    @property
    def cautious_seconds(self) -> float:
        """Upper bound in five of six cases: a standard deviation more."""
        return self.seconds * math.exp(self.spread)


class Forecaster:
    """Predicts trials from estimates and from the trials so far.

    Args:
        feasibility: Gives the analytic estimates.
        validation_rows: Number of validation rows.
        task_type: Type of the task. Of text generation an evaluation writes answers.
    """

    def __init__(
        self,
        feasibility: Feasibility,
        *,
        validation_rows: int,
        task_type: str = TaskType.TEXT_CLASSIFICATION,
    ) -> None:
        self._feasibility = feasibility
        self._writes = task_type == TaskType.TEXT_GENERATION
        self._validation_rows = validation_rows
        self._known: (
            tuple[list[TrialResult], Mapping[tuple[str | None, str], list[float]]] | None
        ) = None

    def forecast(self, configuration: Configuration, records: Iterable[TrialRecord]) -> Forecast:
        """Return the forecast of a language model's trial, or of a linear probe.

        The correction is the mean ratio (of logarithms) of measured to estimated seconds: of trials
        with the same model and method, else of the same model, else of any. Features of a frozen
        model count as training of a head.

        Args:
            configuration: One of a language model, or of a linear probe.
            records: All trials so far.
        """
        estimated = self._feasibility.estimate(configuration).train_seconds
        epochs = epochs_of(configuration)
        ratio, spread = self._correction(configuration, list(records))
        forward = self._forward_seconds(configuration, self._scored_rows(configuration))
        return Forecast(
            train_seconds=max(estimated * ratio, 1e-6),
            epochs=epochs,
            evaluation_seconds=forward * ratio,
            spread=spread,
        )

    def _correction(
        self, configuration: Configuration, records: list[TrialRecord]
    ) -> tuple[float, float]:
        levels: dict[float, list[float]] = {}
        for (model, method), logarithms in self._logarithms(records).items():
            same_model = model == configuration.model
            same_method = same_model and method == configuration.method
            level = _SAME_METHOD if same_method else _SAME_MODEL if same_model else _OTHER_MODEL
            levels.setdefault(level, []).extend(logarithms)
        if not levels:
            return 1.0, _NOTHING
        spread = min(levels)
        logarithms = levels[spread]
        return math.exp(sum(logarithms) / len(logarithms)), spread

    def _logarithms(
        self, records: list[TrialRecord]
    ) -> Mapping[tuple[str | None, str], list[float]]:
        """Return model and method to log(measured / estimated) of their trials.

        It is called for hundreds of configurations between two trials, so the last one is cached.
        """
        results = [record.result for record in records]
        if self._known is None or list(map(id, self._known[0])) != list(map(id, results)):
            found: dict[tuple[str | None, str], list[float]] = {}
            for record in records:
                tried = record.configuration
                is_written = is_untuned(tried.method)
                of = self._ratio_of_untuned if is_written else self._measured_ratio
                ratio = of(tried, record.result)
                if ratio is not None:
                    found.setdefault((tried.model, tried.method), []).append(math.log(ratio))
            self._known = (results, found)
        return self._known[1]

    def _measured_ratio(self, configuration: Configuration, result: TrialResult) -> float | None:
        """Return the ratio of measured to estimated seconds of a trial; None if unknown."""
        measured = result.seconds.get("train")
        rows = result.progress.rows
        if measured is None or rows <= 0 or configuration.model is None:
            return None
        if result.continues is not None:  # its seconds are its own, its progress the chain's
            return None
        if is_cheap(configuration.method):
            if configuration.method != LINEAR_PROBE:
                return None
            # Its pass over the validation rows counts as evaluation.
            measured += result.seconds.get("evaluate", 0.0)
            passed = rows + self._scored_rows(configuration)
            estimated = self._forward_seconds(configuration, passed)
            return (measured + result.reused_seconds) / estimated if estimated > 0 else None
        progress = result.progress
        share = progress.steps / progress.planned_steps if progress.planned_steps else 0.0
        if share < _LEAST_SHARE:
            return None
        # The estimate takes the configuration's share of the rows itself.
        asked = round(rows / row_share(configuration))
        estimated = self._feasibility.estimate(configuration, asked).train_seconds * share
        return (measured + result.reused_seconds) / estimated if estimated > 0 else None

    def _ratio_of_untuned(self, configuration: Configuration, result: TrialResult) -> float | None:
        """Return the same of a model that only writes answers, which is an evaluation."""
        measured = result.seconds.get("evaluate")
        if measured is None or result.outcome is not Outcome.OK:
            return None
        estimated = self._feasibility.estimate(configuration, self._validation_rows).train_seconds
        return measured / estimated if estimated > 0 and measured > 0 else None

    def _scored_rows(self, configuration: Configuration) -> int:
        return at_most_screened(configuration, self._validation_rows)

    def _forward_seconds(self, configuration: Configuration, rows: int) -> float:
        """Return the estimated seconds of one forward pass over some rows, or of their answers."""
        method = configuration.method if is_untuned(configuration.method) else UNTUNED
        frozen = configuration.model_copy(
            update={
                "method": method if self._writes else "head",
                "parameters": {
                    "max_length": configuration.parameters.get("max_length"),
                    "epochs": 1,
                    "batch_size": 64,
                },
            }
        )
        return self._feasibility.estimate(frozen, max(rows, 1)).train_seconds


def epochs_of(configuration: Configuration) -> float:
    """Return the number of epochs of a configuration."""
    epochs = configuration.parameters.get("epochs")
    return float(epochs) if isinstance(epochs, int | float) and epochs > 0 else 1.0
