from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from tests.report.samples import explained_trials
from tests.report.samples import record
from tests.report.samples import search_result
from xautolm_core.report.document import summary_document
from xautolm_core.whole_files import to_json

PROMISED = [
    "run",
    "task",
    "best",
    "test",
    "cheap",
    "comparison",
    "pareto",
    "trials",
    "outcomes",
    "seconds",
]


def test_the_promised_keys_hold_what_is_promised(tmp_path: Path) -> None:
    document = summary_document(search_result(tmp_path))
    assert [key for key in document if key in PROMISED] == PROMISED
    assert document["run"] == str(tmp_path)
    assert document["task"] == "news"
    assert document["best"]["configuration"]["method"] == "full"
    assert document["best"]["validation"]["macro_f1"] == 0.8877
    assert document["test"]["macro_f1"] == 0.8790
    assert document["cheap"]["trial"] == 1
    assert document["cheap"]["method"] == "linear_probe_tfidf"
    assert document["cheap"]["validation"]["macro_f1"] == 0.8213
    assert document["cheap"]["test"] == {"macro_f1": 0.8004}
    assert document["comparison"]["language_model"] == 4
    assert document["comparison"]["gain"] == pytest.approx(0.0786)
    assert document["trials"] == 9
    assert document["outcomes"] == {"diverged": 1, "ok": 6, "oom_host": 1, "timeout": 1}
    assert document["seconds"] == 598.2


def test_the_front_is_ordered_by_time_and_says_what_was_not_pretrained(tmp_path: Path) -> None:
    records = [
        record(0, f1=0.9, train_seconds=9.0, on_front=True),
        record(1, f1=0.5, train_seconds=1.0, on_front=True, model="untrained/tiny-bert"),
    ]
    front = summary_document(search_result(tmp_path, records=records, best=0))["pareto"]
    assert [entry["trial"] for entry in front] == [1, 0]
    assert [entry["pretrained"] for entry in front] == [False, True]


def test_a_search_without_a_model_has_nulls(tmp_path: Path) -> None:
    document = summary_document(search_result(tmp_path, records=[], best=None))
    assert document["best"] is None
    assert document["test"] is None
    assert document["cheap"] is None
    assert document["comparison"] is None
    assert document["model"] is None
    assert document["pareto"] == []


def test_the_document_is_strict_json_whatever_was_measured(tmp_path: Path) -> None:
    result = search_result(tmp_path, test_f1=math.nan)
    assert json.loads(to_json(summary_document(result)))["test"]["macro_f1"] is None


def test_what_was_expected_stands_beside_what_came_out(tmp_path: Path) -> None:
    document = summary_document(search_result(tmp_path, records=explained_trials()))
    assert document["best"]["predicted"]["f1"] == {"median": 0.88, "low": 0.85, "high": 0.91}
    assert document["best"]["predicted"]["failure_probability"] == 0.034
    by_trial = {entry["trial"]: entry["predicted"] for entry in document["pareto"]}
    assert by_trial[0] is None
    assert by_trial[4] == document["best"]["predicted"]
