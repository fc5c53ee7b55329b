"""Was fine-tuning worth it? Compare the best language model with the best cheap candidate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Literal

from xautolm_core.records.methods import UNTUNED
from xautolm_core.records.methods import is_cheap
from xautolm_core.records.methods import is_untuned
from xautolm_core.report.document import best_cheap_trial
from xautolm_core.report.document import best_language_model_trial
from xautolm_core.report.wording import count_words
from xautolm_core.report.wording import made_words
from xautolm_core.report.wording import points_words
from xautolm_core.report.wording import score_words
from xautolm_core.report.wording import seconds_words
from xautolm_core.search.records import model_score

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xautolm_core.search.contract import SearchResult
    from xautolm_core.search.contract import TrialRecord
    from xautolm_core.search.test_report import ModelComparison

# Early stopping and a slightly shortened last epoch are not worth a sentence.
_SHORT = 0.5
_NAMED_CLASSES = 3

Kind = Literal["worth", "unclear", "not_worth", "unknown"]

_HEADLINES: Mapping[Kind, str] = {
    "worth": "Fine-tuning was worth it",
    "unclear": "Fine-tuning made no clear difference",
    "not_worth": "Fine-tuning was not worth it",
}


@dataclass(frozen=True)
class WorthVerdict:
    """How the best language model compares with the best cheap candidate.

    Attributes:
        kind: ``worth`` and ``not_worth`` where the interval of the gain lies above or below 0,
            ``unclear`` where it contains 0, ``unknown`` if there is nothing to compare.
        headline: The answer in a few words.
        explanation: The figures behind it, in full sentences.
    """

    kind: Kind
    headline: str
    explanation: str


def verdict(result: SearchResult) -> WorthVerdict:
    """Compare the best language model with the best cheap candidate on the test split.

    Both are the best of their kind on validation, whichever of them was chosen.

    Args:
        result: The result of the search.
    """
    language_model, cheap = best_language_model_trial(result), best_cheap_trial(result)
    if language_model is None or cheap is None:
        return _without_one(result, language_model, cheap)
    compared = result.test.comparison if result.test is not None else None
    if result.test is None or compared is None:
        return _without_comparison(result, language_model, cheap)
    by_number = {record.number: record for record in result.trials}
    pair = by_number[compared.language_model], by_number[compared.cheap]
    return _compared(result, compared, result.test.rows, *pair)


def _compared(
    result: SearchResult,
    compared: ModelComparison,
    rows: int,
    language_model: TrialRecord,
    cheap: TrialRecord,
) -> WorthVerdict:
    kind: Kind = "worth" if compared.low > 0 else "not_worth" if compared.high < 0 else "unclear"
    headline = _HEADLINES[kind]
    if kind == "unclear" and compared.rare_classes:
        headline = _too_few(compared.rare_classes)
    chosen, other = language_model, cheap
    if result.best == cheap.number:
        chosen, other = other, chosen
    sentences = [
        f"On {rows} test rows the best language model ({_named(language_model)}) reaches "
        f"{_article(result)} of {score_words(compared.language_model_score)}, the best cheap "
        f"candidate ({_named(cheap)}) {score_words(compared.cheap_score)}",
        _gain_words(compared, cheap) + f", with a 95 % interval from {points_words(compared.low)} "
        f"to {points_words(compared.high)} (paired bootstrap over the test rows)",
        *_rare_sentences(compared.rare_classes),
        "Training and evaluation took "
        f"{seconds_words(language_model.result.comparable_seconds)} and "
        f"{seconds_words(cheap.result.comparable_seconds)}, the whole search "
        f"{seconds_words(result.seconds)}",
        f"Trial {chosen.number} was chosen on validation ({_validation(chosen)} against "
        f"{_validation(other)})",
        *_cut_sentences(language_model),
    ]
    return WorthVerdict(kind, headline, ". ".join(sentences) + ".")


def _gain_words(compared: ModelComparison, cheap: TrialRecord) -> str:
    if not is_untuned(cheap.configuration.method):
        return f"The gain is {points_words(compared.gain)} points"
    untuned = "untuned with examples" if cheap.configuration.method != UNTUNED else "untuned"
    better = "worse" if compared.gain < 0 else "better"
    points = points_words(abs(compared.gain)).lstrip("+")
    return f"The tuned model is {better} than the model {untuned} by {points} points"


def _without_one(
    result: SearchResult, language_model: TrialRecord | None, cheap: TrialRecord | None
) -> WorthVerdict:
    """Return the verdict where one kind has no score, with the reason."""
    found = language_model or cheap
    if found is None:
        return WorthVerdict("unknown", "No trial gave a model", "There is nothing to compare.")
    missing = "cheap candidate" if cheap is None else "language model"
    counts: dict[str, int] = {}
    for record in result.trials:
        if is_cheap(record.configuration.method) is (cheap is None):
            outcome = record.result.outcome.value
            counts[outcome] = counts.get(outcome, 0) + 1
    tried = count_words(sum(counts.values()), "trial")
    ended = ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))
    why = f"{tried} of that kind ended without a model ({ended})" if counts else "None was tried"
    other = "language model" if cheap is None else "cheap candidate"
    return WorthVerdict(
        "unknown",
        f"No {missing} has a score",
        f"{why}. The best {other} is {_named(found)}, with {_article(result)} of "
        f"{_validation(found)} on validation in {seconds_words(found.result.comparable_seconds)}.",
    )


def _without_comparison(
    result: SearchResult, language_model: TrialRecord, cheap: TrialRecord
) -> WorthVerdict:
    why = (
        "The test split was not evaluated"
        if result.test is None
        else "Only the chosen model was evaluated on the test split"
    )
    return WorthVerdict(
        "unknown",
        "No comparison on the test split",
        f"{why}. On validation the best language model ({_named(language_model)}) reaches "
        f"{_article(result)} of {_validation(language_model)} in "
        f"{seconds_words(language_model.result.comparable_seconds)}, the best cheap candidate "
        f"({_named(cheap)}) {_validation(cheap)} in "
        f"{seconds_words(cheap.result.comparable_seconds)}.",
    )


def _article(result: SearchResult) -> str:
    """Return the score's name with its article."""
    title = result.primary.title
    return f"{'an' if title[:1] in 'AEFHILMNORSX' else 'a'} {title}"


