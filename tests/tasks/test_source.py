from __future__ import annotations

import time

import pytest

from tests.tasks.data import rows
from tests.tasks.data import write_csv
from xautolm_core.errors import DataError
from xautolm_core.tasks.load import load_task
from xautolm_core.tasks.source import read_task_spec
from xautolm_core.tasks.source import safe_name


def test_a_data_file_names_its_task(tmp_path, monkeypatch):
    write_csv(tmp_path / "film reviews.csv", rows())
    monkeypatch.chdir(tmp_path)
    spec = read_task_spec("film reviews.csv", text="text", label="label", seed=3)
    assert spec.name == "film-reviews"
    assert spec.data == str(tmp_path / "film reviews.csv")
    assert (spec.text, spec.label, spec.seed, spec.drop_invalid) == ("text", "label", 3, False)


def test_a_generic_file_name_gives_way_to_its_folder(tmp_path):
    (tmp_path / "tickets").mkdir()
    write_csv(tmp_path / "tickets" / "train.csv", rows())
    assert read_task_spec(str(tmp_path / "tickets" / "train.csv")).name == "tickets"
    assert read_task_spec(str(tmp_path / "tickets")).name == "tickets"


def test_a_task_file_is_read_from_its_own_folder(tmp_path, monkeypatch):
    (tmp_path / "sub").mkdir()
    write_csv(tmp_path / "sub" / "a.csv", rows(60))
    (tmp_path / "sub" / "mood.yaml").write_text(
        "data: a.csv\nsplits: {validation: 0.2, test: 0.1}\nseed: 4\nlanguages: [en]\n"
    )
    monkeypatch.chdir(tmp_path)
    spec = read_task_spec("sub/mood.yaml")
    assert (spec.name, spec.seed, spec.languages) == ("mood", 4, ("en",))
    task = load_task(spec)
    assert (len(task.validation), len(task.test)) == (12, 6)
    assert read_task_spec("sub/mood.yaml", seed=9, name="other").seed == 9
    assert read_task_spec("sub/mood.yaml", name="other").name == "other"


def test_a_task_file_names_its_splits(tmp_path):
    for split in ("a", "b", "c"):
        write_csv(tmp_path / f"{split}.csv", rows(20))
    (tmp_path / "t.yml").write_text("train: a.csv\nvalidation: b.csv\ntest: c.csv\nname: n\n")
    task = load_task(read_task_spec(str(tmp_path / "t.yml")))
    assert (task.name, len(task.train), len(task.test)) == ("n", 20, 20)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("data: a.csv\nlable: x\n", ("t.yaml:2", "unknown field 'lable'", "'label'")),
        ("data: a.csv\nseed: -1\n", ("t.yaml:2", "seed")),
        ("data: a.csv\nsplits:\n  validation: 2\n", ("t.yaml:2", "splits.validation")),
        ("data: [a\n", ("t.yaml:2",)),
        ("- a\n", ("not a mapping",)),
        ("name: x\n", ("exactly one way",)),
        ("data: a.csv\ntrain: a.csv\n", ("exactly one way",)),
        ("data: b.csv\n", ("b.csv does not exist", "a.csv")),
        ("data: gs://bucket/a.csv\n", ("gs://", "local folder")),
        ("data: s3:/bucket/a.csv\n", ("two slashes",)),
        ("name: n\ntrain: s3://b/a.csv\n", ("t.yaml:2: train cannot be an s3://", "as data")),
    ],
)
def test_a_wrong_task_file_is_refused_at_its_line(tmp_path, text, parts):
    write_csv(tmp_path / "a.csv", rows())
    (tmp_path / "t.yaml").write_text(text)
    with pytest.raises(DataError) as caught:
        read_task_spec(str(tmp_path / "t.yaml"))
    for part in parts:
        assert part in str(caught.value)


@pytest.mark.parametrize(
    "argument", ["nowhere.csv", "./nowhere", "/no/where", "t.yaml", "gs://b/k"]
)
def test_what_is_not_there_is_refused(tmp_path, monkeypatch, argument):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError):
        read_task_spec(argument)


@pytest.mark.parametrize(
    ("argument", "name"),
    [("imdb", "imdb"), ("stanfordnlp/sst2:default", "stanfordnlp-sst2-default")],
)
def test_other_names_are_data_sets_of_the_hub(tmp_path, monkeypatch, argument, name):
    monkeypatch.chdir(tmp_path)
    spec = read_task_spec(argument)
    assert (spec.data, spec.name) == (argument, name)


def test_an_unreachable_hub_is_one_line_and_soon_said(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    hub_constants = pytest.importorskip("huggingface_hub").constants
    for variable in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(variable, raising=False)
        monkeypatch.delenv(variable.upper(), raising=False)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # nothing listens there
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(hub_constants, "HF_HUB_OFFLINE", False)
    monkeypatch.chdir(tmp_path)
    started = time.monotonic()
    with pytest.raises(DataError) as caught:
        load_task(read_task_spec("no-such-owner/no-such-data"))
    assert time.monotonic() - started < 10
    message = str(caught.value)
    assert "\n" not in message
    assert "no file or folder here" in message
    assert "network" in message
    assert datasets.config.HF_HUB_OFFLINE is False


def test_names_are_safe():
    assert safe_name("a b/c:d") == "a-b-c-d"
    assert safe_name("...") == "task"
    assert safe_name("größe_1.2") == "größe_1.2"
