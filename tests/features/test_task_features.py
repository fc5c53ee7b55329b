from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import StratifiedKFold
from sklearn.model_selection import cross_val_score
from sklearn.tree import DecisionTreeClassifier

from xautolm_core.features import task_features
from xautolm_core.features.task_extractors import extract_task_features
from xautolm_core.features.task_features import PAPER_FEATURES
from xautolm_core.features.task_features import UNITS
from xautolm_core.features.text_shape import describe_texts
from xautolm_core.features.text_shape import near_duplicate_rate
from xautolm_core.tasks.spec import TaskType
from xautolm_core.tasks.task import Split
from xautolm_core.tasks.task import Task

TOPICS = {
    "sport": ["match", "goal", "team", "player", "season", "coach", "league"],
    "money": ["market", "stock", "bank", "profit", "shares", "trade", "price"],
    "space": ["orbit", "rocket", "planet", "moon", "launch", "star", "probe"],
}


def split(texts: list[str], labels, pairs: list[str] | None = None) -> Split:
    def strings(values):
        return pa.chunked_array([pa.array(values, type=pa.large_string())])

    return Split(
        strings(texts), strings(pairs) if pairs else None, np.array(labels, dtype=np.int32)
    )


def make_task(texts, labels, names=("a", "b", "c"), pairs=None) -> Task:
    part = split(texts, labels, pairs)
    return Task(
        name="t",
        type=TaskType.TEXT_CLASSIFICATION,
        fingerprint="0" * 64,
        labels=tuple(names),
        splits={"train": part, "validation": part, "test": part},
    )


@pytest.fixture(scope="module")
def topics():
    generator = np.random.default_rng(0)
    labels = generator.choice(3, 600, p=[0.5, 0.3, 0.2])
    own = list(TOPICS.values())
    every = [word for words in own for word in words] + ["today", "people", "report"]
    texts = [
        " ".join(
            [*generator.choice(own[label], 4), *generator.choice(every, generator.integers(3, 12))]
        )
        for label in labels
    ]
    return texts, labels


def paper_features(texts, labels):
    """The ten of the paper, written down plainly."""
    _, counts = np.unique(labels, return_counts=True)
    p = counts / counts.sum()
    lengths = [len(text) for text in texts]
    x = TfidfVectorizer(max_features=5000, stop_words="english").fit_transform(texts)
    x = TruncatedSVD(min(100, x.shape[1] - 1), random_state=42).fit_transform(x)
    accuracy = cross_val_score(
        DecisionTreeClassifier(max_depth=5, random_state=42),
        x,
        labels,
        cv=StratifiedKFold(5, shuffle=True, random_state=42),
    ).mean()
    mean, std = np.mean(lengths), np.std(lengths)
    entropy = -(p * np.log2(p + 1e-10)).sum()
    return [
        len(texts), len(counts), entropy, p.min(), p.max(), p.min() / p.max(), mean, std,
        std / mean, accuracy,
    ]  # fmt: skip


def test_the_ten_of_the_paper(topics):
    texts, labels = topics
    vector = extract_task_features(make_task(texts, labels))
    assert tuple(vector.values)[:10] == PAPER_FEATURES
    ten = [vector.values[name] for name in PAPER_FEATURES]
    assert ten == pytest.approx(paper_features(texts, labels), rel=1e-6)


def test_every_feature_has_a_unit_and_a_fixed_place(topics):
    texts, labels = topics
    vector = extract_task_features(make_task(texts[:90], labels[:90]))
    assert list(vector.values) == list(UNITS) == list(vector.units)
    assert vector.extractor == "text-classification"


def test_the_same_data_have_the_same_features(topics):
    texts, labels = topics
    one, two = (extract_task_features(make_task(texts, labels)) for _ in range(2))
    assert dict(one.values) == dict(two.values)


def test_landmarks_tell_easy_from_hopeless(topics):
    texts, labels = topics
    easy = extract_task_features(make_task(texts, labels)).values
    shuffled = np.random.default_rng(1).permutation(labels)
    hopeless = extract_task_features(make_task(texts, shuffled)).values
    for name in ("landmark_linear_macro_f1", "landmark_naive_bayes_macro_f1"):
        assert easy[name] > 0.8
        assert hopeless[name] < 0.5


def test_a_sampled_landmark_is_said_to_be_one(topics, monkeypatch):
    texts, labels = topics
    monkeypatch.setattr(task_features, "LANDMARK_ROWS", 300)
    vector = extract_task_features(make_task(texts, labels))
    assert vector.facts["landmark_decision_tree_rows"] == "stratified sample of 300"
    assert vector.values["n_instances"] == 600
    monkeypatch.setattr(task_features, "LANDMARK_ROWS", 600)
    assert (
        "landmark_decision_tree_rows" not in extract_task_features(make_task(texts, labels)).facts
    )


