"""The rule by which most transformers are built, and the traits of families.

A model is an embedding, ``n`` equal blocks of attention and feed-forward, and a few norms. Its
parameters follow from the config once it is known which projections have biases, which norms there
are and whether the feed-forward block is gated: these are the traits of a family.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from xautolm_core.space.model import ModelKind
from xautolm_core.space.shape import ConfigValues
from xautolm_core.space.shape import Shape

UNLIMITED_TOKENS = 1_000_000
"""Longest input of a model without a limit."""


@dataclass(frozen=True)
class Traits:
    """The traits of a family; the defaults are those of Llama.

    A flag that is a name refers to the value of that name in the config.

    Attributes:
        kind: Encoder or decoder.
        norm_bias: Whether norms have a shift in addition to their scale.
        norms: Norms per block.
        missing_norms: Number of norms that the first block lacks.
        grouped: Whether queries may share keys and values (``num_key_value_heads``); a family that
            does not share them ignores the value.
        query_key_norm: Norms of queries and keys: none, one of a head's width each, or one of all
            heads.
        qkv_bias: Whether queries, keys and values have biases.
        output_bias: Whether the attention's output projection has one.
        feed_forward_bias: Whether the feed-forward block's projections have biases.
        gated: Whether the feed-forward block has a gate: three projections instead of two.
        positions: Whether positions are learnt embeddings.
        unused_positions: Rows of the position embedding beyond the longest input.
        lost_positions: Rows of the longest input in the config that are never used, as positions
            start after the padding token's index.
        types: Whether segments have embeddings.
        buckets: Whether all blocks share an embedding of relative positions.
        embedding_norm: Whether the embedding is normalised.
        final_norm: Whether the last block's output is normalised.
        pooler: Whether the model has a pooler of its own.
    """

    kind: ModelKind = ModelKind.DECODER
    norm_bias: bool | str = False
    norms: int = 2
    missing_norms: int = 0
    grouped: bool = True
    query_key_norm: Literal["none", "head", "all"] = "none"
    qkv_bias: bool | str = "attention_bias"
    output_bias: bool | str = "attention_bias"
    feed_forward_bias: bool | str = "mlp_bias"
    gated: bool = True
    positions: bool = False
    unused_positions: int = 0
    lost_positions: int = 0
    types: bool = False
    buckets: bool = False
    embedding_norm: bool = False
    final_norm: bool = True
    pooler: bool = False


def shape_by_rule(c: ConfigValues, traits: Traits) -> Shape:
    """Return the shape of a model that is built by the rule.

    Raises:
        ValueError: A value of the config is missing or invalid; the message says which.
    """
    h, n = c.whole("hidden_size"), c.whole("num_hidden_layers")
    f = c.whole("intermediate_size", 4 * h)
    e = c.whole("embedding_size", h)
    vocabulary = c.whole("vocab_size")
    norm = h * (2 if c.flag(traits.norm_bias) else 1)
    attention, attention_other = _attention(c, traits, h)
    feed_forward, chosen, feed_forward_other = _feed_forward(c, traits, h, f)
    block = attention + attention_other + feed_forward + feed_forward_other + traits.norms * norm
    embedding_norm = norm // h * e if traits.embedding_norm else 0
    other = embedding_norm + (norm if traits.final_norm else 0) + (e * h + h if e != h else 0)
    other += h * h + h if traits.pooler else 0
    heads = c.whole("num_attention_heads")
    other += c.whole("relative_attention_num_buckets") * heads if traits.buckets else 0
    rows, positions = vocabulary, c.whole("max_position_embeddings", 0)
    rows += positions + traits.unused_positions if traits.positions else 0
    rows += c.whole("type_vocab_size", 0) if traits.types else 0
    return Shape(
        kind=traits.kind,
        embedding=rows * e,
        blocks=n * block - traits.missing_norms * norm,
        other=other,
        computed=n * (attention + chosen),
        layers=n,
        width=h,
        feed_forward=f,
        heads=heads,
        vocabulary=vocabulary,
        max_length=positions - traits.lost_positions if positions else UNLIMITED_TOKENS,
    )


def _attention(c: ConfigValues, traits: Traits, h: int) -> tuple[int, int]:
    """Return the weights of a block's attention, and its biases with its own norms."""
    heads = c.whole("num_attention_heads")
    if not heads:
        raise ValueError("num_attention_heads of its config is 0")
    head_width = c.whole("head_dim", h // heads)
    shared = c.whole("num_key_value_heads", heads) if traits.grouped else heads
    query, key = heads * head_width, head_width * shared
    other = query + 2 * key if c.flag(traits.qkv_bias) else 0
    other += h if c.flag(traits.output_bias) else 0
    match traits.query_key_norm:
        case "head":
            other += 2 * head_width
        case "all":
            other += query + key
    return 2 * h * query + 2 * h * key, other


def _feed_forward(c: ConfigValues, traits: Traits, h: int, f: int) -> tuple[int, int, int]:
    """Return the weights of a block's feed-forward part, those that a token uses, its biases."""
    experts = c.whole("num_local_experts", 1)
    if experts > 1:
        f = c.whole("moe_intermediate_size", f)
    projections = 3 if traits.gated else 2
    one = projections * h * f
    biases = (projections - 1) * f + h if c.flag(traits.feed_forward_bias) else 0
    if experts <= 1:
        return one, one, biases
    router = h * experts
    chosen = c.whole("num_experts_per_tok", 2)
    return experts * one + router, chosen * one + router, experts * biases
