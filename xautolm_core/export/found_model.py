"""Which model is to be exported, and what is known of it."""

from __future__ import annotations

import json
import shlex
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from xautolm_core.errors import ConfigError
from xautolm_core.records.methods import is_cheap
from xautolm_core.registry.model import RegisteredModel
from xautolm_core.registry.registry import ModelRegistry
from xautolm_core.search.contract import ALTERNATIVE_FOLDER
from xautolm_core.search.contract import BEST_MODEL_FOLDER
from xautolm_core.search.contract import SEARCH_FILE
from xautolm_core.search.contract import SearchResult
from xautolm_core.search.contract import TrialRecord
from xautolm_core.search.models import model_folder
from xautolm_core.search.records import choose_alternative
from xautolm_core.search.records import choose_best
from xautolm_core.search.records import model_score
from xautolm_core.search.result_file import RESULT_FILE
from xautolm_core.search.result_file import read_result
from xautolm_core.tasks.spec import TaskType
from xautolm_core.trial.contract import ATTEMPT_NAME
from xautolm_core.trial.contract import MODEL_CARD_FILE
from xautolm_core.trial.predict import read_card
from xautolm_core.trial.saving import ModelCard

_MODEL_CONFIG = "config.json"
_LEVELS = 3
"""How far above a model's folder its run may lie."""


@dataclass(frozen=True)
class FoundModel:
    """A model that a search left.

    Attributes:
        folder: Its folder.
        card: What stands beside it.
        result: Of its search; None if that is not at hand.
        trial: Its trial, likewise.
        registered: The registered version; None of a model on disk.
    """

    folder: Path
    card: ModelCard
    result: SearchResult | None = None
    trial: TrialRecord | None = None
    registered: RegisteredModel | None = None

    @property
    def method(self) -> str:
        """How it was made."""
        return self.card.configuration.method

    @property
    def macro_f1(self) -> float | None:
        """On the test split where it met that, else on validation; None if it is not known."""
        if self.registered is not None:
            scores = self.registered.record.scores
            return None if scores is None else scores.macro_f1
        result, trial = self.result, self.trial
        if result is None or trial is None:
            return None
        if result.test is not None and trial.number == result.best:
            return result.test.named_scores.get("macro_f1")
        score = trial.result.model_scores.get("macro_f1")
        return None if score is None else score.value


@contextmanager
def opened_model(
    place: str, *, task: str | None = None, version: str | None = None
) -> Iterator[FoundModel]:
    """Give a model until the context is left.

    Args:
        place: A run folder, a model's folder, or a registry where a task is named.
        task: Name of the task, in a registry.
        version: Its version; by default the champion.

    Raises:
        ConfigError: There is no such model.
        StoreError: The registry cannot be read, or what it holds is damaged.
    """
    if task is None:
        if version is not None:
            raise ConfigError("--version names a version of a task", hint="Name it with --task")
        yield _on_disk(Path(place).expanduser())
        return
    registry = ModelRegistry.open(place)
    found = registry.require_champion(task) if version is None else registry.version(task, version)
    with tempfile.TemporaryDirectory(prefix="xautolm-model-") as name:
        folder = registry.fetch(found, Path(name) / "model")
        yield FoundModel(folder, read_card(folder), registered=found)


def require_task_type(model: FoundModel, task_type: str, form: str) -> None:
    """Make sure that a model is for the type of task whose models have a form.

    Args:
        model: The model.
        task_type: Type of task that the form is for.
        form: Its name.

    Raises:
        ConfigError: It is of another task type.
    """
    if model.card.task_type != task_type:
        raise ConfigError(
            f"A model for {model.card.task_type} has no form {form!r}: that is for {task_type}",
            hint=f"{model.folder} has the model as trained, for the predict command",
        )