@pytest.mark.parametrize(
    "texts",
    [
        ["the", "and"] * 10,  # nothing but stop words
        ["!!", "??"] * 10,  # no words at all
        ["word"] * 20,  # one word
        ["数据很好", "数据不好"] * 10,  # no spaces
    ],
)
def test_odd_texts_give_features_without_values_at_worst(texts):
    vector = extract_task_features(make_task(texts, [0, 1] * (len(texts) // 2)))
    for name, value in vector.values.items():
        assert value is None or np.isfinite(value), name


def test_tiny_classes_do_not_break_the_landmarks():
    labels = [0] * 20 + [1, 2, 2]
    vector = extract_task_features(make_task([f"text number {i}" for i in range(23)], labels))
    assert 0 <= vector.values["landmark_decision_tree_accuracy"] <= 1
    assert vector.values["min_class_count"] == 1


def test_pairs_are_one_document(topics):
    texts, labels = topics
    pairs = [f"second {i}" for i in range(len(texts))]
    vector = extract_task_features(make_task(texts, labels, pairs=pairs))
    joined = [f"{a} {b}" for a, b in zip(texts, pairs, strict=True)]
    assert vector.values["mean_document_characters"] == np.mean([len(t) for t in joined])
    assert vector.values["has_pairs"] == 1
    assert vector.values["tokens_mean"] == np.mean([len(t.split()) for t in joined])


@pytest.fixture
def word_tokenizer(tmp_path):
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from tokenizers.processors import TemplateProcessing

    vocabulary = {"[CLS]": 0, "[SEP]": 1, "[UNK]": 2, "known": 3}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]",
        special_tokens=[("[CLS]", 0), ("[SEP]", 1)],
    )  # fmt: skip
    # A model's tokenizer file often truncates and pads: lengths must not be those.
    tokenizer.enable_truncation(4)
    tokenizer.enable_padding(length=4)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    return tmp_path / "tokenizer.json"


def test_token_lengths(word_tokenizer):
    texts = ["known " * n for n in range(1, 301)]
    task = make_task(texts, [0, 1] * 150)
    vector = extract_task_features(task, tokenizers={"m": word_tokenizer})
    lengths = np.arange(1, 301) + 2
    assert vector.facts["tokenizer"] == "m"
    assert vector.values["tokens_mean"] == lengths.mean()
    for q in (50, 90, 99):
        assert vector.values[f"tokens_p{q}"] == pytest.approx(np.percentile(lengths, q))
    for n in (128, 256, 512):
        assert vector.values[f"truncation_rate_{n}"] == (lengths > n).mean()
    assert vector.values["tokens_per_word"] == 1
    assert vector.values["unknown_token_rate"] == 0


def test_long_texts_are_extrapolated(word_tokenizer):
    texts = ["known " * 10_000, "rare.words " * 20] * 10
    values = extract_task_features(
        make_task(texts, [0, 1] * 10), tokenizers={"m": word_tokenizer}
    ).values
    assert values["tokens_p99"] == pytest.approx(10_002, rel=0.01)
    assert 0 < values["unknown_token_rate"] < 0.1


def test_broken_tokenizers_are_skipped_and_named(tmp_path, word_tokenizer):
    (tmp_path / "broken.json").write_text("{}")
    task = make_task(["known a", "known b"] * 10, [0, 1] * 10)
    tokenizers = {"x": tmp_path / "broken.json", "y": tmp_path / "none.json", "m": word_tokenizer}
    facts = extract_task_features(task, tokenizers=tokenizers).facts
    assert facts["tokenizer"] == "m"
    assert facts["skipped_tokenizers"] == "x, y"
    del tokenizers["m"]
    assert extract_task_features(task, tokenizers=tokenizers).facts["tokenizer"] == "words"


def test_shape_of_texts():
    shape = describe_texts(["See https://a.example 42 🙂", "See it"])
    assert shape.url_rate == 0.5
    assert shape.emoji_rate == 0.5
    assert shape.digit_rate == pytest.approx(2 / 32)
    assert shape.mean_words == 3.5
    assert shape.type_token_ratio == pytest.approx(6 / 7)


def test_near_duplicates():
    generator = np.random.default_rng(0)
    texts = [[f"w{i}" for i in generator.integers(0, 5000, 40)] for _ in range(300)]
    assert near_duplicate_rate(texts) == 0
    altered = [[*text[:-1], "changed"] for text in texts[:100]]
    assert near_duplicate_rate(texts + altered) == pytest.approx(100 / 400, abs=0.02)
    half = [text[:20] + [f"x{i}" for i in range(20)] for text in texts[:100]]
    assert near_duplicate_rate(texts + half) == 0
    assert near_duplicate_rate([["a"], ["a"], [], []]) == 0.25


@pytest.mark.skipif("XAUTOLM_DATA_DIR" not in os.environ, reason="needs XAUTOLM_DATA_DIR")
def test_liar_is_near_the_published_features():
    """The published vector is of the unsampled, uncleaned training split of 11,524 rows."""
    from xautolm_core.tasks.load import load_task
    from xautolm_core.tasks.source import read_task_spec

    task = load_task(read_task_spec(str(Path(os.environ["XAUTOLM_DATA_DIR"]) / "liar")))
    values = extract_task_features(task).values
    published = [6, 2.5353, 0.0829, 0.2050, 0.4043, 106.90]
    ours = [values[name] for name in PAPER_FEATURES[1:7]]
    assert ours == pytest.approx(published, rel=0.03)
    assert values["landmark_decision_tree_accuracy"] == pytest.approx(0.2245, abs=0.01)
