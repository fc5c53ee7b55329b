"""Read the shapes of a model's weights from the headers of its safetensors files."""

from __future__ import annotations

import json
import math
import re
import struct
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_LONGEST_HEADER_BYTES = 100_000_000
_IN_BLOCK = re.compile(r"(?P<stack>.*?)(?:^|\.)(?P<place>\d+)\.")
_EMBEDDING = re.compile(r"(^|[._])(embed\w*|\w*embeddings?|wte|wpe|shared)([._]|$)")
# Position tables that old files store with the weights.
_BUFFER = re.compile(r"(position_ids|inv_freq|\.attn\.(masked_)?bias)$")
# Other parts of a bare model's file: heads of its pretraining.
_HEADS = frozenset(
    {
        "lm_head",
        "cls",
        "classifier",
        "score",
        "qa_outputs",
        "embed_out",
        "mlm_head",
        "lm_predictions",
        "mask_predictions",
        "discriminator_predictions",
        "generator_predictions",
        "generator_lm_head",
        "sop_classifier",
    }
)
# Names of the shared embedding in the stacks of an encoder-decoder.
_SHARED = frozenset({"shared", "embed_tokens"})
_LEAST_STACK_SHARE = 0.02

WeightShapes = Mapping[str, tuple[int, ...]]
"""Name of a weight to its shape."""


@dataclass(frozen=True)
class WeightCounts:
    """Parameters of a model without a head, counted in its files.

    Attributes:
        embedding: Parameters of the embeddings.
        blocks: Parameters of the transformer blocks.
        other: All other parameters.
        matrices: Parameters of the blocks that tokens are multiplied with, of all experts.
        expert_matrices: The part of them in experts.
        layers: Number of transformer blocks.
    """

    embedding: int
    blocks: int
    other: int
    matrices: int
    expert_matrices: int
    layers: int


def parameters_of_safetensors(path: Path) -> int:
    """Return the number of values in a safetensors file, read from its header.

    Raises:
        ValueError: The file is truncated or not a safetensors file.
    """
    return sum(math.prod(shape) for shape, _ in _header(path).values())


def weight_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the weights in a safetensors file, without tables of whole numbers.

    Raises:
        ValueError: The file is truncated or not a safetensors file.
    """
    return {
        name: shape
        for name, (shape, kind) in _header(path).items()
        if kind.startswith(("F", "BF")) and not _BUFFER.search(name)
    }


def count_weights(shapes: WeightShapes) -> WeightCounts | None:
    """Return the counts of a model's weights; None if no blocks can be identified.

    The model is the common parent of its embedding and its blocks, and all below it; heads are
    outside.

    Args:
        shapes: Name of each weight to its shape.
    """
    stacks = _stacks(shapes)
    if not stacks:
        return None
    root = _root(shapes, stacks)
    seen: set[tuple[int, ...]] = set()
    total: Counter[str] = Counter()
    places: set[tuple[str, str]] = set()
    for name, shape in shapes.items():
        if not name.startswith(root) or (not root and name.partition(".")[0] in _HEADS):
            continue
        size = math.prod(shape)
        block = _IN_BLOCK.match(name)
        if block and block["stack"] in stacks:
            places.add((block["stack"], block["place"]))
            total["blocks"] += size
            if len(shape) > 1:
                total["matrices"] += size
                total["experts"] += size if ".experts." in name else 0
        elif len(shape) == 2 and _EMBEDDING.search(name):
            if name.split(".")[-2:][0] in _SHARED:
                if shape in seen:
                    continue
                seen.add(shape)
            total["embedding"] += size
        else:
            total["other"] += size
    return WeightCounts(
        embedding=total["embedding"],
        blocks=total["blocks"],
        other=total["other"],
        matrices=total["matrices"],
        expert_matrices=total["experts"],
        layers=len(places),
    )


def _stacks(shapes: WeightShapes) -> set[str]:
    """Return the names of the lists with the blocks: those with a large part of the weights."""
    sizes: Counter[str] = Counter()
    for name, shape in shapes.items():
        block = _IN_BLOCK.match(name)
        if block:
            sizes[block["stack"]] += math.prod(shape)
    least = _LEAST_STACK_SHARE * sizes.total()
    return {stack for stack, size in sizes.items() if size > least}


def _root(shapes: WeightShapes, stacks: set[str]) -> str:
    """Return the common prefix of the names of the blocks and of the largest embedding."""
    outside = {
        name: math.prod(shape)
        for name, shape in shapes.items()
        if len(shape) == 2 and _EMBEDDING.search(name) and not _IN_BLOCK.match(name)
    }
    names = [*stacks, *([max(outside, key=outside.__getitem__)] if outside else [])]
    common: list[str] = []
    for parts in zip(*(name.split(".") for name in names), strict=False):
        if len(set(parts)) > 1:
            break
        common.append(parts[0])
    # A stack's own name is not a root: a file of only blocks is the whole model.
    while common and ".".join(common) in stacks:
        common.pop()
    return "".join(f"{part}." for part in common)


def _header(path: Path) -> dict[str, tuple[tuple[int, ...], str]]:
    """Return name to shape and type of the tensors in a safetensors file.

    Raises:
        ValueError: The file is truncated or not a safetensors file.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > min(size, _LONGEST_HEADER_BYTES):
                raise ValueError(f"{path} is truncated or not a safetensors file")
            header = json.loads(file.read(length))
        tensors = {name: entry for name, entry in header.items() if name != "__metadata__"}
        end = max((entry["data_offsets"][1] for entry in tensors.values()), default=0)
        if size != 8 + length + end:
            raise ValueError(f"{path} is truncated: {size} bytes, should be {8 + length + end}")
        return {name: (tuple(one["shape"]), str(one["dtype"])) for name, one in tensors.items()}
    except (OSError, struct.error, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is not a readable safetensors file") from error
