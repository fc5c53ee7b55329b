"""The published format with each of its traps, in records made by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.experience.importers.records import OUT_OF_MEMORY
from tests.experience.importers.records import classification
from tests.experience.importers.records import failure_with_text
from tests.experience.importers.records import failure_without_text
from tests.experience.importers.records import flat
from tests.experience.importers.records import generation
from tests.experience.importers.records import metrics
from tests.experience.importers.records import pipeline
from tests.experience.importers.records import write_lines
from tests.experience.importers.records import write_store
from xautolm_core.errors import ConfigError
from xautolm_core.experience.importers.imported import Imported
from xautolm_core.experience.importers.published import import_published
from xautolm_core.experience.scrub import scrub_experience
from xautolm_core.records.experience import Experience
from xautolm_core.records.outcome import Outcome
from xautolm_core.space.definition import read_definition
from xautolm_core.space.space import admits


def _imported(tmp_path: Path, *records: dict[str, Any], **options: Any) -> Imported:
    imported = import_published(write_store(tmp_path / "store", *records), **options)
    assert imported.account.is_balanced
    return imported


def _only(tmp_path: Path, record: dict[str, Any]) -> Experience:
    (experience,) = _imported(tmp_path, record).experiences
    return experience


def test_a_success(tmp_path: Path) -> None:
    found = _only(tmp_path, classification())
    assert (found.task_name, found.task_type) == ("liar", "text-classification")
    assert (found.outcome, found.failure) == (Outcome.OK, None)
    assert {name: score.value for name, score in found.scores.items()} == {
        "accuracy": 0.24,
        "macro_f1": 0.14,
    }
    assert found.time_seconds == 736.5
    assert found.ended_at.isoformat() == "2024-11-04T08:27:37+00:00"
    assert found.configuration.branch == "encoder-lora"
    assert found.configuration.method == "lora"
    assert found.configuration.model == "roberta-base"
    assert found.origin == "import:published"
    assert found.provenance["source_path"].startswith("liar/2024-11-04/08_27_37-")
    assert len(found.provenance["record_sha256"]) == 64


def test_both_layouts_say_the_same(tmp_path: Path) -> None:
    new, old = classification(), flat(classification())
    first = _only(tmp_path / "new", new)
    second = _only(tmp_path / "old", old)
    assert first.model_copy(update={"provenance": {}}) == second.model_copy(
        update={"provenance": {}}
    )
    both = _imported(tmp_path, new, old)
    assert both.account.duplicates == {("liar", "copy of the same record"): 1}


def test_none_that_was_left_out_is_put_back_for_lora_alone(tmp_path: Path) -> None:
    lora = _only(tmp_path / "lora", classification())
    assert lora.configuration.parameters["init_lora_weights"] is None
    algorithm = pipeline("FineTuneLLMEmbeddingClassifier", "WORD_EMB_Roberta_Base", {"epochs": 1})
    full = _only(tmp_path / "full", classification(algorithms=[algorithm]))
    assert full.configuration.parameters == {"epochs": 1}


def test_a_failure_that_was_written_twice_counts_once(tmp_path: Path) -> None:
    imported = _imported(
        tmp_path,
        failure_without_text(timestamp="2024-11-04 08:27:38"),
        failure_with_text(),
    )
    (found,) = imported.experiences
    assert found.outcome is Outcome.OOM_GPU
    assert found.failure is not None
    assert found.failure.message == OUT_OF_MEMORY
    assert imported.account.duplicates == {("liar", "second record of the same failure"): 1}
    assert (found.scores, found.seconds) == ({}, {})


def test_failures_far_apart_or_of_other_runs_are_two(tmp_path: Path) -> None:
    imported = _imported(
        tmp_path,
        failure_with_text(),
        failure_without_text(timestamp="2024-11-04 08:27:40"),
        failure_without_text(alias="meld"),
    )
    assert len(imported.experiences) == 3
    assert not imported.account.duplicates


def test_squad_is_brought_to_the_scale_of_all_others(tmp_path: Path) -> None:
    squad = _only(tmp_path / "squad", generation())
    assert squad.scores["f1"].value == pytest.approx(0.3428)
    assert squad.scores["exact_match"].value == pytest.approx(0.205)
    values = metrics(f1=0.398, evaluation_time=10.0, exact_match=0.3)
    drop = _only(tmp_path / "drop", generation("drop", metrics=values))
    assert drop.scores["f1"].value == 0.398
    assert drop.seconds == {"train": 10.0}


def test_a_score_out_of_range_is_dropped(tmp_path: Path) -> None:
    imported = _imported(tmp_path, generation("cnn_dailymail"))
    assert imported.account.records == {"f1 is not within 0..1": 1}


def test_a_generative_task(tmp_path: Path) -> None:
    found = _only(tmp_path, generation())
    assert found.task_type == "text-generation"
    assert found.configuration.model == "meta-llama/Llama-3.1-8B-Instruct"
    assert found.configuration.parameters == {"batch_size": 2, "data_fraction": 0.5}
    assert found.data_fraction == 0.5
    assert found.seconds == {"train": 1429.6, "evaluate": 685.0}
    assert len(found.task_features.values) == 11 + 384
    assert found.task_features.extractor == "text-generation"
    assert found.task_features.facts["measured_by"] == "GenerativeTaskFeatureExtractor"


def test_a_failure_without_a_cause_stays_one(tmp_path: Path) -> None:
    found = _only(tmp_path, failure_without_text())
    assert found.outcome is Outcome.INVALID
    assert found.failure is not None
    assert found.failure.kind == "NotRecorded"


def test_an_absent_gpu_reading_is_none_and_not_zero(tmp_path: Path) -> None:
    found = _only(tmp_path, classification())
    assert found.system_features.values["gpu_memory_gb"] is None


def test_warm_started_runs_are_of_the_same_task(tmp_path: Path) -> None:
    alias = "liar_warmstart (a-pos no-neg cos k=0.5)[F1+Time][linear_front] (seed_42)"
    found = _only(tmp_path, classification(alias=alias))
    assert (found.task_name, found.warm_started, found.seed) == ("liar", True, 42)
    assert found.search_id.startswith("published-liar_warmstart_a-pos")
    assert " " not in found.search_id
    knn = _only(tmp_path / "knn", classification(alias="sst2-knn-k25"))
    assert (knn.task_name, knn.warm_started) == ("sst2", True)


def test_ids_do_not_depend_on_what_else_is_imported_nor_from_where(tmp_path: Path) -> None:
    early, late = classification(timestamp="2024-11-04 07:00:00"), classification()
    alone = _only(tmp_path / "alone", late)
    both = _imported(tmp_path / "both", early, late)
    assert alone.id == both.experiences[1].id
    assert [e.trial_number for e in both.experiences] == sorted(
        e.trial_number for e in both.experiences
    )
    lines = import_published(write_lines(tmp_path / "sample.jsonl", late, early))
    assert [e.id for e in lines.experiences] == [e.id for e in both.experiences]
    assert lines.experiences[0].provenance["commit"] == "38d237e6"


def test_two_trials_of_one_second_are_told_apart(tmp_path: Path) -> None:
    other = pipeline("FineTuneLLMEmbeddingClassifier", "WORD_EMB_Roberta_Base", {"epochs": 1})
    imported = _imported(tmp_path, classification(), classification(algorithms=[other]))
    assert len({e.id for e in imported.experiences}) == 2


def test_tenants_have_ids_of_their_own(tmp_path: Path) -> None:
    store = write_store(tmp_path, classification())
    ids = {import_published(store, tenant=t).experiences[0].id for t in ("default", "a", "b")}
    assert len(ids) == 3


def test_only_the_tasks_that_are_asked_for(tmp_path: Path) -> None:
    imported = _imported(tmp_path, classification(), classification(alias="meld"), tasks=["meld"])
    assert [e.task_name for e in imported.experiences] == ["meld"]
    assert imported.account.records == {"of a task that was not asked for": 1}


def test_what_comes_in_is_what_the_store_would_write(tmp_path: Path) -> None:
    imported = _imported(tmp_path, classification(), failure_with_text(alias="x"), generation())
    assert [scrub_experience(e) for e in imported.experiences] == list(imported.experiences)


def test_parameters_are_those_of_the_preset(tmp_path: Path) -> None:
    found = _only(tmp_path, classification()).configuration
    definition = read_definition("paper-classification")
    branch = next(b for b in definition.branches if b.name == found.branch)
    assert found.model in branch.model.choices
    for name, value in found.parameters.items():
        parameter = branch.parameter(name)
        assert parameter is not None
        assert admits(parameter, value), name


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"algorithms": []}, "algorithms: "),
        ({"algorithms": [{"A": {}, "B": {}}]}, "algorithms: 2 fine-tuners instead of one"),
        ({"algorithms": [{"A": {"x": {"value": 1}}}]}, "algorithms: no inner_model"),
        ({"algorithms": [{"A": {"x": {"value": {"B": {}}}}}]}, "algorithms: a nested algorithm"),
        ({"algorithms": [pipeline("New", "WORD_EMB_X", {})]}, "fine-tuner 'New' is not known"),
        (
            {"algorithms": [pipeline("LoraLLMEmbeddingClassifier", "TEXT_GEN_Gpt2", {})]},
            "model class 'TEXT_GEN_Gpt2' is not known",
        ),
        ({"timestamp": "yesterday"}, "timestamp: no date and time"),
        ({"timestamp": "1066-10-14 09:00:00"}, "timestamp: before 1970"),
        ({"timestamp": 5}, "timestamp: "),
        ({"alias": ""}, "alias: "),
        ({"alias": "\ud800"}, "alias: input should be a valid string"),
        ({"alias": " \x07"}, "alias: no name of a task"),
        ({"error": ["x"]}, "error: "),
        ({"metrics": [{"name": "f1", "value": "0.5"}]}, "metrics: "),
        ({"metrics": None}, "no metrics, in neither layout"),
        ({"dataset_features": ["1"]}, "dataset_features: "),
        ({"metrics": metrics(f1=1.5, evaluation_time=1.0)}, "f1 is not within 0..1"),
        ({"metrics": metrics(f1=0.5, evaluation_time=-1.0)}, "a time is negative"),
    ],
)
def test_wrong_records_are_named_and_the_others_are_taken(
    tmp_path: Path, change: dict[str, Any], reason: str
) -> None:
    source = write_lines(tmp_path / "s.jsonl", classification() | change, classification())
    imported = import_published(source)
    assert len(imported.experiences) == 1
    assert imported.account.is_balanced
    (found,) = imported.account.records
    assert found.startswith(reason)
    assert imported.account.places[found] == ["s.jsonl:1"]


def test_fields_that_are_left_out_are_told(tmp_path: Path) -> None:
    record = classification(surprise=1, dataset_features=TOO_SHORT)
    record["metrics"] += metrics(perplexity=3.0)
    imported = _imported(tmp_path, record)
    told = set(imported.account.fields)
    assert ("surprise", "not known") in told
    assert ("task features", "not those of a known extractor") in told
    assert ("metric perplexity", "not known") in told
    assert imported.experiences[0].task_features.values == {}
    assert imported.experiences[0].task_features.extractor != "text-classification"


TOO_SHORT = [1.0, 2.0]


def test_a_path_of_a_machine_is_not_kept(tmp_path: Path) -> None:
    source = write_lines(tmp_path / "s.jsonl", classification())
    for path in ("/home/jane/x.json", "../x.json", "~/x.json", "C:/x.json", "a\\b.json", "a\u0007"):
        text = source.read_text(encoding="utf-8")
        changed = tmp_path / "changed.jsonl"
        line = text.replace('"experiments/store/liar/0.json"', _json(path))
        changed.write_text(line, encoding="utf-8")
        imported = import_published(changed)
        assert "source_path" not in imported.experiences[0].provenance
        assert imported.account.fields["source_path", "no plain relative path"] == 1


def _json(text: str) -> str:
    import json

    return json.dumps(text)


def test_a_source_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="There is no"):
        import_published(tmp_path / "absent")
    file = tmp_path / "notes.txt"
    file.write_text("x", encoding="utf-8")
    with pytest.raises(ConfigError, match="not a file of records"):
        import_published(file)


def test_what_is_nested_or_overridden_is_accounted_for(tmp_path: Path) -> None:
    record = classification()
    ((fine_tuner, nodes),) = record["algorithms"][0].items()
    nodes = {**nodes, "lora_r": {"value": 8, "origin": "drawn"}}
    again = {"name": "f1", "maximize": True, "value": 0.15, "unit": "1"}
    record |= {
        "algorithms": [{fine_tuner: nodes}],
        "metrics": [*record["metrics"], again],
        "accuracy": 0.3,
    }
    imported = import_published(write_lines(tmp_path / "a.jsonl", record))
    left_out = dict(imported.account.fields)
    assert left_out["lora_r.origin", "not known"] == 1
    assert left_out["metrics.unit", "not known"] == 1
    assert left_out["metrics.maximize", "derived from the metric's name"] == 1
    assert left_out["metric f1", "given more than once, the last one counts"] == 1
    assert left_out["accuracy", "stands beside metrics, which count"] == 1
    assert imported.experiences[0].scores["macro_f1"].value == 0.15
