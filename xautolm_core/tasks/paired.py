"""Is one classifier better than another on the same rows? A paired, one-sided test.

Macro-F1: approximate randomization. If both were equally good, it would not matter whose answer to
a row is whose; so the answers are swapped, row by row, by fair coins, and the p-value is the share
of such swaps with a gain as large as the observed one (E. W. Noreen, Computer-intensive methods for
testing hypotheses, 1989; A. Yeh, More accurate tests for the statistical significance of result
differences, COLING 2000). The observed answers count as one of the swaps, so that p is never 0 and
the level holds for any number of rounds (B. Phipson, G. K. Smyth, Permutation p-values should never
be zero, 2010).

Accuracy: the exact form of McNemar's test, a sign test over the rows that one of both has right (Q.
McNemar, Psychometrika 12, 1947). No rounds, no seed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from xautolm_core.tasks.grouped import Groups
from xautolm_core.tasks.grouped import Measure
from xautolm_core.tasks.grouped import chunks
from xautolm_core.tasks.grouped import gain_interval
from xautolm_core.tasks.grouped import group_rows
from xautolm_core.tasks.grouped import macro_f1
from xautolm_core.tasks.grouped import one_hot

ROUNDS = 10_000
_EQUAL = 1e-12


@dataclass(frozen=True)
class PairedResult:
    """The result of a paired test.

    Attributes:
        measure: ``macro_f1`` or ``accuracy``.
        champion: Score of the first classifier, in [0, 1].
        challenger: Score of the second one.
        p_value: Probability, if both were equally good, of a gain as large as this, in (0, 1].
        low: Lower end of the gain's 90 % interval (bootstrap over rows).
        high: Upper end.
        rows: Number of rows.
        different: Rows to which both answer differently.
    """

    measure: Measure
    champion: float
    challenger: float
    p_value: float
    low: float
    high: float
    rows: int
    different: int

    @property
    def gain(self) -> float:
        """How much better the challenger is; negative if it is worse."""
        return self.challenger - self.champion


def paired_test(
    truth: Sequence[int] | np.ndarray,
    champion: Sequence[int] | np.ndarray,
    challenger: Sequence[int] | np.ndarray,
    *,
    measure: Measure = "macro_f1",
    rounds: int = ROUNDS,
    seed: int = 0,
) -> PairedResult:
    """Test whether the challenger is better than the champion.

    The result does not depend on the order of the rows. The two p-values of exchanged roles sum to
    more than 1, so that never both can be significant.

    Args:
        truth: True class index of each row.
        champion: The first classifier's answer to each row.
        challenger: The second one's.
        measure: By what they are compared.
        rounds: Swaps, for macro-F1; p is at least ``1 / (rounds + 1)``.
        seed: Of the swaps and of the interval.

    Raises:
        ValueError: There are no rows, the lengths differ, or an index is negative.
    """
    groups = group_rows(np.asarray(truth), np.asarray(champion), np.asarray(challenger))
    generator = np.random.default_rng(seed)
    first, second = (
        float(scores[0]) for scores in groups.scores(groups.counts[None].astype(float), measure)
    )
    if measure == "accuracy":
        p_value = _mcnemar(groups)
    else:
        p_value = _randomization(groups, second - first, rounds, generator)
    low, high = gain_interval(groups, measure, generator)
    return PairedResult(
        measure=measure,
        champion=first,
        challenger=second,
        p_value=p_value,
        low=low,
        high=high,
        rows=int(groups.counts.sum()),
        different=int(groups.counts[groups.first != groups.second].sum()),
    )


def _randomization(
    groups: Groups, gain: float, rounds: int, generator: np.random.Generator
) -> float:
    """Return the share of swaps with at least the observed gain, the observed one included.

    Each draw counts with its mirror image (all answers exchanged), whose gain is the negative.
    """
    different = groups.first != groups.second
    if not different.any():
        return 1.0
    # The draws must not know whose answer was whose: both orders of two answers are one kind.
    ends = [
        end(groups.first[different], groups.second[different]) for end in (np.minimum, np.maximum)
    ]
    kinds, place = np.unique(
        np.stack([groups.truth[different], *ends], axis=1), axis=0, return_inverse=True
    )
    sizes = np.bincount(place.ravel(), weights=groups.counts[different]).astype(np.int64)
    truth, low, high = kinds.T
    lower, higher = one_hot(low, groups.classes), one_hot(high, groups.classes)
    lower_hits, higher_hits = lower * (low == truth)[:, None], higher * (high == truth)[:, None]

    same = groups.counts * ~different
    called = one_hot(groups.first, groups.classes)
    is_truth = one_hot(groups.truth, groups.classes)
    fixed_hits = same @ (called * is_truth)
    fixed_either = groups.counts @ is_truth + same @ called
    half = -(-rounds // 2)
    reached = 0
    for size in chunks(half, len(sizes) + groups.classes):
        # Rows of each kind in which the first classifier gives the lower of both answers.
        drawn = generator.binomial(sizes, 0.5, size=(size, len(sizes))).astype(np.float64)
        rest = sizes - drawn
        first = macro_f1(
            fixed_hits + drawn @ lower_hits + rest @ higher_hits,
            fixed_either + drawn @ lower + rest @ higher,
        )
        second = macro_f1(
            fixed_hits + rest @ lower_hits + drawn @ higher_hits,
            fixed_either + rest @ lower + drawn @ higher,
        )
        gains = second - first
        reached += int(np.count_nonzero(gains >= gain - _EQUAL))
        reached += int(np.count_nonzero(-gains >= gain - _EQUAL))
    return float((1 + reached) / (1 + 2 * half))


def _mcnemar(groups: Groups) -> float:
    """Return the probability of at least as many wins among the rows that only one has right."""
    first, second = groups.first == groups.truth, groups.second == groups.truth
    wins = int(groups.counts[~first & second].sum())
    trials = wins + int(groups.counts[first & ~second].sum())
    logs = (
        math.lgamma(trials + 1) - math.lgamma(k + 1) - math.lgamma(trials - k + 1)
        for k in range(wins, trials + 1)
    )
    tail = math.fsum(math.exp(value - trials * math.log(2)) for value in logs)
    return min(1.0, max(tail, math.ulp(0.0)))
