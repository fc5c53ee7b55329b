"""A search whose trials run elsewhere: a run folder, a prepared task, specs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.trial.tiny import make_task
from tests.trial.tiny import tiny_model
from xautolm_core.records.attempt import TrialResult
from xautolm_core.records.configuration import Configuration
from xautolm_core.records.outcome import Outcome
from xautolm_core.records.scores import Score
from xautolm_core.tasks.prepared import write_prepared
from xautolm_core.trial.contract import TrialSpec
from xautolm_core.trial.contract import attempt_name


class Run:
    """A run folder as a search makes it.

    Args:
        folder: The run folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.task_folder = write_prepared(make_task(), folder / "cache")
        (folder / "state.json").write_text('{"elapsed_seconds": 1.5}')
        (folder / "search.json").write_text('{"search_id": "search"}')

    def spec(self, number: int = 0, attempt: int = 0, **others: Any) -> TrialSpec:
        """Return a spec whose proposal was written."""
        folder = self.folder / "trials" / attempt_name(number, attempt)
        folder.mkdir(parents=True, exist_ok=True)
        values: dict[str, Any] = {
            "search_id": "search",
            "trial_number": number,
            "attempt": attempt,
            "task_folder": self.task_folder,
            "out_folder": folder,
            "cache_folder": self.folder / "cache",
            "model": tiny_model(),
            "seed": 1,
            "device": "cpu",
            **others,
        }
        parameters = {"epochs": 1, "max_length": 32, "learning_rate": 3e-3}
        values.setdefault(
            "configuration",
            Configuration(
                branch="b", model=values["model"].id, method="full", parameters=parameters
            ),
        )
        spec = TrialSpec(**values)
        proposal = {
            "number": number,
            "configuration": spec.configuration.model_dump(mode="json"),
            "why": "drawn at random",
        }
        (folder / "proposal.json").write_text(json.dumps(proposal))
        return spec


def result_of(spec: TrialSpec, outcome: Outcome = Outcome.OK, **others: Any) -> TrialResult:
    """Return a result of an attempt."""
    return TrialResult(
        search_id=spec.search_id,
        trial_number=spec.trial_number,
        attempt=spec.attempt,
        outcome=outcome,
        scores={"macro_f1": Score(value=0.5)} if outcome is Outcome.OK else {},
        seconds={"train": 1.0},
        **others,
    )


def write_model(out_folder: Path) -> Path:
    """Write what stands for a trained model; return its folder."""
    folder = out_folder / "model"
    (folder / "below").mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "below" / "model.safetensors").write_bytes(bytes(range(256)))
    return folder
