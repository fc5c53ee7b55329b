from __future__ import annotations

import json

import pytest

from xautolm_components.conftest import parameters_for
from xautolm_components.conftest import write_data
from xautolm_components.fingerprint.component import fingerprint


def test_the_fingerprint_changes_with_the_data_alone(run, tmp_path):
    same = write_data(tmp_path / "other-name.csv")
    changed = write_data(tmp_path / "changed.csv", seed=1)
    again = fingerprint.python_func(**parameters_for(same, tmp_path, run_id="run-2"))
    other = fingerprint.python_func(**parameters_for(changed, tmp_path))
    assert again.fingerprint == run.fingerprinted.fingerprint != other.fingerprint


def test_the_request_has_all_that_the_search_needs(run):
    spec = json.loads(run.fingerprinted.request)["spec"]
    assert spec["search_id"] == "run-1"
    assert spec["max_trials"] == 3
    assert spec["created_at"]


@pytest.mark.parametrize(
    ("changes", "words", "code"),
    [
        ({"limits": {"trials": 0.0}}, "limits: trials is 0.0", 2),
        ({"tenant": "team a"}, "tenant: Tenant 'team a' is not a usable name. Use up to", 2),
        ({"tenant": "AKIAIOSFODNN7EXAMPLE"}, "store: The tenant's name looks like a cred", 3),
        (
            {
                "launcher": "kubernetes",
                "trial_image": f"registry/trial@sha256:{'0' * 64}",
                "objectives": "f1,energy",
                "cluster": "environment: {XAUTOLM_ENERGY: 'off'}",
            },
            "energy as an objective needs readings",
            2,
        ),
        ({"task": "/nowhere/data.csv"}, "/nowhere/data.csv does not exist", 2),
        ({"store": ""}, "store is empty", 2),
        ({"workspace": "ftp://host/x"}, "workspace: Objects cannot be at a ftp:// address", 2),
        ({"space": "schema: 1\nname: x\n"}, "space-", 2),
        ({"sampler": "annealing"}, "annealing", 2),
        ({"methods": "full,lorra"}, "methods: There is no method 'lorra'", 2),
        ({"methods": "lora"}, "has no method lora", 2),
        ({"launcher": "kubernetes"}, "trial_image is empty", 2),
    ],
)
def test_what_is_wrong_ends_the_step_with_one_line(tmp_path, capsys, changes, words, code):
    data = write_data(tmp_path / "moods.csv")
    with pytest.raises(SystemExit) as caught:
        fingerprint.python_func(**parameters_for(data, tmp_path, **changes))
    error = capsys.readouterr().err
    assert caught.value.code == code
    assert words in error
    assert error.startswith("error: ")
    assert error.count("\n") == 1


def test_a_registry_of_classifiers_is_no_place_for_answers(tmp_path, capsys):
    data = tmp_path / "questions.jsonl"
    rows = [
        {"question": f"Who wrote book {i}?", "context": f"A{i} B wrote it.", "answers": [f"A{i} B"]}
        for i in range(40)
    ]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    space = {"space": "starter-qa", "methods": "lexical_span"}
    with pytest.raises(SystemExit) as caught:
        fingerprint.python_func(**parameters_for(data, tmp_path, **space))
    error = capsys.readouterr().err
    assert caught.value.code == 2 and error.count("\n") == 1
    assert "question answering, and the registry takes classifiers alone" in error
