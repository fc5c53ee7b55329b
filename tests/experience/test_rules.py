"""What names may be; above all, what must survive."""

from __future__ import annotations

import pytest

from tests.experience.samples import complete_sample
from xautolm_core.experience.credentials import Surroundings
from xautolm_core.experience.rules import REMOVED
from xautolm_core.experience.rules import Rules
from xautolm_core.experience.scrub import scrub_experience

RULES = Rules(Surroundings(("node-17", "bert"), ("a-secret-value",)))


@pytest.mark.parametrize(
    "model",
    [
        "google-bert/bert-base-uncased",
        "sentence-transformers/all-MiniLM-L6-v2",
        "all-MiniLM-L6-v2-first-3-blocks",
        "gpt2",
        "bert",
        "01-ai/Yi-1.5-6B",
        "meta-llama/Llama-3.2-1B-Instruct",
        "Qwen/Qwen2.5-0.5B",
        "untrained/tiny-bert",
        "local:0123456789abcdef",
    ],
)
def test_ids_of_models_survive(model: str) -> None:
    assert RULES.model(model) == model


@pytest.mark.parametrize(
    "path",
    [
        "/models/bert",
        "./bert",
        "../bert",
        "~/bert",
        "C:\\models\\bert",
        "file:///models/bert",
        "data/models/bert",
        "models/../bert",
        "registry.example.com/bert",
        "10.0.0.7/bert",
        "a-secret-value",
        "",
        "two words",
    ],
)
def test_a_models_folder_becomes_a_digest(path: str) -> None:
    kept = RULES.model(path)
    assert kept == "<secret>" if path == "a-secret-value" else kept.startswith(("local:", "name:"))
    assert RULES.model(path) == kept
    assert RULES.model(kept) == kept
    assert RULES.model(path + "x") != kept or kept == "<secret>"


def test_the_digest_of_a_folder_is_the_same_everywhere() -> None:
    assert RULES.model("/models/bert") == "local:eaeae4545327520d"


@pytest.mark.parametrize(
    "version",
    ["2.13.0+cu130", "3.11.9", "0.18.1.post1", "0.1.0.dev3+g1234567.d20261124", "2.0.0rc1", "1"],
)
def test_versions_survive(version: str) -> None:
    assert RULES.version(version) == version
    assert RULES.version("10.20.30.41") == REMOVED


@pytest.mark.parametrize(
    "name",
    [
        "20260301T120000Z-1a2b3c4d",
        "3f2c9b1e-1234-4abc-9def-001122334455",
        "published-liar@team",
        "liar_warmstart (5 5 cos k=0.5)[F1+Time][weighted_sum] (seed_42)",
        "Customer reviews 2024",
        "stanfordnlp/imdb",
        "Bewertungen_für_Züge",
    ],
)
def test_names_of_tasks_and_searches_survive(name: str) -> None:
    assert RULES.name(name) == name


@pytest.mark.parametrize("value", ["cosine_with_restarts", "q_proj, v_proj", "5e-05", "all-linear"])
def test_values_of_parameters_survive(value: str) -> None:
    assert RULES.parameter(value) == value


@pytest.mark.parametrize(
    "name",
    [
        "Intel(R) Xeon(R) CPU E5-2680 v4 @ 2.40GHz",
        "AMD EPYC 7763 64-Core Processor",
        "11th Gen Intel(R) Core(TM) i7-1165G7 @ 2.80GHz",
        "NVIDIA A100 80GB PCIe MIG 1g.10gb",
        "NVIDIA H200",
        "Tesla T4",
        "L40S",
    ],
)
def test_names_of_devices_survive_where_devices_are_told(name: str) -> None:
    assert RULES.fact("gpu_name", name) == name
    assert RULES.fact("landmark", name + " and others") == REMOVED


def test_distinct_names_stay_distinct() -> None:
    odd = ["/a", "/b", "one two three four five six seven", "one two three four five six eight"]
    assert len({RULES.name(name) for name in odd}) == len(odd)


def test_values_that_are_not_finite_are_left_out() -> None:
    experience = complete_sample()
    configuration = experience.configuration.model_copy(
        update={"parameters": {"lr": float("nan"), "r": 8, "init": None}}
    )
    clean = scrub_experience(experience.model_copy(update={"configuration": configuration}))
    assert clean.configuration.parameters == {"r": 8, "init": None}


def test_a_descriptor_keeps_the_model_whose_first_blocks_it_is_of() -> None:
    for base, kept in (
        ("org/tiny", "org/tiny"),
        ("", ""),
        ("/models/bert", "local:eaeae4545327520d"),
    ):
        sample = complete_sample().model_copy(
            update={"model_descriptor": {"layers": 3, "base": base}}
        )
        clean = scrub_experience(sample)
        assert clean.model_descriptor == {"layers": 3, "base": kept}
        assert scrub_experience(clean) == clean
