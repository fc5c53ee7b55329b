"""The step that shows a finished search in the pipeline's own views."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from xautolm_core.steps.entry import step
from xautolm_core.steps.finished import read_finished
from xautolm_core.whole_files import write_text

if TYPE_CHECKING:
    from xautolm_core.search.contract import SearchResult

_SHOWN_CLASSES = 50


@step
def write_report(
    result_folder: str,
    test_file: str,
    page_file: str,
    log_metric: Callable[[str, float], None],
    log_confusion_matrix: Callable[[list[str], list[list[int]]], None],
) -> None:
    """Write the report's page, and log scalars and the confusion matrix of the test split.

    Args:
        result_folder: What the search step wrote.
        test_file: What the evaluation step wrote; empty if there was none.
        page_file: Where the HTML page goes.
        log_metric: Takes a name and a value.
        log_confusion_matrix: Takes class names and rows of counts; called with a test report of up
            to 50 classes.

    Raises:
        ConfigError: The folder holds no result.
    """
    from xautolm_core.report.page import report_page
    from xautolm_core.search.test_report import TestReport

    result = read_finished(result_folder, test_file)
    Path(page_file).parent.mkdir(parents=True, exist_ok=True)
    write_text(Path(page_file), report_page(result))
    for name, value in _metrics(result).items():
        log_metric(name, value)
    if isinstance(result.test, TestReport) and len(result.test.per_class) <= _SHOWN_CLASSES:
        confusion = [[int(count) for count in row] for row in result.test.confusion]
        log_confusion_matrix(list(result.test.per_class), confusion)


def _metrics(result: SearchResult) -> dict[str, float]:
    """Return the scalars of a search by name, with their units; those that are known."""
    from xautolm_core.report.document import best_cheap_trial
    from xautolm_core.report.document import chosen_trial
    from xautolm_core.report.document import validation_scores

    found: dict[str, float] = {
        "search_seconds": result.seconds,
        "trials": len(result.trials),
        "trial_seconds": sum(record.result.wall_seconds for record in result.trials),
        "experiences_applied": result.warm_start.applied,
        "experiences_mapped": result.warm_start.mapped,
    }
    joules = [reading.joules for record in result.trials for reading in record.result.energy]
    if joules:
        found["energy_joules"] = sum(joules)
    for outcome, count in result.outcomes.items():
        found[f"trials_{outcome.value}"] = count
    best = chosen_trial(result)
    if best is not None:
        found |= {f"validation_{name}": score for name, score in validation_scores(best).items()}
    cheap = best_cheap_trial(result)
    if cheap is not None:
        scores = validation_scores(cheap).items()
        found |= {f"cheap_validation_{name}": score for name, score in scores}
    if result.test is not None:
        found |= {f"test_{name}": score for name, score in result.test.named_scores.items()}
        compared = result.test.comparison
        if compared is not None:
            found[f"cheap_test_{result.primary.name}"] = compared.cheap_score
            found[f"language_model_test_{result.primary.name}"] = compared.language_model_score
            found["language_model_gain"] = compared.gain
            found["language_model_gain_low"] = compared.low
            found["language_model_gain_high"] = compared.high
    return found
