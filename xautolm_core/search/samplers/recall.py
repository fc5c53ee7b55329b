"""First configurations from memory: what won last time, and what ranks best on similar tasks.

A search on a task that the store knows by its name begins with the best configuration of that
task's experiences. With a history on other tasks, the two follow that rank best on them: of each
task the ranks of the scores among all that was tried on it, cheap candidates included, are scaled
to (0, 1), a failure below all successes, and averaged over the tasks with the weights that the
sampler has for them. ``_DOUBT`` tasks of a middling rank are averaged in, so that a lucky rank on
one task does not beat good ranks on several.

What a configuration costs is the geometric mean of the seconds that its successes took, each scaled
by the rows of this task over those of its own. The history does not say how far a trial's schedule
was cut or how fast its machine was, so the scaled seconds are a rough figure.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from xautolm_core.search.history.coded import NONE
from xautolm_core.search.history.rows import id_words
from xautolm_core.search.plan import LARGE_TRAINING_ROWS
from xautolm_core.search.samplers.base import FirstConfiguration
from xautolm_core.search.samplers.selection import primary_scores
from xautolm_core.space.draw import BRANCH_HANDLE
from xautolm_core.space.draw import decode
from xautolm_core.space.feasible import TOLERANCE
from xautolm_core.space.parameters import Boolean
from xautolm_core.space.parameters import Categorical
from xautolm_core.space.parameters import Integer
from xautolm_core.space.parameters import Parameter
from xautolm_core.space.parameters import value_key

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xautolm_core.records.configuration import Configuration
    from xautolm_core.records.configuration import Value
    from xautolm_core.search.samplers.base import Infeasibility
    from xautolm_core.search.samplers.mapping import BranchObservations
    from xautolm_core.search.samplers.mapping import MappedHistory
    from xautolm_core.search.samplers.selection import SearchContext
    from xautolm_core.search.samplers.selection import UsableHistory
    from xautolm_core.space.space import SearchSpace

FROM_SIMILAR_TASKS = 2
"""So many configurations are taken from the ranks on similar tasks."""

ROWS_FEATURES = ("n_instances", "n_samples")
"""Meta-features of tasks that costs are scaled by: rows, as kinds of tasks call them."""

_DOUBT = 1.0
_MIDDLE = 0.5
_MOST_LOOKED_AT = 1_000
_LEAST_SECONDS = 1e-3
_TASKS_NAMED = 3
_LARGEST_CODE = 2**62
_RANKS = ("best", "second best", "third best")


class Recollection:
    """What a history says of whole configurations of this space.

    Args:
        usable: The experiences.
        similarity: Shape (rows,): of each experience's task, in [0, 1].
        context: The current search.
        infeasible: Returns why a configuration cannot run here, or None if it can.
        seconds_allowed: What one trial may take; None if unbounded.
    """

    def __init__(
        self,
        usable: UsableHistory,
        similarity: NDArray[np.float64],
        context: SearchContext,
        *,
        infeasible: Infeasibility | None = None,
        seconds_allowed: float | None = None,
    ) -> None:
        self._usable = usable
        self._similarity = similarity
        self._context = context
        self._infeasible = infeasible or (lambda _: None)
        self._seconds_allowed = seconds_allowed
        tasks = usable.history.task
        is_own = [name == context.task_name for name, _ in tasks.values]
        self._own = tasks.spread(is_own, none=False).astype(bool)
        self._which = configuration_numbers(usable.mapped)
        scores = primary_scores(usable.history)
        self._scores = np.where(usable.succeeded, scores, np.nan)

    def first_configurations(
        self, from_similar: int = FROM_SIMILAR_TASKS
    ) -> list[FirstConfiguration]:
        """Return what to try first, in this order; nothing twice.

        Args:
            from_similar: How many of what ranks best on similar tasks.
        """
        found = list(islice(self._winners(), 1))
        if from_similar == 0:
            return found
        wanted = len(found) + from_similar
        won = {first.configuration for first in found}
        for rank, first in zip(_RANKS, self._best_on_similar(), strict=False):
            if first.configuration not in won and len(found) < wanted:
                found.append(FirstConfiguration(first.configuration, f"{rank} on {first.why}"))
        return found

    def _winners(self) -> Iterator[FirstConfiguration]:
        """Yield the task's own successes, the best first; the quicker of equal scores."""
        history = self._usable.history
        rows = np.flatnonzero(self._own & self._usable.succeeded & (self._which != NONE))
        words = id_words(history.ids[rows])
        seconds = np.nan_to_num(history.time_seconds[rows], nan=np.inf)
        scores = self._scores[rows]
        order = rows[np.lexsort((words[:, 1], words[:, 0], seconds, -scores))]
        for row, configuration in self._runnable(order):
            yield FirstConfiguration(configuration, self._victory(row))

    def _best_on_similar(self) -> Iterator[FirstConfiguration]:
        """Yield what ranks best on other tasks at a cost that fits; the tasks are its ``why``."""
        history, known = self._usable.history, self._which != NONE
        succeeded = self._usable.succeeded & known
        count = int(self._which.max(initial=NONE)) + 1
        if not (succeeded & ~self._own).any():
            return
        names, name_of_task = np.unique([n for n, _ in history.task.values], return_inverse=True)
        # What else was tried on a task counts: the best of poor ones is not as good as a cheap one.
        scores = np.append(self._scores, self._usable.rival_scores)
        tasks = np.append(history.task.codes, self._usable.rival_tasks)
        ranks = ranks_within(scores, tasks)[: len(history)][known]
        weights = (self._similarity * history.trust)[known]
        # Of each configuration and task the means, so that a task counts once, however often it
        # was searched.
        pairs = self._which[known] * len(names) + name_of_task[history.task.codes[known]]
        different, place = np.unique(pairs, return_inverse=True)
        times = np.bincount(place)
        weight = np.bincount(place, weights=weights) / times
        rank = np.bincount(place, weights=ranks) / times
        owner = different // len(names)
        total = np.bincount(owner, weights=weight, minlength=count)
        sums = np.bincount(owner, weights=weight * rank, minlength=count)
        # Rounded, so that equal merits are equal whatever the order of their sums.
        merit = np.round((sums + _DOUBT * _MIDDLE) / (total + _DOUBT), 9)
        seconds = self._seconds_here(succeeded, count)
        eligible = np.bincount(self._which[succeeded & ~self._own], minlength=count) > 0
        eligible &= merit >= _MIDDLE
        eligible &= ~self._only_failed_here(count)
        if self._seconds_allowed is not None:
            # A trial that filled its time took a little more or less than that.
            eligible &= ~(seconds > TOLERANCE * self._seconds_allowed)
        candidates = np.flatnonzero(eligible)
        order = np.lexsort((np.nan_to_num(seconds, nan=np.inf)[candidates], -merit[candidates]))
        numbers, first = np.unique(self._which, return_index=True)
        example = first[numbers != NONE]
        for row, configuration in self._runnable(example[candidates[order]]):
            yield FirstConfiguration(configuration, self._tasks_in_words(int(self._which[row])))

    def _seconds_here(self, succeeded: NDArray[np.bool_], count: int) -> NDArray[np.float64]:
        """Return what each configuration will take on this task; NaN where nothing says it."""
        features = self._usable.history.task_features
        values = self._context.task_features.values
        name = next((name for name in ROWS_FEATURES if name in values), None)
        now = None if name is None else values[name]
        seconds = self._usable.history.time_seconds
        if name is not None and now is not None and now > 0:
            rows = np.append(features.columns([name])[:, 0], np.nan)[features.codes]
            # Of large data a trial gets a share, so that their size says nothing of its time.
            then = np.where(rows > 0, np.minimum(rows, LARGE_TRAINING_ROWS), np.nan)
            factor = min(now, LARGE_TRAINING_ROWS) / then
            seconds = seconds * np.where(np.isnan(factor), 1.0, factor)
        measured = succeeded & np.isfinite(seconds)
        logarithms = np.log(np.maximum(seconds[measured], _LEAST_SECONDS))
        sums = np.bincount(self._which[measured], weights=logarithms, minlength=count)
        times = np.bincount(self._which[measured], minlength=count)
        means = np.exp(sums / np.maximum(times, 1))
        return np.where(times > 0, means, np.nan)

    def _only_failed_here(self, count: int) -> NDArray[np.bool_]:
        """Return which configurations this task's own experiences know as failures alone."""
        own = self._own & (self._which != NONE)
        tried = np.bincount(self._which[own], minlength=count)
        succeeded = np.bincount(self._which[own & self._usable.succeeded], minlength=count)
        return np.asarray((tried > 0) & (succeeded == 0))

    def _runnable(self, rows: NDArray[np.int64]) -> Iterator[tuple[int, Configuration]]:
        """Yield rows with their configurations, each once, that can run here."""
        return runnable(self._usable, self._which, rows, self._context.space, self._infeasible)

    def _victory(self, row: int) -> str:
        """Return what a success on this very task came to, in words."""
        history = self._usable.history
        searches = history.search.codes[self._own]  # rows are ordered by end time
        count = len(np.unique(searches))
        if history.search.codes[row] == searches[-1]:
            what = "won the last search on this task"
        else:
            what = f"best of {count} searches on this task"
        seconds = float(history.time_seconds[row])
        score = f"{self._scores[row]:.3f}".removeprefix("0")
        if not np.isfinite(seconds):
            return f"{what}: F1 {score}"
        return f"{what}: F1 {score} in {seconds:.{0 if seconds >= 10 else 1}f} s"

    def _tasks_in_words(self, number: int) -> str:
        """Return the other tasks on which a configuration succeeded, the most similar first."""
        history = self._usable.history
        rows = np.flatnonzero((self._which == number) & self._usable.succeeded & ~self._own)
        weights: dict[str, float] = {}
        for row in rows.tolist():
            name = history.task[row][0]
            weights[name] = max(weights.get(name, 0.0), float(self._similarity[row]))
        names = sorted(weights, key=lambda name: (-weights[name], name))
        more = ", ..." if len(names) > _TASKS_NAMED else ""
        plural = "s" if len(names) > 1 else ""
        return f"{len(names)} similar task{plural} ({', '.join(names[:_TASKS_NAMED])}{more})"