def _named(record: TrialRecord) -> str:
    return f"trial {record.number}: {made_words(record.configuration, full_id=False)}"


def _validation(record: TrialRecord) -> str:
    return score_words(model_score(record))


def _too_few(rare: Mapping[str, int]) -> str:
    rarest = min(rare, key=lambda name: (rare[name], name))
    more = f" and of {len(rare) - 1} more" if len(rare) > 1 else ""
    return f"Too few rows of class {rarest}{more} to tell"


def _rare_sentences(rare: Mapping[str, int]) -> list[str]:
    """Return a sentence on classes with few test rows, which make the interval uncertain."""
    if not rare:
        return []
    ordered = sorted(rare, key=lambda name: (rare[name], name))
    named = [f"{name} ({rare[name]})" for name in ordered[:_NAMED_CLASSES]]
    if len(ordered) > _NAMED_CLASSES:
        named.append(f"{len(ordered) - _NAMED_CLASSES} more")
    return [
        "The interval is less certain than it looks, as there are few test rows of "
        + ", ".join(named)
    ]


def _cut_sentences(trial: TrialRecord) -> list[str]:
    """Return a sentence if the trial was cut so short that more time may change the verdict."""
    progress = trial.result.progress
    if progress.planned_steps == 0 or progress.steps >= _SHORT * progress.planned_steps:
        return []
    return [
        f"To end in time, the language model did only {progress.steps} of "
        f"{progress.planned_steps} planned steps; a larger budget may change the answer"
    ]
