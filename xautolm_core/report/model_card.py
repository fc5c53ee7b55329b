"""The model card: how a model was found, on what data, its scores, and its limits."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

from xautolm_core import __version__
from xautolm_core.records.methods import is_cheap
from xautolm_core.report.document import chosen_trial
from xautolm_core.report.document import is_untrained
from xautolm_core.report.document import scores_on_test
from xautolm_core.report.document import task_name
from xautolm_core.report.task_parts import report_parts
from xautolm_core.report.templating import template_environment
from xautolm_core.report.verdict import verdict
from xautolm_core.whole_files import write_text

if TYPE_CHECKING:
    from xautolm_core.search.contract import SearchResult
    from xautolm_core.search.contract import TrialRecord

CARD_FILE = "README.md"


def model_card(result: SearchResult) -> str:
    """Return the card of the chosen model, in the Hugging Face format (front matter and Markdown).

    Args:
        result: The result; a trial must have been chosen.

    Raises:
        ValueError: No trial was chosen.
    """
    best = chosen_trial(result)
    if best is None:
        raise ValueError("a search without a chosen model has no model card")
    on_test = scores_on_test(result)
    other = next((r for r in result.trials if r.number in on_test and r is not best), None)
    template = template_environment(escape_html=False).get_template("model_card.md.j2")
    text: str = template.render(
        front_matter=_front_matter(result, best),
        task=task_name(result),
        result=result,
        parts=report_parts(result),
        best=best,
        other=other,
        other_test=None if other is None else on_test[other.number],
        untrained=is_untrained(result, best.configuration),
        whole_model=_whole_model(result, best),
        is_cheap=is_cheap(best.configuration.method),
        labels=list(result.task.get("labels") or ()),
        rows=dict(result.task.get("rows") or {}),
        verdict=verdict(result),
        version=__version__,
    )
    return text


def write_model_card(result: SearchResult, model_folder: Path) -> None:
    """Write the card to the model's folder, atomically."""
    write_text(model_folder / CARD_FILE, model_card(result))


def _front_matter(result: SearchResult, best: TrialRecord) -> str:
    import yaml

    untrained = is_untrained(result, best.configuration)
    parts = report_parts(result)
    data: dict[str, Any] = {
        "library_name": "xautolm" if is_cheap(best.configuration.method) else "transformers",
        "pipeline_tag": parts.tag,
    }
    languages = list(result.task.get("languages") or ())
    if languages:
        data["language"] = languages
    if best.configuration.model and not untrained:
        data["base_model"] = _whole_model(result, best) or best.configuration.model
    data["tags"] = ["xautolm", "automl", parts.tag]
    if untrained:
        data["tags"].append("trained-from-scratch")
    data["metrics"] = list(dict.fromkeys(kind for kind, _ in parts.metrics.values()))
    data["model-index"] = [_model_index(result)]
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True).rstrip()


def _whole_model(result: SearchResult, trial: TrialRecord) -> str:
    """Return the model whose first blocks a trial's model is; empty if it is a whole one."""
    described = result.models.get(trial.configuration.model or "")
    return described.base if described else ""


def _model_index(result: SearchResult) -> dict[str, Any]:
    # On one line, as a line of dashes in a name would end the front matter.
    name = " ".join(task_name(result).split())
    parts = report_parts(result)
    entry: dict[str, Any] = {
        "task": {"type": parts.tag, "name": parts.tag_words},
        "dataset": {"type": "private", "name": name, "split": "test"},
    }
    if result.test is not None:
        scores, split = result.test.named_scores, "test"
    else:
        best = chosen_trial(result)
        found = best.result.model_scores if best else {}
        scores, split = {one: score.value for one, score in found.items()}, "validation"
    entry["dataset"]["split"] = split
    entry["metrics"] = [
        {"type": kind, "name": f"{words} ({split})", "value": round(scores[score], 6)}
        for score, (kind, words) in parts.metrics.items()
        if score in scores
    ]
    return {"name": name, "results": [entry]}
