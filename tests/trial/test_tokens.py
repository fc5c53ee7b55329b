from __future__ import annotations

import multiprocessing
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from tests.trial.tiny import TINY
from tests.trial.tiny import make_task
from tests.trial.tiny import tiny_model
from xautolm_core.space.model import ModelReference
from xautolm_core.tasks.task import Split
from xautolm_core.tasks.task import Task
from xautolm_core.trial.encoding import Encoder
from xautolm_core.trial.failures import InvalidConfiguration
from xautolm_core.trial.tokenizer import TokenizerFolder
from xautolm_core.trial.tokenizer import open_tokenizer
from xautolm_core.trial.tokens import Tokens
from xautolm_core.trial.tokens import encode_rows
from xautolm_core.trial.tokens import open_tokens


def _open(task: Task, tokenizer: TokenizerFolder, cache: Path, length: int) -> Tokens:
    return open_tokens(
        task, "train", key="k", tokenizer=tokenizer, max_length=length, cache_folder=cache
    )


def _row(tokens: Tokens, row: int) -> list[int]:
    return [int(i) for i in tokens.ids[tokens.offsets[row] : tokens.offsets[row + 1]]]


@pytest.mark.parametrize("architecture", sorted(TINY))
@pytest.mark.parametrize("pairs", [False, True])
def test_tokens_are_those_of_auto_tokenizer(architecture: str, pairs: bool, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    task = make_task(20, pairs=pairs)
    tokenizer = open_tokenizer(tiny_model(architecture), task, "k", tmp_path)
    tokens = _open(task, tokenizer, tmp_path, 16)
    reference = AutoTokenizer.from_pretrained(tokenizer.path)
    second = task.train.text_pairs
    expected = reference(
        task.train.texts.to_pylist(),
        None if second is None else second.to_pylist(),
        truncation=True,
        max_length=16,
    )
    assert [_row(tokens, i) for i in range(20)] == expected["input_ids"]
    if tokens.types is not None:
        flat = [i for row in expected["token_type_ids"] for i in row]
        assert list(tokens.types) == flat
    else:
        assert not any(any(row) for row in expected.get("token_type_ids", []))


def test_minilm_tokens_are_those_of_auto_tokenizer(minilm: ModelReference, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    task = make_task(20)
    tokenizer = open_tokenizer(minilm, task, "k", tmp_path)
    tokens = _open(task, tokenizer, tmp_path, 512)
    reference = AutoTokenizer.from_pretrained(minilm.path, local_files_only=True)
    expected = reference(task.train.texts.to_pylist(), truncation=True, padding=False)
    assert [_row(tokens, i) for i in range(20)] == expected["input_ids"]
    assert tokenizer.traits.max_length == 512


@pytest.mark.parametrize("pairs", [False, True])
def test_a_few_rows_have_the_tokens_that_they_have_among_all(pairs: bool, tmp_path: Path) -> None:
    task = make_task(30, pairs=pairs)
    tokenizer = open_tokenizer(tiny_model(), task, "k", tmp_path)
    rows = np.asarray([0, 3, 4, 17, 29])

    def few(cache: Path) -> Tokens:
        return open_tokens(
            task,
            "train",
            key="k",
            tokenizer=tokenizer,
            max_length=16,
            cache_folder=cache,
            rows=rows,
        )

    found, whole = few(tmp_path), _open(task, tokenizer, tmp_path, 16)
    assert len(found) == len(whole) == 30
    assert (
        found.lengths.tolist() == np.where(np.isin(np.arange(30), rows), whole.lengths, 0).tolist()
    )
    assert [_row(found, row) for row in rows] == [_row(whole, row) for row in rows]
    if found.types is not None and whole.types is not None:
        kept = np.repeat(np.isin(np.arange(30), rows), whole.lengths)
        assert found.types.tolist() == whole.types[kept].tolist()
    assert (found.types is None) == (whole.types is None)
    assert few(tmp_path).key == whole.key != found.key


def test_a_longer_limit_shares_tokens_that_were_not_cut(tmp_path: Path) -> None:
    task = make_task(30)
    tokenizer = open_tokenizer(tiny_model(), task, "k", tmp_path)
    short, long = _open(task, tokenizer, tmp_path, 8), _open(task, tokenizer, tmp_path, 200)
    assert short.lengths.max() == 8 < long.lengths.max()
    longest = int(long.lengths.max())
    assert _open(task, tokenizer, tmp_path, 500).key == long.key
    assert _open(task, tokenizer, tmp_path, longest).key == long.key
    assert _open(task, tokenizer, tmp_path, longest - 1).key not in {long.key, short.key}


def _train_tokenizer(folder: Path) -> None:
    open_tokenizer(tiny_model("bert"), make_task(300), "k", folder)


def test_a_tokenizer_trained_again_is_the_same(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        worker = context.Process(target=_train_tokenizer, args=(folder,))
        worker.start()
        worker.join(timeout=120)
    texts = [next(folder.rglob("tokenizer.json")).read_text() for folder in folders]
    assert texts[0] == texts[1]


def _encode_in_process(tmp_path: Path, done: multiprocessing.Queue[tuple[int, float]]) -> None:
    task = make_task(3_000)
    tokenizer = open_tokenizer(tiny_model(), task, "k", tmp_path)
    tokens = _open(task, tokenizer, tmp_path, 32)
    folder = next((tmp_path / "tokens").rglob("ids.npy"))
    done.put((int(tokens.ids.astype(np.int64).sum()), folder.stat().st_mtime_ns))


def test_trials_at_once_encode_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    done = context.Queue()
    workers = [context.Process(target=_encode_in_process, args=(tmp_path, done)) for _ in range(3)]
    for worker in workers:
        worker.start()
    found = {done.get(timeout=120) for _ in workers}
    for worker in workers:
        worker.join(timeout=30)
    assert len(found) == 1
    left = {path.name for path in (tmp_path / "tokens").rglob("*") if path.name.startswith(".")}
    assert not left


def _long_split(text: str) -> Split:
    column = pa.chunked_array([pa.array([text], type=pa.large_string())])
    return Split(texts=column, text_pairs=None, labels=np.zeros(1, dtype=np.int32))


@pytest.mark.parametrize(
    "text",
    [
        "goal match team market " * 50_000,
        "x" * 300_000 + " goal match team",
        " ".join(["y" * 5_000] * 3 + ["goal"] * 2_000),
    ],
)
def test_long_texts_are_cut_as_if_they_were_encoded_whole(text: str, tmp_path: Path) -> None:
    tokenizer = open_tokenizer(tiny_model(), make_task(), "k", tmp_path)
    encoder = Encoder(tokenizer.path, 24)
    ids, _, _ = encode_rows(_long_split(text), encoder, uses_types=False, wide=False)
    from transformers import AutoTokenizer

    whole = AutoTokenizer.from_pretrained(tokenizer.path)(text, truncation=True, max_length=24)
    assert list(ids) == whole["input_ids"]


@pytest.mark.parametrize("architecture", ["bert", "t5"])
def test_a_text_cannot_end_itself(architecture: str, tmp_path: Path) -> None:
    tokenizer = open_tokenizer(tiny_model(architecture), make_task(), "k", tmp_path)
    encoder = Encoder(tokenizer.path, 64)
    marks = "goal [SEP] </s> [PAD] match"
    ids, _, _ = encode_rows(_long_split(marks), encoder, uses_types=False, wide=False)
    end = tokenizer.traits.special_ids.get("eos", tokenizer.traits.special_ids.get("sep"))
    assert list(ids).count(end) == 1
    assert list(ids).count(tokenizer.traits.pad_id) == 0


def test_a_model_without_tokenizer_is_refused(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises((InvalidConfiguration, OSError)):
        open_tokenizer(ModelReference(id="m", path=str(empty)), make_task(), "k", tmp_path)
    assert not [p for p in (tmp_path / "tokenizers").iterdir() if p.is_dir()]
