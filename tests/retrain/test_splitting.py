from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.retrain.moods import write_moods
from xautolm_core.errors import ConfigError
from xautolm_core.errors import DataError
from xautolm_core.retrain.row_digests import digest_rows
from xautolm_core.retrain.rows import all_rows
from xautolm_core.retrain.splitting import split_task
from xautolm_core.tasks.load import load_task
from xautolm_core.tasks.prepared import open_prepared
from xautolm_core.tasks.source import read_task_spec
from xautolm_core.tasks.task import Task


def load(path: Path, **options) -> Task:
    return load_task(read_task_spec(str(path), name="moods", **options))


def texts_of(split) -> list[str]:
    return split.texts.to_pylist()


def named(task: Task, split) -> list[tuple[str, str]]:
    return list(zip(texts_of(split), [task.labels[i] for i in split.labels], strict=True))


def test_both_sides_together_are_the_task(tmp_path):
    task = load(write_moods(tmp_path / "moods.csv", 300))
    found = split_task(task, tmp_path / "search", tmp_path / "fresh", fraction=0.3)
    search = load(found.task_file)
    fresh = open_prepared(found.fresh_folder)
    assert (search.name, search.labels) == (task.name, task.labels)
    for name, split in search.splits.items():
        assert set(texts_of(split)) <= set(texts_of(task.splits[name]))
        assert len(split) == found.search_rows[name]
    parts = [*named(search, all_rows(search)), *named(fresh, fresh.test)]
    assert sorted(parts) == sorted(named(task, all_rows(task)))
    assert found.fresh == found.set_aside == len(fresh.test)
    assert 60 <= found.fresh <= 120
    assert len(fresh.train) == len(fresh.validation) == 0


def test_what_is_aside_stays_aside_in_the_data_of_next_month(tmp_path):
    first = load(write_moods(tmp_path / "a.csv", 200))
    one = split_task(first, tmp_path / "s1", tmp_path / "f1")
    lines = (tmp_path / "a.csv").read_text().splitlines()
    more = write_moods(tmp_path / "c.csv", 150, seed=1).read_text().splitlines()[1:]
    (tmp_path / "b.csv").write_text("\n".join([lines[0], *more, *reversed(lines[1:])]) + "\n")
    second = load(tmp_path / "b.csv", seed=9)
    two = split_task(second, tmp_path / "s2", tmp_path / "f2")
    aside = set(texts_of(open_prepared(one.fresh_folder).test))
    assert aside <= set(texts_of(open_prepared(two.fresh_folder).test))
    assert not aside & set(texts_of(all_rows(load(two.task_file))))


def test_what_the_champion_has_seen_is_not_fresh_and_not_searched(tmp_path):
    task = load(write_moods(tmp_path / "a.csv", 200))
    seen = digest_rows([task.train])
    found = split_task(task, tmp_path / "s", tmp_path / "f", champion_rows=seen)
    fresh = open_prepared(found.fresh_folder).test
    assert 0 < len(fresh) == found.fresh < found.set_aside
    assert not seen.contains(fresh).any()
    assert sum(found.search_rows.values()) == 200 - found.set_aside


def test_repeated_texts_are_fresh_once(tmp_path):
    path = write_moods(tmp_path / "a.csv", 100)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines, *lines[1:]]) + "\n")
    found = split_task(load(path), tmp_path / "s", tmp_path / "f")
    assert found.set_aside == 2 * found.fresh


def test_rare_classes_and_numbers_and_pairs_come_back(tmp_path):
    rows = [
        {"text": f"text {i}", "text_pair": f"other {i % 7}", "label": i % 3 if i < 195 else 10}
        for i in range(198)
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    task = load(tmp_path / "a.jsonl", text_pair="text_pair")
    assert task.labels == ("0", "1", "2", "10")
    found = split_task(task, tmp_path / "s", tmp_path / "f", fraction=0.4)
    search = load_task(read_task_spec(str(found.task_file)))
    assert search.labels == task.labels
    assert search.has_pairs
    assert open_prepared(found.fresh_folder).has_pairs
    held_out = {i for name in ("validation", "test") for i in search.splits[name].labels.tolist()}
    assert held_out <= set(search.train.labels.tolist())


def test_writing_again_replaces(tmp_path):
    for rows in (200, 100):
        task = load(write_moods(tmp_path / "a.csv", rows))
        found = split_task(task, tmp_path / "s", tmp_path / "f")
    assert len(open_prepared(found.fresh_folder).test) == found.fresh
    assert len(all_rows(load(found.task_file))) == 100 - found.set_aside


def test_what_cannot_be_divided_is_refused(tmp_path):
    task = load(write_moods(tmp_path / "a.csv", 20))
    for fraction in (0.0, 1.0, -1.0):
        with pytest.raises(ConfigError, match="Give one between 0 and 1"):
            split_task(task, tmp_path / "s", tmp_path / "f", fraction=fraction)
    with pytest.raises(DataError, match="has too few rows"):
        split_task(task, tmp_path / "s", tmp_path / "f", fraction=0.95)
    assert not (tmp_path / "s").exists()
    (tmp_path / "s").write_text("a file")
    with pytest.raises(DataError, match="cannot be written"):
        split_task(task, tmp_path / "s", tmp_path / "f")


def test_nothing_else_is_replaced(tmp_path):
    task = load(write_moods(tmp_path / "a.csv", 100))
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "thesis.tex").write_text("years of work")
    with pytest.raises(DataError, match="holds something else"):
        split_task(task, tmp_path / "s", tmp_path / "f")
    assert (tmp_path / "f" / "thesis.tex").exists()
