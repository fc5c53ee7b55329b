"""Names, features and failure texts of the published format."""

from __future__ import annotations

import pytest

from xautolm_core.experience.importers import published_features
from xautolm_core.experience.importers.failure_texts import classify_failure
from xautolm_core.experience.importers.published_names import FINE_TUNERS
from xautolm_core.experience.importers.published_names import _models
from xautolm_core.experience.importers.published_names import model_of_class
from xautolm_core.experience.importers.published_names import task_of_alias
from xautolm_core.features import generation_features
from xautolm_core.features import system_features
from xautolm_core.features import task_features
from xautolm_core.records.outcome import Outcome
from xautolm_core.search.history.relevance import same_extractor
from xautolm_core.space.definition import read_definition


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("WORD_EMB_Plantl_Gob_Es_Roberta_Base_Bne", "PlanTL-GOB-ES/roberta-base-bne"),
        ("WORD_EMB_Google_Electra_Small_Discriminator", "google/electra-small-discriminator"),
        ("WORD_EMB_Xlm_Roberta_Base", "xlm-roberta-base"),
        ("TEXT_GEN_Google_T5_T5_3B", "google-t5/t5-3b"),
        ("TEXT_GEN_Mistralai_Mixtral_8X7B_Instruct_V01", "mistralai/Mixtral-8x7B-Instruct-v0.1"),
        ("TEXT_GEN_Microsoft_Phi_1_5", "microsoft/phi-1_5"),
        ("TEXT_GEN_Microsoft_Phi_4_Mini_Instruct", "microsoft/Phi-4-mini-instruct"),
        ("TEXT_GEN_Meta_Llama_Llama_32_3B_Instruct", "meta-llama/Llama-3.2-3B-Instruct"),
        ("TEXT_GEN_Gpt2_Xl", "gpt2-xl"),
        ("TEXT_GEN_Roberta_Base", None),
    ],
)
def test_model_classes(name: str, model: str | None) -> None:
    assert model_of_class(name, name[:9]) == model


def test_every_model_of_the_preset_has_a_class_of_its_own() -> None:
    models = [m for prefix in ("WORD_EMB_", "TEXT_GEN_") for m in _models(prefix).values()]
    assert len(models) == len(set(models))
    for preset in ("paper-classification", "paper-qa"):
        assert set(read_definition(preset).models) <= set(models)


def test_fine_tuners_are_branches_of_the_preset() -> None:
    branches = {b.name: b.method for b in read_definition("paper-classification").branches}
    assert {f.branch: f.method for f in FINE_TUNERS.values()} == branches


@pytest.mark.parametrize(
    ("alias", "task"),
    [
        ("ag_news", "ag_news"),
        ("sst2-knn-k50", "sst2"),
        ("drop_warmstart (f-pos f-neg)[logarithmic_front]", "drop"),
        ("liar_warmstart_id_3", "liar"),
        ("warmstart", "warmstart"),
    ],
)
def test_the_task_of_a_run(alias: str, task: str) -> None:
    assert task_of_alias(alias) == task


def test_the_paper_features_are_those_of_our_extractors() -> None:
    """If an extractor changes, what is imported is no longer comparable to it."""
    ours = {name: task_features.UNITS[name] for name in task_features.PAPER_FEATURES}
    assert ours == published_features.CLASSIFICATION_FEATURES
    assert list(ours) == list(published_features.CLASSIFICATION_FEATURES)
    system = {name: system_features.UNITS[name] for name in system_features.PAPER_FEATURES}
    assert system == published_features.SYSTEM_FEATURES
    assert list(system) == list(published_features.SYSTEM_FEATURES)
    for extractor, ours_name, ours_version in (
        (published_features.TASK_EXTRACTOR, task_features.EXTRACTOR, task_features.VERSION),
        (
            published_features.GENERATION_EXTRACTOR,
            generation_features.EXTRACTOR,
            generation_features.VERSION,
        ),
        (published_features.SYSTEM_EXTRACTOR, system_features.EXTRACTOR, system_features.VERSION),
    ):
        version = published_features.VERSION
        assert same_extractor(extractor, version, ours_name, ours_version)


@pytest.mark.parametrize(
    ("text", "outcome", "kind"),
    [
        ("CUDA out of memory. Tried to allocate", Outcome.OOM_GPU, "OutOfMemoryError"),
        ("Exceeded allowed time for execution. The process", Outcome.TIMEOUT, "TimeoutError"),
        ("[enforce fail] DefaultCPUAllocator: can't", Outcome.OOM_HOST, "MemoryError"),
        ("DataLoader worker (pid 1) is killed by signal: Bus error.", Outcome.INFRA, "BusError"),
        ("Can't load tokenizer for 'mistralai/x'.", Outcome.INFRA, "OSError"),
        ("Unable to load weights from pytorch checkpoint", Outcome.INFRA, "OSError"),
        ("loss is nan", Outcome.DIVERGED, "FloatingPointError"),
        ("'int' object has no attribute 'type'", Outcome.INVALID, "Unclassified"),
        ("unscale_() has already been called on this", Outcome.INVALID, "Unclassified"),
        ("  ", Outcome.INVALID, "NotRecorded"),
        (None, Outcome.INVALID, "NotRecorded"),
    ],
)
def test_failure_texts(text: str | None, outcome: Outcome, kind: str) -> None:
    found, failure = classify_failure(text)
    assert (found, failure.kind) == (outcome, kind)


def test_a_failure_text_is_scrubbed_and_bounded() -> None:
    path = "/home/jane/models/x.bin"
    message = classify_failure(f"Unable to load weights from '{path}' " + "x" * 10**6)[1].message
    assert "jane" not in message
    assert len(message) <= 300
