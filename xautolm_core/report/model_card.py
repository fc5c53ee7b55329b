"""The model card: how a model was found, on what data, how good it is, and where it ends."""

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
        result: What the search came to; it must have chosen a trial.

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
    """Write the card beside the model, all or nothing."""
    write_text(model_folder / CARD_FILE, model_card(result))


def _front_matter(result: SearchResult, best: TrialRecord) -> str:
    import yaml

    untrained = is_untrained(result, best.configuration)
    data: dict[str, Any] = {
        "library_name": "xautolm" if is_cheap(best.configuration.method) else "transformers",
        "pipeline_tag": "text-classification",
    }
    languages = list(result.task.get("languages") or ())
    if languages:
        data["language"] = languages
    if best.configuration.model and not untrained:
        data["base_model"] = _whole_model(result, best) or best.configuration.model
    data["tags"] = ["xautolm", "automl", "text-classification"]
    if untrained:
        data["tags"].append("trained-from-scratch")
    data["metrics"] = ["f1", "accuracy"]
    data["model-index"] = [_model_index(result)]
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True).rstrip()


def _whole_model(result: SearchResult, trial: TrialRecord) -> str:
    """Return the model whose first blocks a trial's model is; empty if it is a whole one."""
    described = result.models.get(trial.configuration.model or "")
    return described.base if described else ""


def _model_index(result: SearchResult) -> dict[str, Any]:
    # On one line, as a line of dashes in a name would end the front matter.
    name = " ".join(task_name(result).split())
    entry: dict[str, Any] = {
        "task": {"type": "text-classification", "name": "Text classification"},
        "dataset": {"type": "private", "name": name, "split": "test"},
    }
    if result.test is not None:
        entry["metrics"] = [
            {"type": "f1", "name": "Macro F1 (test)", "value": round(result.test.macro_f1, 6)},
            {
                "type": "accuracy",
                "name": "Accuracy (test)",
                "value": round(result.test.accuracy, 6),
            },
        ]
        return {"name": name, "results": [entry]}
    entry["dataset"]["split"] = "validation"
    best = chosen_trial(result)
    scores = best.result.model_scores if best else {}
    entry["metrics"] = [
        {"type": kind, "name": words, "value": round(scores[score].value, 6)}
        for kind, words, score in (
            ("f1", "Macro F1 (validation)", "macro_f1"),
            ("accuracy", "Accuracy (validation)", "accuracy"),
        )
        if score in scores
    ]
    return {"name": name, "results": [entry]}
