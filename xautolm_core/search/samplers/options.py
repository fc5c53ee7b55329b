"""The options of the samplers, as ``sampler_options`` or ``--sampler-option KEY=VALUE``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from typing import Literal
from typing import TypeVar

from pydantic import BaseModel
from pydantic import ConfigDict
from pydantic import Field
from pydantic import ValidationError

from xautolm_core.errors import ConfigError
from xautolm_core.search.samplers.distance import Distance
from xautolm_core.search.samplers.normalize import Normalizer
from xautolm_core.search.samplers.utility import Utility
from xautolm_core.validation import did_you_mean
from xautolm_core.validation import first_problem

MetricScale = Literal["raw", "minmax"]


class RandomOptions(BaseModel):
    """Options that every sampler has.

    Attributes:
        starts: ``preset`` tries the space's own first configurations, ``none`` does not, ``auto``
            tries all of them, and only the first one where history gave at least two
            configurations to try before, so that a short search gets to what it has learnt.
        allow_duplicates: Whether a configuration may be tried twice in one search.
        failure_model: Whether configurations that will probably fail are drawn less often
            (``failure_model``); the paper's samplers have no such model.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    starts: Literal["auto", "preset", "none"] = "auto"
    allow_duplicates: bool = False
    failure_model: bool = False

    @property
    def learns(self) -> bool:
        """Whether earlier experiences influence the draws."""
        return False

    @property
    def reads(self) -> bool:
        """Whether earlier experiences are used at all, if only to predict failures."""
        return self.learns or self.failure_model


class EvolutionOptions(RandomOptions):
    """Options of the evolution (``zero_shot``).

    The paper's constants are ``population=20``, ``epsilon=0.1``, ``selection=0.2``,
    ``learning_factor=0.05``. ``auto`` takes them in a search that can afford a hundred trials; a
    shorter one gets smaller generations that move the model further, since it would otherwise be
    over before the first update.

    Attributes:
        population: Trials of a generation.
        epsilon: Share of each generation that explores from the initial model.
        selection: Share of the finished trials that the model learns from.
        learning_factor: Learning rate of one generation's update.
    """

    population: int | Literal["auto"] = Field(default="auto")
    epsilon: float = Field(default=0.1, ge=0, le=1)
    selection: float = Field(default=0.2, gt=0, le=1)
    learning_factor: float | Literal["auto"] = Field(default="auto")


class HistoryOptions(EvolutionOptions):
    """Options of the samplers that learn from history.

    Attributes:
        features: Distances on the ``paper``'s fifteen meta-features, or on ``all``.
        memory_first: Whether the first trials are the best of the last search on this task, and
            those that rank best on similar tasks.
    """

    features: Literal["paper", "all"] = "paper"
    memory_first: bool = True

    @property
    def learns(self) -> bool:
        """Whether earlier experiences influence the draws."""
        return True


class WarmStartOptions(HistoryOptions):
    """Options of the warm start (``xautolm``).

    The paper's variants are named by these: "a-pos f-neg cos k=0.5 [linear_front]" is
    ``positive=adaptive, negative=fixed, distance=cosine, beta_scale=0.5, utility=linear_front``
    with ``positive_multiplier=1, branch_multiplier=1, utility_power=1, replay=descending,
    exploration=warm, memory_first=false``.

    The defaults are stronger, since the paper's rates hardly move the model in a search of a dozen
    trials: the branches' weights sum to their number, the others to 1, so that one step moves
    them less the more there are; and a utility that is linear in the scores barely tells the good
    from the middling when the history is a random one.

    Attributes:
        positive: Rate of successes: ``fixed`` (``positive_limit``), ``adaptive`` (1 over their
            number) or ``none``.
        negative: Rate of failures: ``fixed`` (``negative_limit``), ``adaptive`` (-1 over their
            number), ``bounded`` (the smaller of the two) or ``none``.
        positive_limit: Fixed rate of successes.
        negative_limit: Fixed rate of failures.
        positive_multiplier: Factor on the rates of successes.
        negative_multiplier: Factor on the rates of failures.
        branch_multiplier: Further factor on the rates of successes for the branches' weights;
            ``auto`` is their number.
        utility_power: Exponent on the utilities; above 1 the best successes count for more.
        k_positive: Use only this many nearest successes; None for all.
        k_negative: Use only this many nearest failures; None for all.
        distance: Distance between tasks.
        normalizer: Normaliser of the meta-features before distances are computed.
        beta_scale: Strength of the decay with distance; the paper tries 0, 0.5 and 1.
        utility: How successes are weighted.
        replay: Order of the learning rates: ``ascending`` replays the best experiences last,
            ``descending`` (the paper's) first, so that all later ones damp them.
        exploration: Model that the exploring trials are drawn from: ``warm`` (the paper's) or
            ``uniform``, which protects against a misleading history.
    """

    positive: Literal["fixed", "adaptive", "none"] = "adaptive"
    negative: Literal["fixed", "adaptive", "bounded", "none"] = "bounded"
    positive_limit: float = Field(default=0.05, gt=0, le=1)
    negative_limit: float = Field(default=-0.02, ge=-1, lt=0)
    positive_multiplier: float = Field(default=8.0, gt=0)
    negative_multiplier: float = Field(default=1.0, gt=0)
    branch_multiplier: float | Literal["auto"] = "auto"
    utility_power: float = Field(default=3.0, gt=0)
    k_positive: int | None = Field(default=None, gt=0)
    k_negative: int | None = Field(default=None, gt=0)
    distance: Distance = "euclidean"
    normalizer: Normalizer = "standard"
    beta_scale: float = Field(default=0.5, ge=0)
    utility: Utility = "weighted_sum"
    replay: Literal["ascending", "descending"] = "ascending"
    exploration: Literal["warm", "uniform"] = "uniform"


