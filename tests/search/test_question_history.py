"""Which experiences a search for answers or texts learns from, and by which score."""

from __future__ import annotations

import numpy as np
import pytest

from tests.experience.importers.records import classification
from tests.experience.importers.records import generation
from tests.experience.importers.records import metrics
from tests.experience.importers.records import write_store
from tests.experience.samples import sample
from tests.space.test_draw import SPACES
from tests.tasks.question_rows import write_squad
from xautolm_core.experience.importers.published import import_published
from xautolm_core.features.system_features import EXTRACTOR as SYSTEM
from xautolm_core.features.system_features import VERSION as SYSTEM_VERSION
from xautolm_core.features.task_extractors import extract_task_features
from xautolm_core.records.scores import Score
from xautolm_core.search.contract import Objective
from xautolm_core.search.history import History
from xautolm_core.search.history.relevance import DropReason
from xautolm_core.search.history.relevance import Relevance
from xautolm_core.search.samplers.distance import feature_space
from xautolm_core.search.samplers.guarded.design import DesignSpace
from xautolm_core.search.samplers.selection import SearchContext
from xautolm_core.search.samplers.selection import has_score
from xautolm_core.search.samplers.selection import primary_scores
from xautolm_core.search.samplers.selection import select_usable
from xautolm_core.tasks.load import load_task
from xautolm_core.tasks.source import read_task_spec
from xautolm_core.tasks.task_type import primary_score


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    folder = tmp_path_factory.mktemp("published")
    drop = generation("drop", metrics=metrics(f1=0.326, evaluation_time=100.0))
    store = write_store(folder / "store", generation(), drop, classification())
    return list(import_published(store).experiences)


@pytest.fixture(scope="module")
def spec(tmp_path_factory):
    return read_task_spec(str(write_squad(tmp_path_factory.mktemp("qa") / "a.json")))


@pytest.fixture(scope="module")
def features(spec):
    """Meta-features of questions on passages whose answers are written."""
    written = spec.model_copy(update={"type": "text-generation"})
    return extract_task_features(load_task(written))


def _relevance(task_type, features):
    return Relevance(task_type, (features.extractor, features.version), (SYSTEM, SYSTEM_VERSION))


def test_published_questions_are_history_of_text_generation_and_classes_are_not(
    published, features
):
    found = History.of(published).relevant(_relevance("text-generation", features))
    assert len(found) == 2
    assert found.left_out[DropReason.TASK_TYPE] == 1
    # SQuAD's published scores are in percent, DROP's are not.
    assert sorted(primary_scores(found)) == pytest.approx([0.326, 0.3428])
    assert has_score(found).all()


def test_a_search_for_spans_reads_none_of_them(published, spec):
    features = extract_task_features(load_task(spec))
    found = History.of(published).relevant(_relevance("question-answering", features))
    assert len(found) == 0 and found.left_out[DropReason.TASK_TYPE] == 3


@pytest.mark.parametrize("preset", ["starter-generative", "small-generative", "paper-qa"])
def test_they_guide_the_search_in_each_space_of_text_generation(published, features, preset):
    space = SPACES[preset]
    context = SearchContext(
        space, (Objective.F1,), "text-generation", features, published[0].system_features
    )
    usable, dropped = select_usable(History.of(published), context)
    assert len(usable) == 2 and usable.succeeded.all()
    assert dropped == {DropReason.TASK_TYPE: 1}
    partial = next(one for one in usable.mapped.branches if len(one.rows))
    assert partial.branch.name == "generative-partial" and len(partial.rows) == 2
    # They were trained on half of the rows.
    assert [partial.values["generative-partial.data_fraction"][n] for n in (0, 1)] == [0.5, 0.5]
    design = DesignSpace(space, usable.history)
    column = design.number_names.index("data_fraction")
    assert design.of_history(usable.history).numbers[:, column] == pytest.approx(0.5 / 0.75)


def test_what_one_side_lacks_brings_tasks_neither_together_nor_apart(published, features):
    history = History.of([one for one in published if one.task_type == "text-generation"])
    space = feature_space(history, features, published[0].system_features)
    known = [name for name, value in features.values.items() if value is not None]
    assert np.isfinite(space.vectors).all() and space.vectors.shape[1] >= len(known)


def test_each_kind_has_its_own_primary_score():
    scores = {"exact_match": Score(value=0.2), "f1": Score(value=0.4)}
    assert primary_score(scores).value == 0.4
    assert primary_score({"accuracy": Score(value=0.1), "macro_f1": Score(value=0.3)}).value == 0.3
    assert primary_score({"accuracy": Score(value=0.1)}) is None
    history = History.of(
        [
            sample(scores=scores),
            sample(trial=1, scores={"macro_f1": Score(value=0.7)}),
        ]
    )
    assert primary_scores(history).tolist() == [0.4, 0.7]