def ranks_within(values: NDArray[np.float64], groups: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return each value's rank in its group, scaled to (0, 1): 1 - 1 / (2 n) for the best of n.

    Args:
        values: Shape (n,): more is better; NaN is below all else. Equal ones share their mean rank.
        groups: Shape (n,): the group of each value.
    """
    if len(values) == 0:
        return np.zeros(0)
    worth = np.where(np.isnan(values), -np.inf, values)
    order = np.lexsort((worth, groups))
    group, value = groups[order], worth[order]
    new_group = np.append(True, group[1:] != group[:-1])
    new_value = new_group | np.append(True, value[1:] != value[:-1])
    first, last = _runs(new_value)
    begin, end = _runs(new_group)
    ranks = np.empty(len(values))
    ranks[order] = ((first + last) / 2 - begin) / (end - begin)
    return ranks


def _runs(begins: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return begin and end of the run that each place is in, from where runs begin."""
    starts = np.flatnonzero(begins)
    ends = np.append(starts[1:], len(begins))
    run = np.cumsum(begins) - 1
    return starts[run], ends[run]


def runnable(
    usable: UsableHistory,
    numbers: NDArray[np.int64],
    rows: NDArray[np.int64],
    space: SearchSpace,
    infeasible: Infeasibility,
) -> Iterator[tuple[int, Configuration]]:
    """Yield rows with their configurations, each once, that can run here.

    Args:
        usable: The experiences.
        numbers: Shape (experiences,): of their configurations, see ``configuration_numbers``.
        rows: Which of them, in this order; those that are not of the space are left out.
        space: Whose models can be had.
        infeasible: Returns why a configuration cannot run here, or None if it can.
    """
    models = usable.history.model
    seen: set[int] = {NONE}
    for row in rows.tolist():
        number = int(numbers[row])
        if number in seen or models[row] not in space.models:
            continue
        seen.add(number)
        if len(seen) - 1 > _MOST_LOOKED_AT:
            return
        configuration = configuration_at(usable.mapped, space, row)
        if infeasible(configuration) is None:
            yield row, configuration


def configuration_numbers(mapped: MappedHistory) -> NDArray[np.int64]:
    """Return the number of each experience's configuration, from 0 on, shape (rows,).

    Equal configurations have one number; ``NONE`` stands for those that are not of the space.
    """
    found = np.full(len(mapped.complete), NONE, dtype=np.int64)
    known = 0
    for one in mapped.branches:
        whole = mapped.complete[one.rows]
        if whole.any():
            different, numbers = np.unique(_codes(one, whole), return_inverse=True)
            found[one.rows[whole]] = known + numbers
            known += len(different)
    return found


def _codes(one: BranchObservations, whole: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return a number for the values of each complete configuration of a fine-tuner."""
    codes = np.zeros(int(np.count_nonzero(whole)), dtype=np.int64)
    size = 1
    for parameter in (one.branch.model, *one.branch.parameters):
        column = one.values[parameter.handle]
        chosen = column.codes[whole]
        used = np.unique(chosen)
        places = np.zeros(len(column.values), dtype=np.int64)
        places[used] = [_place(parameter, column.values[code]) for code in used]
        width = int(places.max()) + 1
        if size * width > _LARGEST_CODE:
            different, codes = np.unique(codes, return_inverse=True)
            size = len(different)
        codes = codes * width + places[chosen]
        size *= width
    return codes


def _place(parameter: Parameter, value: Value) -> int:
    """Return the place of a value in the domain that it lies in."""
    match parameter:
        case Categorical(choices=choices):
            return [value_key(choice) for choice in choices].index(value_key(value))
        case Integer(low=low):
            assert isinstance(value, int)
            return value - low
        case Boolean():
            return int(bool(value))


def configuration_at(mapped: MappedHistory, space: SearchSpace, row: int) -> Configuration:
    """Return the configuration of an experience, with the very values of the space's domains."""
    for one in mapped.branches:
        place = int(np.searchsorted(one.rows, row))
        if place == len(one.rows) or one.rows[place] != row:
            continue
        handles: dict[str, Value] = {BRANCH_HANDLE: one.branch.name}
        for parameter in (one.branch.model, *one.branch.parameters):
            value = one.values[parameter.handle][place]
            if isinstance(parameter, Categorical):
                # Another writer's 16.0 is this space's 16.
                value = parameter.choices[_place(parameter, value)]
            handles[parameter.handle] = value
        return decode(space, handles)
    raise IndexError(f"row {row} has no fine-tuner of space {space.name}")
