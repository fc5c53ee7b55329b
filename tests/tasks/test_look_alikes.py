from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xautolm_core.tasks.look_alikes import difference
from xautolm_core.tasks.look_alikes import look_alike_hint
from xautolm_core.tasks.look_alikes import look_alikes
from xautolm_core.tasks.look_alikes import told_apart

_INVISIBLE = ["\u200b", "\u200d", "\ufeff", "\u00ad", "\u2060", "\u202e", "\ufe0f", "\u3164"]


@given(
    st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=12),
    st.sampled_from(["NFC", "NFD", "NFKC", "NFKD"]),
    st.sampled_from(_INVISIBLE),
    st.integers(0, 12),
)
def test_forms_and_invisible_characters_make_no_other_name(name, form, invisible, place):
    other = unicodedata.normalize(form, name)
    if other != name:
        assert look_alikes([name, "another", other]) == [(name, other)]
    cut = place % (len(name) + 1)
    hidden = name[:cut] + invisible + name[cut:]
    assert look_alikes([name, hidden]) == [(name, hidden)]


@pytest.mark.parametrize(
    ("names", "words", "shown"),
    [
        (("Pos", "pos"), "upper and lower case", ["'Pos'", "'pos'"]),
        (("caf\u00e9", "cafe\u0301"), "Unicode form", ["'caf\\xe9'", "'cafe\\u0301'"]),
        (
            ("a b", "a\u00a0b"),
            "invisible characters or white space",
            ["'a b'", "'a\\xa0b'"],
        ),
        (
            ("good", "go\u200bod"),
            "invisible characters or white space",
            ["'good'", "'go\\u200bod'"],
        ),
        (
            ("a b", "a  b"),
            "invisible characters or white space",
            ["'a b'", "'a  b'"],
        ),
        (
            ("pos", "p\u043es"),
            "letters of another alphabet",
            ["'pos'", "'p\\u043es'"],
        ),
        (
            ("no\u00ebl", "n\u043e\u0451l"),
            "letters of another alphabet",
            ["'no\\xebl'", "'n\\u043e\\u0451l'"],
        ),
        (
            ("CAP", "\u0421\u0410\u0420"),
            "letters of another alphabet, case, Unicode form or invisible characters",
            ["'CAP'", "'\\u0421\\u0410\\u0420'"],
        ),
        (
            ("Good", "go\u200bod"),
            "case, Unicode form or invisible characters",
            ["'Good'", "'go\\u200bod'"],
        ),
    ],
)
def test_the_difference_is_named_and_shown(names, words, shown):
    assert look_alikes([*names, "other"]) == [names]
    assert difference(names) == words
    assert told_apart(names) == shown


def test_of_long_names_the_part_that_differs_is_shown():
    names = ("x" * 250 + "\u00e9" + "y" * 49, "x" * 250 + "e\u0301" + "y" * 49)
    for shown, part in zip(told_apart(names), ("\\xe9", "e\\u0301"), strict=True):
        assert part in shown
        assert len(shown) < 90


def test_different_names_are_left_alone():
    assert look_alikes(["one", "won", "1", "l", "pos", "neg"]) == []


def test_an_unknown_class_that_looks_like_a_known_one_is_explained():
    assert "'Pos' and 'pos' differ in upper and lower case" in look_alike_hint(
        ["Pos", "new"], ["neg", "pos"]
    )
    assert look_alike_hint(["new"], ["neg", "pos"]) == ""


def test_letters_of_another_alphabet_that_look_otherwise_are_no_look_alikes():
    # A capital nu has the shape of N, a small one that of v; Cyrillic names stay what they are.
    assert look_alikes(["van", "\u03bdan", "\u0434\u0430", "da", "\u043d\u0435\u0442", "het"]) == []
    assert look_alikes(["\u041d\u0435\u0442", "\u043d\u0435\u0442"]) == [
        ("\u041d\u0435\u0442", "\u043d\u0435\u0442")
    ]
