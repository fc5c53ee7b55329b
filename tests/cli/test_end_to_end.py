"""The whole command by real processes and real trials, of an architecture that is tiny.

One search, two trials at a time, and one, warm-started by it, that is interrupted and resumed. What
a search does in detail is tested in ``tests/search``, by trials that are over at once.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from tests.cli.running import run_process
from xautolm_core.steps.register import register_model

pytestmark = pytest.mark.slow
pytest.importorskip("torch")
pytest.importorskip("transformers")

_SPACE = """
schema: 1
name: tiny
description: One untrained architecture, for tests.
models:
  tiny:
    - id: untrained/test-bert
      untrained: {model_type: bert, vocab_size: 300, hidden_size: 32, num_hidden_layers: 1,
        num_attention_heads: 2, intermediate_size: 64, max_position_embeddings: 64,
        type_vocab_size: 2}
branches:
  tiny-full:
    method: full
    models: tiny
    parameters:
      batch_size: [8, 16]
      max_length: [16, 32]
      epochs: {low: 1, high: 3}
      learning_rate: [1e-3, 3e-3, 5e-3]
"""
_GOOD = ("splendid", "lovely", "great", "fine", "superb")
_BAD = ("awful", "dreadful", "poor", "nasty", "grim")


def _write_task(file: Path, *, noun: str, rows: int = 240) -> None:
    lines = ["text,label"]
    for n in range(rows):
        words, label = (_GOOD, "good") if n % 2 else (_BAD, "bad")
        lines.append(f"the {noun} was {words[n % 5]} and {words[n // 5 % 5]} no {n},{label}")
    file.write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with two tasks, a space, and a finished search on the first task."""
    place = tmp_path_factory.mktemp("place")
    (place / "space.yaml").write_text(_SPACE)
    _write_task(place / "films.csv", noun="film")
    _write_task(place / "meals.csv", noun="meal")
    return place


@pytest.fixture(scope="module")
def first(folder: Path) -> dict[str, object]:
    (folder / "there.yaml").write_text("zone: FRA\nlocation_grams_per_kwh: 50\n")
    ended = run_process(
        *("search", "films.csv", "--space", "space.yaml", "--trials", "3", "--offline", "--json"),
        *("--store", "store", "--out", "run", "--objectives", "f1,time,latency", "--seed", "1"),
        *("--workers", "2"),
        folder=folder,
        environment={"XAUTOLM_ASSUMPTIONS": "there.yaml"},
    )
    assert ended.code == 0, ended.err
    assert "trial 0 started" in ended.err
    assert "warning: No warm start" in ended.err
    document = json.loads(ended.out)
    assert isinstance(document, dict)
    return document


def test_json_is_one_document_and_the_same_as_the_summary(
    folder: Path, first: dict[str, object]
) -> None:
    assert json.loads((folder / "run" / "summary.json").read_text()) == first
    assert first["run"] == str(folder / "run")
    assert first["task"] == "films"
    # The space has no pretrained model: TF-IDF is the only cheap candidate, and comes first.
    assert first["trials"] == 4
    assert first["outcomes"] == {"ok": 4}
    assert first["best"]["trial"] == 0  # type: ignore[index]
    assert first["best"]["configuration"]["method"] == "tfidf"  # type: ignore[index]
    assert first["test"]["macro_f1"] == pytest.approx(1.0)  # type: ignore[index]
    assert first["comparison"]["cheap"] == 0  # type: ignore[index]
    assert first["comparison"]["language_model"] in (1, 2, 3)  # type: ignore[index]
    assert {"f1", "time", "latency"} == set(first["pareto"][0]["values"])  # type: ignore[index]


def test_the_result_folder_is_complete(folder: Path, first: dict[str, object]) -> None:
    run = folder / "run"
    for name in ("report.html", "pareto.json", "trials.parquet", "search.json", "study.journal"):
        assert (run / name).stat().st_size > 0
    for name in ("linear.safetensors", "vocabulary.json", "xautolm.json", "README.md"):
        assert (run / "model" / name).stat().st_size > 0
    card = (run / "model" / "README.md").read_text()
    assert yaml.safe_load(card.split("---\n")[1])["library_name"] == "xautolm"
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        assert (run / "alternative" / name).stat().st_size > 0
    page = (run / "report.html").read_text()
    assert "not pretrained" in page
    assert "test-bert full" in page


def test_a_search_whose_winner_is_cheap_is_registered(
    folder: Path, first: dict[str, object]
) -> None:
    known = register_model(run_folder=str(folder / "run"), registry=str(folder / "registry"))
    assert (known["method"], known["base_model"]) == ("tfidf", None)
    assert known["score"] == pytest.approx(1.0)
    assert known["rows_known"]


