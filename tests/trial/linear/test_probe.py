"""Linear probes, alone and joined with TF-IDF."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from safetensors.numpy import load_file
from safetensors.numpy import save_file

from tests.trial.tiny import make_task
from tests.trial.tiny import tiny_model
from tests.trial.tiny import validation_scores
from xautolm_core.errors import ConfigError
from xautolm_core.records.attempt import TrialResult
from xautolm_core.records.configuration import Configuration
from xautolm_core.records.outcome import Outcome
from xautolm_core.registry.registry import model_files
from xautolm_core.space.model import ModelReference
from xautolm_core.tasks.prepared import write_prepared
from xautolm_core.tasks.task import Split
from xautolm_core.trial.contract import TrialBudget
from xautolm_core.trial.contract import TrialSpec
from xautolm_core.trial.linear.parts import average
from xautolm_core.trial.predict import load_classifier
from xautolm_core.trial.rows import TrialRows
from xautolm_core.trial.rows import choose_rows
from xautolm_core.trial.run import run_trial

MakeSpec = Callable[..., TrialSpec]


def _train(spec: TrialSpec) -> TrialResult:
    result = run_trial(spec)
    assert result.outcome is Outcome.OK, result.failure
    return result


@pytest.mark.parametrize("method", ["linear_probe", "linear_probe_tfidf"])
@pytest.mark.parametrize(
    ("architecture", "pairs"), [("bert", True), ("gpt2", False), ("t5", False), ("bart", False)]
)
def test_the_saved_model_answers_as_it_did_in_the_trial(
    method: str,
    architecture: str,
    pairs: bool,
    make_spec: MakeSpec,
    task_folder: Path,
    pairs_folder: Path,
    tmp_path: Path,
) -> None:
    folder = pairs_folder if pairs else task_folder
    spec = make_spec(method, {"max_length": 24}, task_folder=folder, model=tiny_model(architecture))
    result = _train(spec)
    assert {"load_data", "tokenize", "load_model", "train", "evaluate", "save"} == set(
        result.seconds
    )
    report = validation_scores(spec.out_folder / "model", folder)
    assert report.macro_f1 == pytest.approx(result.scores["macro_f1"].value)
    if method == "linear_probe_tfidf":
        assert report.macro_f1 > 0.7


def test_features_are_cached_once_and_their_cost_is_carried(
    make_spec: MakeSpec, cache: Path, tmp_path: Path
) -> None:
    folder = write_prepared(make_task(seed=77), cache)
    common = {"task_folder": folder, "cache_folder": tmp_path / "cache", "save_model": False}
    first = _train(make_spec("linear_probe", **common))
    assert (first.reused_seconds, first.reused_joules) == (0.0, None)
    second = _train(make_spec("linear_probe", **common))
    assert 0 < second.reused_seconds < first.seconds["train"] + first.seconds["evaluate"]
    assert first.energy_joules is not None and second.reused_joules is not None
    assert 0 < second.reused_joules <= first.energy_joules
    assert second.scores == first.scores
    joined = _train(make_spec("linear_probe_tfidf", **common))
    assert joined.reused_seconds == pytest.approx(second.reused_seconds)
    # What the head of the model reads is another vector: nothing is taken from the probe's cache.
    head = _train(make_spec("head", **common))
    assert head.reused_seconds == 0.0


def test_rows_follow_the_deadline(make_spec: MakeSpec, cache: Path, tmp_path: Path) -> None:
    folder = write_prepared(make_task(rows=20_000, held_out=60), cache)
    spec = make_spec(
        "linear_probe",
        task_folder=folder,
        cache_folder=tmp_path,
        save_model=False,
        budget=TrialBudget(soft_deadline_seconds=0.3),
    )
    result = _train(spec)
    assert 64 <= result.progress.rows < 20_000
    assert result.time_seconds is not None and result.time_seconds < 2


def test_a_screening_reads_its_rows_alone_and_takes_what_a_probe_on_all_has_left(
    make_spec: MakeSpec, cache: Path, tmp_path: Path
) -> None:
    folder = write_prepared(make_task(seed=78), cache)
    common = {"task_folder": folder, "save_model": False}
    few = {"screening_rows": 30}
    alone = tmp_path / "alone"
    first = _train(make_spec("linear_probe", few, cache_folder=alone, **common))
    assert first.progress.rows == 30
    for split in ("train", "validation"):
        (encoded,) = alone.glob(f"tokens/*/{split}/*/offsets.npy")
        assert int((np.diff(np.load(encoded)) > 0).sum()) == 30
    together = tmp_path / "together"
    _train(make_spec("linear_probe", cache_folder=together, **common))
    again = _train(make_spec("linear_probe", few, cache_folder=together, **common))
    assert again.scores == first.scores
    assert again.reused_seconds > 0
    assert len(list(together.glob("tokens/*/train/*/offsets.npy"))) == 1


def test_a_screening_has_all_of_its_rows_or_no_score(
    make_spec: MakeSpec, cache: Path, tmp_path: Path
) -> None:
    folder = write_prepared(make_task(rows=4_000, held_out=60), cache)
    spec = make_spec(
        "linear_probe",
        {"screening_rows": 1_000},
        task_folder=folder,
        cache_folder=tmp_path,
        budget=TrialBudget(soft_deadline_seconds=0.01, on_overrun="stop"),
    )
    result = run_trial(spec)
    assert (result.outcome, result.scores) == (Outcome.TIMEOUT, {})


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.integers(1, 80), min_size=2, max_size=4),
    st.integers(1, 120),
    st.lists(st.integers(0, 2**31 - 1), min_size=2, max_size=2),
    st.floats(0.01, 1.0),
)
def test_screenings_share_their_rows_which_keep_the_shares_of_classes(
    counts: list[int], most: int, seeds: list[int], fraction: float
) -> None:
    labels = np.repeat(np.arange(len(counts)), counts).astype(np.int32)
    texts = pa.chunked_array([pa.array([""] * len(labels), pa.large_string())])
    split = Split(texts, None, labels)
    task = replace(make_task(), splits=dict.fromkeys(("train", "validation", "test"), split))

    def rows(seed: int) -> TrialRows:
        configuration = Configuration(
            branch="linear_probe",
            model="m",
            method="linear_probe",
            parameters={"screening_rows": most},
        )
        spec = TrialSpec(
            search_id="s",
            trial_number=0,
            task_folder=Path(),
            out_folder=Path(),
            cache_folder=Path(),
            configuration=configuration,
            model=ModelReference(id="m"),
            seed=seed,
            budget=TrialBudget(data_fraction=fraction),
        )
        return choose_rows(task, spec)

    one, other = map(rows, seeds)
    for first, second in ((one.train, other.train), (one.validation, other.validation)):
        assert first.tolist() == second.tolist()
    assert len(one.train) == min(most, max(round(len(labels) * fraction), 1))
    assert len(one.validation) == min(most, len(labels))
    if most >= len(counts):
        assert len(np.unique(labels[one.validation])) == len(counts)


def test_a_folder_model_is_linked_and_stands_alone(
    minilm: ModelReference, make_spec: MakeSpec, tmp_path: Path
) -> None:
    assert minilm.path is not None
    source = tmp_path / "source"
    shutil.copytree(minilm.path, source)
    mode = (source / "model.safetensors").stat().st_mode
    model = minilm.model_copy(update={"path": str(source)})
    spec = make_spec("linear_probe_tfidf", model=model)
    assert _train(spec).scores["macro_f1"].value > 0.9
    saved = spec.out_folder / "model"
    weights = saved / "backbone" / "model.safetensors"
    assert weights.samefile(source / "model.safetensors")
    shutil.rmtree(source)
    assert weights.stat().st_mode == mode
    assert "backbone/model.safetensors" in model_files(saved)  # what a registry takes
    answer = load_classifier(saved).predict(["a rocket and a planet in orbit"])[0]
    assert answer.label == "space"


@pytest.mark.parametrize(
    "parameters",
    [{"epochs": 1}, {"max_length": 1}, {"max_length": "128"}, {"screening_rows": 0}],
)
def test_wrong_hyperparameters_are_invalid(
    parameters: dict[str, object], make_spec: MakeSpec
) -> None:
    assert run_trial(make_spec("linear_probe", parameters)).outcome is Outcome.INVALID


def test_a_joined_probe_is_no_screening(make_spec: MakeSpec) -> None:
    spec = make_spec("linear_probe_tfidf", {"screening_rows": 10})
    assert run_trial(spec).outcome is Outcome.INVALID


def test_damaged_folders_are_one_line_with_a_hint(make_spec: MakeSpec, tmp_path: Path) -> None:
    spec = make_spec("linear_probe_tfidf")
    _train(spec)

    def weight_of_two(folder: Path) -> None:
        arrays = load_file(folder / "linear.safetensors")
        arrays["probe.weight"] = np.array([2.0], dtype=np.float32)
        save_file(arrays, folder / "linear.safetensors")

    def narrow(folder: Path) -> None:
        arrays = load_file(folder / "linear.safetensors")
        arrays["probe.scale"] = arrays["probe.scale"][:-1].copy()
        save_file(arrays, folder / "linear.safetensors")

    damages = [
        weight_of_two,
        narrow,
        lambda folder: shutil.rmtree(folder / "backbone"),
        lambda folder: (folder / "backbone" / "model.safetensors").write_bytes(b"torn"),
        lambda folder: (folder / "backbone" / "tokenizer.json").unlink(),
        lambda folder: (folder / "xautolm.json").write_text(
            (folder / "xautolm.json").read_text().replace('"max_length": 32,', "", 1)
        ),
    ]
    for i, damage in enumerate(damages):
        folder = tmp_path / str(i)
        shutil.copytree(spec.out_folder / "model", folder)
        damage(folder)
        with pytest.raises(ConfigError) as error:
            load_classifier(folder)
        assert error.value.hint and "\n" not in str(error.value)


def test_averaged_answers_are_log_probabilities() -> None:
    one, other = np.log([[0.8, 0.2]]), np.log([[0.4, 0.6]]) + 7
    found = average([one, other], [0.5, 0.5])
    assert found == pytest.approx((np.log([[0.8, 0.2]]) + np.log([[0.4, 0.6]])) / 2)
    assert average([other], [1.0]) is other
