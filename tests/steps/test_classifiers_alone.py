"""The registry takes classifiers alone: other kinds of tasks are refused at the first step."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from xautolm_core.errors import ConfigError
from xautolm_core.errors import DataError
from xautolm_core.registry.registry import ModelRegistry
from xautolm_core.steps.fingerprint import fingerprint_task
from xautolm_core.steps.register import register_model
from xautolm_core.steps.retrain import check_incumbent

_GENERATION = [{"prompt": f"Write word{n}.", "completion": f"word{n}"} for n in range(40)]
_QUESTIONS = [
    {"question": f"Who built {n}?", "context": f"Ada{n} built mill {n}.", "answer": f"Ada{n}"}
    for n in range(40)
]


@pytest.mark.parametrize(
    ("rows", "title"), [(_GENERATION, "text generation"), (_QUESTIONS, "question answering")]
)
def test_a_pipeline_with_a_registry_ends_at_its_first_step(
    tmp_path: Path,
    rows: list[dict[str, str]],
    title: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(SystemExit):
        fingerprint_task(
            {
                "run_id": "run-1",
                "task": str(data),
                "space": "starter",
                "store": (tmp_path / "store").as_uri(),
                "workspace": (tmp_path / "work").as_uri(),
                "launcher": "local",
                "registry": (tmp_path / "registry").as_uri(),
            }
        )
    said = "".join(capsys.readouterr())
    assert f"one of {title}, and the registry takes classifiers alone" in said


def test_no_champion_is_judged_by_rows_of_another_kind(tmp_path: Path) -> None:
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in _GENERATION))
    with pytest.raises(DataError, match="one of text-generation, and this is for text-class"):
        check_incumbent(data=str(data), registry=str(tmp_path / "registry"))


@pytest.mark.parametrize("kind", ["text-generation", "question-answering"])
def test_a_model_of_another_kind_is_not_registered(
    moods_run: Path, tmp_path: Path, kind: str
) -> None:
    run = Path(shutil.copytree(moods_run, tmp_path / "run"))
    summary = json.loads((run / "summary.json").read_bytes())
    summary["data"]["type"] = kind
    (run / "summary.json").write_text(json.dumps(summary))
    address = str(tmp_path / "registry")
    with pytest.raises(ConfigError, match=f"one of {kind}, and the registry takes classifiers"):
        register_model(run_folder=str(run), registry=address, promote=True)
    assert ModelRegistry.open(address).champion("moods") is None
