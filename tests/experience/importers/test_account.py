"""The account."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from xautolm_core.experience.importers.account import MAX_REASONS
from xautolm_core.experience.importers.account import Account
from xautolm_core.experience.importers.account import plain


@given(st.text())
def test_foreign_text_is_one_short_line(text: str) -> None:
    line = plain(text)
    assert len(line) <= 160
    assert len(line.splitlines()) <= 1
    line.encode()
    assert plain(line) == line


def test_reasons_and_places_are_bounded() -> None:
    account = Account("x/1")
    for number in range(3 * MAX_REASONS):
        account.read += 1
        account.drop_record(f"p{number}", f"reason {number}")
        account.drop_record("p", "again")
        account.drop_field(f"field {number}", "why")
    assert len(account.records) == MAX_REASONS + 1
    assert len(account.fields) == MAX_REASONS + 1
    assert account.records.total() == 6 * MAX_REASONS
    assert max(map(len, account.places.values())) == 5


def test_an_account_that_does_not_add_up_is_found() -> None:
    account = Account("x/1", read=2)
    account.drop_record("a", "b")
    assert not account.is_balanced
    account.imported["task", "ok"] += 1
    assert account.is_balanced


def test_text_and_json_tell_all() -> None:
    account = Account("x/1", "source", read=3)
    account.imported["news", "ok"] = 1
    account.duplicates["news", "copy"] = 1
    account.drop_record("f.json:7", "no JSON")
    account.drop_field("extra", "not known")
    account.change("scaled")
    account.skip_file("README.md", "no record")
    account.warnings.append("careful")
    text = account.text()
    for words in ("news: 1 (1 ok)", "news: copy", "no JSON (f.json:7)", "extra: not known",
                  "scaled", "no record (README.md)", "warning: careful"):  # fmt: skip
        assert words in text
    document = json.loads(json.dumps(account.document()))
    assert document["tasks"] == {"news": {"ok": 1}}
    assert document["dropped_records"][0]["places"] == ["f.json:7"]
