"""Refuse configurations that cannot run here, and estimate the cost of the others."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from xautolm_core.errors import SpaceError
from xautolm_core.search.plan import LARGE_TRAINING_ROWS
from xautolm_core.search.resource_load import ResourceLoad
from xautolm_core.search.samplers.probabilistic_model import UniformChooser
from xautolm_core.space.draw import draw
from xautolm_core.space.generation_cost import AnswerLengths
from xautolm_core.space.hyperparameters import row_share
from xautolm_core.space.screening import at_most_screened
from xautolm_core.tasks.spec import TaskType
from xautolm_core.tasks.task_type import task_kind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xautolm_core.records.configuration import Configuration
    from xautolm_core.records.features import FeatureVector
    from xautolm_core.space.estimate import CostEstimate
    from xautolm_core.space.space import SearchSpace
    from xautolm_core.tasks.task import AnyTask

_CHARACTERS_PER_TOKEN = 4.5
_SPECIAL_TOKENS = 2.0
_LEAST_OUTPUTS = 2
_DRAWS = 200


@dataclass(frozen=True)
class TextStatistics:
    """Statistics of the training texts for the estimates.

    Attributes:
        rows: Training rows.
        mean_tokens: Mean length in tokens.
        p99_tokens: 99th percentile of the length in tokens.
        classes: Number of classes.
        answers: Of text generation: how long its answers are.
    """

    rows: int
    mean_tokens: float
    p99_tokens: float
    classes: int
    answers: AnswerLengths | None = None


def text_statistics(task: AnyTask, sample_rows: int = 2_000) -> TextStatistics:
    """Estimate token lengths from the lengths of a few texts; no tokenizer is needed."""
    import pyarrow as pa
    import pyarrow.compute as pc

    columns = task_kind(task.type).texts(task.train)
    rows = len(task.train)
    chosen = pa.array(np.linspace(0, rows - 1, min(rows, sample_rows)).astype(np.int64))
    lengths = [np.asarray(pc.utf8_length(column.take(chosen)), dtype=float) for column in columns]
    tokens = np.sum(lengths, axis=0) / _CHARACTERS_PER_TOKEN + _SPECIAL_TOKENS
    return TextStatistics(
        rows=rows,
        mean_tokens=float(tokens.mean()),
        p99_tokens=float(np.quantile(tokens, 0.99)),
        # What is not a class is the first or the last word of a span: two outputs as well.
        classes=max(len(task.labels), _LEAST_OUTPUTS),
        answers=_answer_lengths(lengths[-1]) if task.type == TaskType.TEXT_GENERATION else None,
    )


def _answer_lengths(characters: NDArray[np.float64]) -> AnswerLengths:
    # The mark at an answer's end is a token as well.
    tokens = characters / _CHARACTERS_PER_TOKEN + 1.0
    return AnswerLengths(float(tokens.mean()), float(np.quantile(tokens, 0.99)))


@dataclass
class Feasibility:
    """Gives the reason why a configuration cannot run here, if it cannot.

    Attributes:
        space: The search space.
        statistics: Statistics of the training texts.
        threads: CPU threads of a trial.
        host_bytes: Host memory of a trial.
        gpu_bytes: GPU memory of a trial; None without a GPU.
        seconds_allowed: Longest training and evaluation of a trial; None if unbounded.
    """

    space: SearchSpace
    statistics: TextStatistics
    threads: int
    host_bytes: int | None
    gpu_bytes: int | None
    seconds_allowed: float | None
    _verdicts: dict[Configuration, str | None] = field(default_factory=dict)
    _loads: dict[Configuration, ResourceLoad] = field(default_factory=dict)

    def learn_token_lengths(self, features: FeatureVector) -> None:
        """Use token lengths measured by a tokenizer, in place of estimates from characters."""
        mean, p99 = features.values.get("tokens_mean"), features.values.get("tokens_p99")
        if mean is None or p99 is None or features.facts.get("tokenizer") in (None, "words"):
            return
        self.statistics = replace(self.statistics, mean_tokens=mean, p99_tokens=p99)
        self._verdicts.clear()
        self._loads.clear()

    def estimate(self, configuration: Configuration, rows: int | None = None) -> CostEstimate:
        """Return the estimated memory and time of a configuration.

        Args:
            configuration: A configuration of the space.
            rows: Training rows, of which a configuration may ask for a share; all of them if None.
                A screening trial uses few of them.
        """
        from xautolm_core.space.estimate import estimate

        model = self.space.model_of(configuration)
        return estimate(
            configuration,
            None if model is None else model.descriptor,
            rows=at_most_screened(configuration, rows or self.statistics.rows),
            mean_tokens=self.statistics.mean_tokens,
            p99_tokens=self.statistics.p99_tokens,
            classes=self.statistics.classes,
            threads=self.threads,
            gpu=self.gpu_bytes is not None,
            task_type=self.space.task_type,
            answers=self.statistics.answers,
        )

    def load(self, configuration: Configuration) -> ResourceLoad:
        """Return the estimated needs of a configuration relative to a trial's limits here."""
        from xautolm_core.space.feasible import longest_schedule_seconds

        if configuration not in self._loads:
            needed = self.estimate(configuration, self._most_rows(configuration))
            memory = (
                _log_ratio(needed.host_bytes, self.host_bytes),
                _log_ratio(needed.gpu_bytes, self.gpu_bytes),
            )
            self._loads[configuration] = ResourceLoad(
                log_memory=float(np.fmax(*memory)),
                log_time=_log_ratio(
                    needed.train_seconds, longest_schedule_seconds(self.seconds_allowed)
                ),
                seconds=needed.train_seconds,
            )
        return self._loads[configuration]

    def _most_rows(self, configuration: Configuration) -> int:
        # A trial gets a share of large data that fits: their size makes nothing infeasible.
        return min(self.statistics.rows, math.ceil(LARGE_TRAINING_ROWS / row_share(configuration)))

    def __call__(self, configuration: Configuration) -> str | None:
        """Return why a configuration cannot run here, or None if it can."""
        from xautolm_core.space.feasible import infeasibility

        if configuration not in self._verdicts:
            self._verdicts[configuration] = infeasibility(
                self.estimate(configuration, self._most_rows(configuration)),
                host_bytes_available=self.host_bytes,
                gpu_bytes_available=self.gpu_bytes,
                seconds_allowed=self.seconds_allowed,
                configuration=configuration,
            )
        return self._verdicts[configuration]

    def require_any(self, seed: int) -> None:
        """Check that something in the space can run here.

        Raises:
            SpaceError: Neither a start nor any of many draws can; in a space of only cheap
                candidates, none of these.
        """
        reasons: Counter[str] = Counter()
        for configuration in self._candidates(seed):
            reason = self(configuration)
            if reason is None:
                return
            reasons[reason] += 1
        common = reasons.most_common(1)[0][0].rstrip(".")
        raise SpaceError(
            f"No configuration of space {self.space.name} can run on this machine: {common}",
            hint="Use a space of smaller models, or allow more: --trial-memory, --trial-timeout",
        )

    def _candidates(self, seed: int) -> Iterator[Configuration]:
        yield from self.space.starts
        if not self.space.branches:
            yield from self.space.cheap
            return
        chooser = UniformChooser(np.random.default_rng(seed))
        for _ in range(_DRAWS):
            yield draw(self.space, chooser)


def _log_ratio(needed: float, allowed: float | None) -> float:
    """Return the natural logarithm of needed over allowed; NaN where there is no limit."""
    return math.log(needed / allowed) if allowed and needed > 0 else math.nan