def test_predict_answers_texts_and_files(folder: Path, first: dict[str, object]) -> None:
    ended = run_process("predict", "run", "--text", "a splendid film", "--json", folder=folder)
    assert ended.code == 0, ended.err
    answer = json.loads(ended.out)
    assert answer["label"] == max(answer["probabilities"], key=answer["probabilities"].get)
    assert sum(answer["probabilities"].values()) == pytest.approx(1)
    ended = run_process("predict", "run/model", "films.csv", "--out", "t.jsonl", folder=folder)
    assert ended.code == 0, ended.err
    assert len((folder / "t.jsonl").read_text().splitlines()) == 240
    model = "run/alternative"
    ended = run_process("predict", model, "films.csv", "--out", "p.jsonl", folder=folder)
    assert ended.code == 0, ended.err
    rows = [json.loads(line) for line in (folder / "p.jsonl").read_text().splitlines()]
    assert len(rows) == 240
    truth = [
        line.rsplit(",", 1)[1] for line in (folder / "films.csv").read_text().split("\n")[1:-1]
    ]
    accuracy = sum(row["prediction"] == t for row, t in zip(rows, truth, strict=True)) / 240
    macro_f1 = first["comparison"]["language_model_score"]  # type: ignore[index]
    assert accuracy >= macro_f1 - 0.2


def test_pairs_are_refused_by_a_model_of_single_texts(
    folder: Path, first: dict[str, object]
) -> None:
    ended = run_process("predict", "run", "--text", "a", "--text-pair", "b", folder=folder)
    assert ended.code == 2
    assert "single texts" in ended.err


def test_ctrl_c_ends_with_the_front_so_far_and_the_command_that_resumes(
    folder: Path, first: dict[str, object]
) -> None:
    """On another task, warm-started from the first search."""
    command = [sys.executable, "-m", "xautolm_core.cli", "search", "meals.csv"]
    options = ["--space", "space.yaml", "--trials", "60", "--offline", "--out", "stopped"]
    process = subprocess.Popen(
        [*command, *options, "--store", "store"],
        cwd=folder,
        env={**os.environ, "HOME": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and process.poll() is None:
        if list((folder / "stopped" / "trials").glob("*/result.json")):
            break
        time.sleep(0.05)
    # A terminal sends the signal to the whole group, so this does as well.
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "history: 3 experiences applied, 0 mapped, 1 dropped" in out
    assert "films" in out
    assert f"xautolm search --resume {folder}/stopped" in out
    summary = json.loads((folder / "stopped" / "summary.json").read_text())
    assert summary["stopped_by"] == "interrupted"
    done = summary["trials"]
    assert done >= 1

    wanted = str(done + 1)
    resumed = run_process("search", "--resume", "stopped", "--trials", wanted, folder=folder)
    assert resumed.code == 0, resumed.err
    assert "since the resume" in resumed.out
    summary = json.loads((folder / "stopped" / "summary.json").read_text())
    assert summary["stopped_by"] == "trials"
    assert summary["trials"] >= done


def test_a_run_has_a_green_report_and_its_card_the_grams(
    folder: Path, first: dict[str, object]
) -> None:
    (folder / "here.yaml").write_text(
        "zone: DEU\nlocation_grams_per_kwh: 360\nintensity_source: a table of tests\npue: 1.5\n"
        "embodied: {grams: 164000, lifetime_years: 5, source: a data sheet}\n"
    )
    shutil.copytree(folder / "run", folder / "audited")
    ended = run_process(
        *(
            "report",
            "audited",
            "--assumptions",
            "here.yaml",
            "--model-card",
            "--price",
            "0.3EUR/kWh",
        ),
        folder=folder,
    )
    assert ended.code == 0, ended.err
    for words in ("1 search, 4 attempts", "energy ", "CO2e ", "cost "):
        assert words in ended.out
    document = json.loads((folder / "audited" / "green-report.json").read_text())
    rows = pq.read_table(folder / "audited" / "trials.parquet").to_pylist()
    told = [row["energy_joules"] for row in rows if row["energy_joules"] is not None]
    assert document["energy"]["joules"] == pytest.approx(sum(told), abs=1e-6)
    (search,) = document["searches"]
    assert search["winner"]["trial"] == first["best"]["trial"]  # type: ignore[index]
    grams = document["energy"]["kwh"] * 1.5 * 360
    assert document["carbon"]["location_grams"] == pytest.approx(grams)
    assert document["functional_units"][1]["sci_grams"] > grams
    front = (folder / "audited" / "model" / "README.md").read_text().split("---\n")[1]
    assert yaml.safe_load(front)["co2_eq_emissions"]["emissions"] == pytest.approx(grams)


def test_where_the_assumptions_are_known_each_search_leaves_a_report(
    folder: Path, first: dict[str, object]
) -> None:
    document = json.loads((folder / "run" / "green-report.json").read_text())
    front = (folder / "run" / "model" / "README.md").read_text().split("---\n")[1]
    entry = yaml.safe_load(front)["co2_eq_emissions"]
    assert entry["emissions"] == pytest.approx(document["carbon"]["location_grams"])
    assert entry["geographical_location"] == "FRA"


def test_wrong_assumptions_end_a_search_before_it_begins(folder: Path) -> None:
    (folder / "wrong.yaml").write_text("zone: FRA\npeu: 1.1\n")
    arguments = ("search", "meals.csv", "--trials", "1", "--store", "fourth-store", "--out", "no")
    told = {"XAUTOLM_ASSUMPTIONS": "wrong.yaml"}
    ended = run_process(*arguments, folder=folder, environment=told)
    assert ended.code == 2
    assert "wrong.yaml:2: peu: is no setting of a report" in ended.err
    assert not (folder / "no").exists()
    assert not (folder / "fourth-store").exists()
