"""What goes to MLflow holds no text of the task, and no place of the machine."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from pathlib import Path
from typing import cast

import pyarrow as pa
import pyarrow.parquet as pq

from tests.report.samples import search_result
from tests.report.test_task_parts import result as questions  # noqa: F401 - a fixture
from xautolm_core.report.folder import write_result_folder
from xautolm_core.search.contract import SearchResult
from xautolm_core.tracking.documents import RunDocument
from xautolm_core.tracking.seen_search import SeenSearch
from xautolm_core.tracking.server import KnownRun
from xautolm_core.tracking.server import MlflowServer
from xautolm_core.tracking.sync import synchronise

TEXTS = ("built", "Nobody says", "Tom<")


@dataclass
class Keeping:
    """Keeps what a server would be sent."""

    documents: list[RunDocument] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    def experiment_of(self, name: str) -> str:
        return name

    def runs_of(self, experiment_id: str, search_id: str) -> list[KnownRun]:
        return []

    def create(self, experiment_id: str, document: RunDocument, *, parent: str | None) -> KnownRun:
        self.documents.append(document)
        return KnownRun("r", experiment_id, "RUNNING", dict(self.tags), {}, "mlflow-artifacts:/r")

    def complete(self, run: KnownRun, document: RunDocument) -> bool:
        self.documents.append(document)
        return True

    def tag(self, run: KnownRun, name: str, value: str) -> None:
        self.tags[name] = value

    def send_files(self, run: KnownRun, files: Sequence[Path]) -> None:
        self.files |= {one.name: one.read_bytes() for one in files}

    @property
    def everything(self) -> str:
        table = pq.read_table(pa.BufferReader(self.files["trials.parquet"])).to_pylist()
        others = {n: b.decode() for n, b in self.files.items() if n != "trials.parquet"}
        return f"{self.documents} {table} {others} {self.tags}"


def _sent(result: SearchResult) -> tuple[Keeping, str]:
    write_result_folder(result)
    kept = Keeping()
    seen = SeenSearch(result.out_folder, result.spec, "f", tuple(result.trials), result)
    note = synchronise(cast("MlflowServer", kept), seen).note
    assert set(kept.files) == {"report.html", "pareto.json", "trials.parquet"}
    return kept, note


def _with_places(result: SearchResult) -> SearchResult:
    task: Mapping[str, object] = {
        **result.task,
        "warnings": [f"{result.out_folder.parent}/data/facts.json: 3 rows are empty"],
    }
    notes = [f"The folder {result.out_folder} is full", "s3://bucket/store does not answer"]
    return replace(result, task=task, notes=notes)


def test_no_text_of_questions_is_sent(questions: SearchResult) -> None:  # noqa: F811
    kept, _ = _sent(_with_places(questions))
    here = (questions.out_folder / "report.html").read_text()
    for text in TEXTS:
        assert text in here, text
        assert text not in kept.everything, text
    assert "Exact match" in kept.files["report.html"].decode()
    assert str(questions.out_folder.parent) not in kept.everything


def test_no_place_of_a_classification_search_is_sent(tmp_path: Path) -> None:
    result = _with_places(search_result(tmp_path / "place" / "run"))
    kept, _ = _sent(result)
    assert str(tmp_path) not in kept.everything
    page = kept.files["report.html"].decode()
    for words in ("xautolm predict RUN", "facts.json: 3 rows", "s3://bucket/store does not"):
        assert words in page, words


def test_an_equal_report_is_sent_once(questions: SearchResult) -> None:  # noqa: F811
    first, _ = _sent(questions)
    second, _ = _sent(questions)
    assert first.tags == second.tags
    assert first.files["report.html"] == second.files["report.html"]


def test_a_model_for_questions_stays_with_one_plain_note(
    questions: SearchResult,  # noqa: F811
) -> None:
    (questions.out_folder / "model").mkdir(parents=True)
    _, note = _sent(questions)
    assert note == "Models for question-answering are not registered in MLflow yet"
