"""A model's size by its config, and how its values are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from xautolm_core.space.model import ModelKind

# Names of the same value in different families.
_ALIASES: Mapping[str, tuple[str, ...]] = {
    "hidden_size": ("n_embd", "d_model", "dim"),
    "num_hidden_layers": ("n_layer", "n_layers", "num_layers"),
    "num_attention_heads": ("n_head", "n_heads", "num_heads"),
    "num_key_value_heads": ("num_kv_heads",),
    "intermediate_size": (
        "n_inner",
        "hidden_dim",
        "ffn_dim",
        "d_ff",
        "d_inner",
        "dff",
        "ffn_hidden_size",
    ),
    "max_position_embeddings": ("n_positions", "max_seq_len"),
    "embedding_size": ("input_embedding_size",),
    "num_local_experts": ("num_experts", "n_routed_experts"),
}


@dataclass(frozen=True)
class Shape:
    """A model's size by its config.

    Attributes:
        kind: Encoder, decoder or both.
        embedding: Parameters of token, position and type embeddings.
        blocks: Parameters of the transformer blocks.
        other: All other parameters (norms, projections, poolers).
        computed: Weights of the blocks that each token is multiplied with in a forward pass: shared
            blocks count as often as they run, of experts only the chosen ones.
        layers: Transformer blocks, of encoder plus decoder.
        width: Hidden size.
        feed_forward: Inner width of the feed-forward blocks.
        heads: Attention heads per block.
        vocabulary: Number of tokens.
        max_length: Longest input in tokens.
    """

    kind: ModelKind
    embedding: int
    blocks: int
    other: int
    computed: int
    layers: int
    width: int
    feed_forward: int
    heads: int
    vocabulary: int
    max_length: int


class ConfigValues:
    """A config's values under one name each, with the family's defaults for missing ones.

    Args:
        values: The config.
        defaults: Defaults of ``transformers``.
    """

    def __init__(self, values: Mapping[str, Any], defaults: Mapping[str, Any]) -> None:
        self._values = values
        self._defaults = defaults

    def value(self, name: str) -> Any:
        """Return a value; None if neither the config nor the defaults have it."""
        names = (name, *_ALIASES.get(name, ()))
        written = (source.get(one) for source in (self._values, self._defaults) for one in names)
        return next((value for value in written if value is not None), None)

    def whole(self, name: str, default: int | None = None) -> int:
        """Return a whole number from 0.

        Args:
            name: Name of the value.
            default: Default of a missing value; None if it is required.

        Raises:
            ValueError: It is not a whole number.
        """
        value = self.value(name)
        if value is None and default is not None:
            return default
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise ValueError(f"{name} of its config is {value!r}, should be a whole number")
        return value

    def flag(self, name: bool | str) -> bool:
        """Return a flag as it is, or the boolean of the value of that name."""
        return name if isinstance(name, bool) else bool(self.value(name))
