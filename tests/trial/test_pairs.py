"""Ten families, each with one method; ``benchmarks/architectures.py`` tries all pairs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.trial.pairs import METHODS
from tests.trial.pairs import try_pair
from tests.trial.tiny import FAMILIES
from xautolm_core.records.outcome import Outcome

PAIRS = [
    ("modernbert", "full"),
    ("eurobert", "head"),
    ("deberta-v3", "lora"),
    ("xlm-roberta", "partial"),
    ("electra", "linear_probe"),
    ("t5", "lora"),
    ("bart", "partial"),
    ("llama", "full"),
    ("qwen3", "linear_probe"),
    ("gemma3", "head"),
]


@pytest.mark.parametrize(("family", "method"), PAIRS)
def test_saved_models_answer_alike_in_plain_transformers(
    family: str, method: str, task_folder: Path, cache: Path, tmp_path: Path
) -> None:
    outcome = try_pair(
        family, method, task_folder=task_folder, cache_folder=cache, out_folder=tmp_path / "trial"
    )
    assert outcome.result.outcome is Outcome.OK
    assert outcome.counted_parameters == outcome.saved_parameters
    assert outcome.largest_difference <= outcome.tolerated_difference
    if method == "full":
        assert outcome.result.scores["macro_f1"].value > 0.6


def test_the_pairs_are_of_all_families_and_methods() -> None:
    assert {family for family, _ in PAIRS} == set(FAMILIES)
    assert {method for _, method in PAIRS} == set(METHODS)
