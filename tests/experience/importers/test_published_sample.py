"""The published sample of 147 records, where it is at hand."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from xautolm_core.experience.codec import decode
from xautolm_core.experience.codec import encode
from xautolm_core.experience.codec import experience_of
from xautolm_core.experience.importers.imported import Imported
from xautolm_core.experience.importers.published import import_published
from xautolm_core.experience.scrub import scrub_experience
from xautolm_core.features import system_features
from xautolm_core.features import task_features
from xautolm_core.search.history import History
from xautolm_core.search.history.relevance import DropReason
from xautolm_core.search.history.relevance import Relevance
from xautolm_core.space.definition import read_definition
from xautolm_core.space.space import admits

GOLDEN = Path(__file__).parent / "golden"

pytestmark = pytest.mark.skipif(
    "XAUTOLM_DATA_DIR" not in os.environ, reason="needs XAUTOLM_DATA_DIR"
)


def _folder() -> Path:
    return Path(os.environ["XAUTOLM_DATA_DIR"]) / "published_experiences"


@pytest.fixture(scope="module")
def sample() -> Imported:
    return import_published(_folder() / "experiences.jsonl")


@pytest.mark.parametrize(
    ("source", "golden"), [("experiences.jsonl", "sample.json"), ("", "folder.json")]
)
def test_the_account_is_the_golden_one(source: str, golden: str) -> None:
    account = import_published(_folder() / source).account
    assert account.is_balanced
    document = account.document() | {"source": ""}
    assert document == json.loads((GOLDEN / golden).read_text(encoding="utf-8"))


def test_all_but_one_of_147_come_in(sample: Imported) -> None:
    assert sample.account.read == 147
    assert len(sample.experiences) == len({e.id for e in sample.experiences}) == 146
    assert sample.account.duplicates == {("ag_news", "second record of the same failure"): 1}
    assert not sample.account.records


def test_successes_are_as_many_as_were_published(sample: Imported) -> None:
    published = {"liar": 24, "sst2": 19, "meld": 16, "ag_news": 12, "squad": 3, "drop": 5}
    found = {t: n for (t, outcome), n in sample.account.imported.items() if outcome == "ok"}
    assert found == published


def test_every_one_is_written_and_read_as_it_is(sample: Imported) -> None:
    for experience in sample.experiences:
        assert scrub_experience(experience) == experience
        assert experience_of(decode(encode(experience))) == experience


def test_classification_maps_onto_the_preset(sample: Imported) -> None:
    """Only what the later version of the published space no longer has does not map."""
    branches = {b.name: b for b in read_definition("paper-classification").branches}
    outside: dict[str, set[object]] = {}
    for experience in sample.experiences:
        if experience.task_type != "text-classification":
            continue
        branch = branches[experience.configuration.branch]
        assert experience.configuration.model in branch.model.choices
        assert set(experience.configuration.parameters) == {p.name for p in branch.parameters}
        for name, value in experience.configuration.parameters.items():
            parameter = branch.parameter(name)
            assert parameter is not None
            if not admits(parameter, value):
                outside.setdefault(name, set()).add(value)
    assert set(outside) == {
        "use_early_stopping",
        "early_stopping_patience",
        "early_stopping_delta",
        "num_workers",
    }
    assert outside["early_stopping_delta"] == {0.0}
    assert outside["num_workers"] == {"all"}


def test_no_text_of_a_machine_is_left(sample: Imported) -> None:
    for experience in sample.experiences:
        text = experience.model_dump_json()
        assert "/home/" not in text
        assert "://" not in text


def test_a_search_of_a_classification_task_can_use_them(sample: Imported) -> None:
    """All but the 20 of generative tasks and the 6 that tell nothing of the configuration."""
    history = History.of(sample.experiences).relevant(
        Relevance(
            task_type="text-classification",
            task_extractor=(task_features.EXTRACTOR, task_features.VERSION),
            system_extractor=(system_features.EXTRACTOR, system_features.VERSION),
        )
    )
    assert len(history) == 120
    assert dict(history.left_out) == {DropReason.TASK_TYPE: 20, DropReason.OUTCOME: 6}
    known = history.task_features.columns(task_features.PAPER_FEATURES)
    assert np.isfinite(known[history.task_features.codes]).all()