def is_encoder_decoder(model: FoundModel) -> bool:
    """Whether a saved language model is a sequence-to-sequence one, by its configuration."""
    try:
        text = (model.folder / _MODEL_CONFIG).read_text(encoding="utf-8")
        return bool(json.loads(text).get("is_encoder_decoder"))
    except (OSError, ValueError, AttributeError):
        return False


def require_language_model(model: FoundModel, form: str) -> None:
    """Make sure that a model is a fine-tuned language model.

    Raises:
        ConfigError: It is a cheap one; the message names the best language model on the front.
    """
    if not is_cheap(model.method):
        return
    raise ConfigError(
        f"A model of method '{model.method}' has no form for {form}: that takes a fine-tuned "
        "language model",
        hint=_other_choice(model, form),
    )


def _other_choice(model: FoundModel, form: str) -> str:
    is_classifier = model.card.task_type == TaskType.TEXT_CLASSIFICATION
    this = "Serve this one by MLflow: --to mlflow" if is_classifier else "It answers as it is"
    result = model.result
    if result is None:
        return f"{this}; a language model lies in RUN/{ALTERNATIVE_FOLDER}, if the search found one"
    best = choose_best(r for r in result.front if not is_cheap(r.configuration.method))
    where = "on the front"
    if best is None:
        best = choose_best(r for r in result.trials if not is_cheap(r.configuration.method))
        where = "of the search (none is on the front)"
    if best is None:
        return f"{this}; the search found no language model"
    score = model_score(best)
    said = (
        f"The best language model {where} is trial {best.number} ({best.configuration.method}, "
        f"{best.configuration.model_label}; {result.primary.title} {score:.4f} on validation)"
    )
    folder = _folder_of(result, best)
    if folder is None:
        return f"{said}, whose model was not kept: search with --keep-models all. {this}"
    return f"{said}: xautolm export {shlex.quote(str(folder))} --to {form}. {this}"


def _folder_of(result: SearchResult, record: TrialRecord) -> Path | None:
    """Return where the model of a trial lies now; None if it was not kept."""
    best = next((one for one in result.trials if one.number == result.best), None)
    other = choose_alternative(result.trials, best)
    candidates = [model_folder(result.out_folder, record)]
    if best is not None and record.number == best.number:
        candidates.insert(0, result.out_folder / BEST_MODEL_FOLDER)
    if other is not None and record.number == other.number:
        candidates.insert(0, result.out_folder / ALTERNATIVE_FOLDER)
    return next((one for one in candidates if (one / MODEL_CARD_FILE).is_file()), None)


def _on_disk(place: Path) -> FoundModel:
    folder = next(
        (one for one in (place / BEST_MODEL_FOLDER, place) if (one / MODEL_CARD_FILE).is_file()),
        None,
    )
    if folder is None:
        is_run = (place / SEARCH_FILE).is_file()
        what = "has no model yet" if is_run else "holds neither a run nor a model"
        raise ConfigError(
            f"{place} {what}", hint="Give the run folder of a search, or RUN/alternative"
        )
    folder = folder.absolute()
    card = read_card(folder)
    run = next((one for one in folder.parents[:_LEVELS] if (one / RESULT_FILE).is_file()), None)
    if run is None:
        return FoundModel(folder, card)
    result = read_result(run)
    return FoundModel(folder, card, result, _trial_of(folder, result))


def _trial_of(folder: Path, result: SearchResult) -> TrialRecord | None:
    """Return the trial whose model lies in a folder of its run."""
    parts = folder.relative_to(result.out_folder.absolute()).parts
    best = next((one for one in result.trials if one.number == result.best), None)
    if parts == (BEST_MODEL_FOLDER,):
        return best
    if parts == (ALTERNATIVE_FOLDER,):
        return choose_alternative(result.trials, best)
    match = next((m for part in parts if (m := ATTEMPT_NAME.fullmatch(part))), None)
    number = None if match is None else int(match[1])
    return next((one for one in result.trials if one.number == number), None)
