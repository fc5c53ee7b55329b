"""Plan screening trials: after the cheap candidates, before all others.

The time of a screening trial is forecast only from ended probes, so that a resumed search decides
like one that never stopped, whatever other trials do meanwhile. All of them together may take a
tenth of the budget; where that is not enough, the quickest ones are run.
"""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import TYPE_CHECKING

from xautolm_core.records.methods import LINEAR_PROBE
from xautolm_core.search.planned import PlannedTrial
from xautolm_core.search.spending import Use
from xautolm_core.search.spending import limit_shares
from xautolm_core.space.screening import SCREENING_ROWS
from xautolm_core.space.screening import is_screening
from xautolm_core.trial.contract import FEATURES_FOLDER

if TYPE_CHECKING:
    from xautolm_core.records.configuration import Configuration
    from xautolm_core.search.contract import TrialRecord
    from xautolm_core.search.forecast import Forecaster
    from xautolm_core.search.setup import SearchSetup

SHARE_OF_SCREENING = 0.1
"""Share of the budget, and of each spending limit, for all screening trials together."""

LONGEST_SECONDS = 60.0
"""Longest forecast of one screening trial, where the search has no time budget."""

# Default time of a trial beside training and evaluation, before a probe was measured.
_OVERHEAD_SECONDS = 4.0
_SECONDS = "seconds"
_MODELS_NAMED = 3