class NeighbourOptions(HistoryOptions):
    """Options of the nearest-neighbour baselines (``knn``).

    Attributes:
        k: Number of successes and of failures to replay; the paper's baselines are 25 and 50.
        feature_weight: Weight of the features' distance beside that of the scores.
        metric_scale: Scale of the values in the distance to the best past ones: ``raw`` as they are
            (the paper's: seconds outweigh scores), ``minmax`` each by its range in the history,
            costs on a logarithmic scale.
    """

    k: int = Field(default=25, gt=0)
    feature_weight: float = Field(default=0.7, ge=0, le=1)
    metric_scale: MetricScale = "raw"


class GuardedOptions(RandomOptions):
    """Options of the guarded sampler.

    Attributes:
        history: Whether earlier experiences are used at all (``--cold``: no).
        structures: Structures to use: ``all``, ``without_history``, ``mean`` or ``feature`` (that
            one and those without history), or ``history`` alone, without a guard.
        portfolio: Number of first configurations from a greedy portfolio over the tasks of the
            history; ``auto`` decides by their number.
        exploration: Share of the trials drawn from all configurations that can run.
        learn_scales: Whether the covariance's scales are learnt on the history.
        memory_first: Whether the first trial is the best of the last search on this task.
    """

    failure_model: bool = True
    history: bool = True
    structures: Literal["all", "without_history", "mean", "feature", "history"] = "all"
    portfolio: int | Literal["auto"] = "auto"
    exploration: float = Field(default=0.1, ge=0, le=1)
    learn_scales: bool = True
    memory_first: bool = True

    @property
    def learns(self) -> bool:
        """Whether earlier experiences influence the draws."""
        return self.history

    @property
    def reads(self) -> bool:
        """Whether earlier experiences are used at all, for failures too."""
        return self.history


OptionsT = TypeVar("OptionsT", bound=RandomOptions)


def parse_options(kind: type[OptionsT], options: Mapping[str, Any], sampler: str) -> OptionsT:
    """Check the options of a sampler.

    Raises:
        ConfigError: An option is unknown or has a wrong value.
    """
    known = list(kind.model_fields)
    for name in options:
        if name not in known:
            raise ConfigError(
                f"sampler {sampler} has no option {name!r}",
                hint=did_you_mean(name, known) or f"It has {', '.join(known)}",
            )
    try:
        parsed = kind.model_validate(dict(options))
    except ValidationError as error:
        first = first_problem(error)
        name = first.field or "?"
        raise ConfigError(
            f"sampler option {name}={options.get(name)!r} is wrong: {first.message.lower()}",
            hint="docs/samplers.md lists the options and their values",
        ) from error
    population = getattr(parsed, "population", "auto")
    if isinstance(population, int) and population < 1:
        raise ConfigError(f"sampler option population={population} is wrong", hint="Give 1 or more")
    factor = getattr(parsed, "learning_factor", "auto")
    if isinstance(factor, float) and not 0 < factor <= 1:
        raise ConfigError(
            f"sampler option learning_factor={factor} is wrong", hint="Give a number in (0, 1]"
        )
    return parsed