class Screening:
    """Plans the screening trials of one search.

    Args:
        setup: The shared setup of the search.
        forecaster: Predicts the time of a probe.
        validation_rows: Number of validation rows.
    """

    def __init__(self, setup: SearchSetup, forecaster: Forecaster, *, validation_rows: int) -> None:
        self._setup = setup
        self._forecaster = forecaster
        self._validation_rows = validation_rows
        probes = [one for one in setup.space.cheap if one.method == LINEAR_PROBE]
        self._probe = probes[0] if probes else None
        self._is_over = not setup.spec.screening or not setup.space.screening or not probes

    def next(
        self, records: Sequence[TrialRecord], running: Collection[Configuration]
    ) -> PlannedTrial | None:
        """Return the next screening trial; None if there is none now.

        None is due before the probe of the cheap candidates has ended, as the forecast needs its
        pace.

        Args:
            records: All trials that have ended.
            running: Configurations of running trials.
        """
        if self._is_over:
            return None
        ended = {record.configuration: record for record in records if _is_probe(record)}
        if self._probe not in ended:
            return None
        begun = [one for one in self._setup.space.screening if one in ended or one in running]
        affordable = self._affordable(ended, running, begun)
        if len(affordable) + len(self._compared(ended, begun)) > 1 and affordable:
            model = affordable[0].model
            why = f"screening: probe of {model} on at most {SCREENING_ROWS:,} rows"
            return PlannedTrial(affordable[0], why)
        if not any(one in running for one in begun):
            self._is_over = True
            self._tell(ended, begun)
        return None

    def seconds_left(self, records: Iterable[TrialRecord]) -> float | None:
        """Return the time left for training and evaluation of one more screening trial.

        It is None without a time budget.

        Args:
            records: All trials that have ended.
        """
        budget = self._setup.policy.effective_budget_seconds
        if budget is None:
            return None
        ended = [record for record in records if _is_probe(record)]
        used = sum(r.result.held_seconds for r in ended if is_screening(r.configuration))
        return max(1.0, SHARE_OF_SCREENING * budget - used - _overhead_seconds(ended))

    def _affordable(
        self,
        ended: Mapping[Configuration, TrialRecord],
        running: Collection[Configuration],
        begun: Collection[Configuration],
    ) -> list[Configuration]:
        """Return the models still to be screened, the quickest first."""
        uses = {one: self._forecast(one, ended) for one in self._possible(ended)}
        committed = dict.fromkeys(self._shares(Use(0.0)), 0.0)
        for one in begun:
            use = self._forecast(one, ended) if one in running else _use_of(ended[one])
            _add(committed, self._shares(use))
        budget = self._setup.policy.effective_budget_seconds
        found = []
        for one in sorted(uses, key=lambda one: (uses[one].seconds, str(one.model))):
            if one in begun:
                continue
            _add(committed, self._shares(uses[one]))
            is_long = budget is None and uses[one].seconds > LONGEST_SECONDS
            if is_long or max(committed.values(), default=0.0) > SHARE_OF_SCREENING:
                break
            found.append(one)
        return found

    def _possible(self, ended: Mapping[Configuration, TrialRecord]) -> list[Configuration]:
        """Return the candidates that can run here and are informative."""
        return [
            one
            for one in self._setup.space.screening
            if self._setup.feasibility(one) is None
            and (self._probed_rows(one, ended) is None or self._has_features(one, ended))
            and not self._is_screened_by_probe(one, ended)
        ]

    def _probed_rows(
        self, one: Configuration, ended: Mapping[Configuration, TrialRecord]
    ) -> int | None:
        """Return the number of rows of a model's cheap probe; None without a score."""
        if self._probe is None or one.model != self._probe.model:
            return None
        record = ended.get(self._probe)
        return None if record is None or not record.values else record.result.progress.rows

    def _is_screened_by_probe(
        self, one: Configuration, ended: Mapping[Configuration, TrialRecord]
    ) -> bool:
        """Whether the cheap probe of a model used the same rows as a screening trial."""
        rows = len(self._setup.task.train)
        is_small = rows < SCREENING_ROWS and self._validation_rows <= SCREENING_ROWS
        return is_small and self._probed_rows(one, ended) == rows

    def _has_features(self, one: Configuration, ended: Mapping[Configuration, TrialRecord]) -> bool:
        """Whether the cheap probe of a model has cached the features that its screening reads.

        Trials on other machines cache them there.
        """
        needed = min(SCREENING_ROWS, len(self._setup.task.train))
        is_here = (self._setup.cache_folder / FEATURES_FOLDER).is_dir()
        return is_here and (self._probed_rows(one, ended) or 0) >= needed

    def _compared(
        self, ended: Mapping[Configuration, TrialRecord], begun: Collection[Configuration]
    ) -> set[str | None]:
        """Return the models that are screened, or are being screened."""
        return {
            one.model
            for one in self._setup.space.screening
            if (one in begun and (one not in ended or ended[one].values))
            or self._is_screened_by_probe(one, ended)
        }

    def _forecast(self, one: Configuration, ended: Mapping[Configuration, TrialRecord]) -> Use:
        """Return the forecast resources of a screening trial.

        Screening trials are the best basis: a probe on many rows spends more of its time on fits.
        """
        probes = list(ended.values())
        screened = [record for record in probes if is_screening(record.configuration)]
        measured = [record for record in screened if record.values] or probes
        seconds = _overhead_seconds(probes)
        if not self._has_features(one, ended):
            seconds += self._forecaster.forecast(one, measured).seconds
        watts = _watts(probes)
        return Use(seconds, None if watts is None else watts * seconds)

    def _shares(self, use: Use) -> dict[str, float]:
        """Return the share of the budget, and of each spending limit, of a use."""
        shares = limit_shares(self._setup.spec.spending, use)
        budget = self._setup.policy.effective_budget_seconds
        return shares if budget is None else {**shares, _SECONDS: use.seconds / budget}

    def _tell(
        self, ended: Mapping[Configuration, TrialRecord], begun: Collection[Configuration]
    ) -> None:
        """Note how many models were screened, how many not, and why."""
        space, compared = self._setup.space.screening, self._compared(ended, begun)
        left_out: dict[str, list[str]] = {}
        for one in space:
            if one.model in compared:
                continue
            if one in ended:
                reason = "without a score"
            elif self._setup.feasibility(one) is not None:
                reason = "too large for the memory or time that a trial has"
            elif self._probed_rows(one, ended) is not None and not self._has_features(one, ended):
                reason = "probed on other rows"
            elif self._setup.policy.effective_budget_seconds is None:
                reason = "taking more than a minute, or beyond a tenth of a limit"
            else:
                reason = "beyond a tenth of the budget"
            left_out.setdefault(reason, []).append(str(one.model))
        text = f"Screening: {len(compared)} of {len(space)} models compared"
        text += f" on at most {SCREENING_ROWS:,} rows"
        for reason, names in left_out.items():
            more = f" and {len(names) - _MODELS_NAMED} more" if len(names) > _MODELS_NAMED else ""
            text += f"; {len(names)} not, {reason}: {', '.join(names[:_MODELS_NAMED])}{more}"
        self._setup.note(text)


def _is_probe(record: TrialRecord) -> bool:
    return record.configuration.method == LINEAR_PROBE


def _use_of(record: TrialRecord) -> Use:
    return Use(record.result.held_seconds, record.result.energy_joules)


def _watts(probes: Iterable[TrialRecord]) -> float | None:
    """Return the mean power of the probes with a reading; None without any."""
    metered = [use for use in map(_use_of, probes) if use.joules is not None]
    seconds = sum(use.seconds for use in metered)
    return sum(use.joules or 0.0 for use in metered) / seconds if seconds > 0 else None


def _overhead_seconds(probes: Sequence[TrialRecord]) -> float:
    """Return the time of the latest scored probe beside training and evaluation."""
    scored = [record.result for record in probes if record.values]
    if not scored:
        return _OVERHEAD_SECONDS
    latest = scored[-1]
    worked = latest.seconds.get("train", 0.0) + latest.seconds.get("evaluate", 0.0)
    return max(0.0, latest.held_seconds - worked)


def _add(total: dict[str, float], shares: Mapping[str, float]) -> None:
    for name, share in shares.items():
        total[name] = total.get(name, 0.0) + share
