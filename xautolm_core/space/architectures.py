"""Parameter counts of transformer families, from their config alone.

Each function follows the modules that the ``transformers`` library builds for ``AutoModel`` of the
family, so that the counts are exact. Names: ``h`` hidden size, ``f`` inner width of the
feed-forward block, ``e`` embedding size.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from xautolm_core.space.architecture_defaults import FAMILY_DEFAULTS
from xautolm_core.space.model import ModelKind


@dataclass(frozen=True)
class Shape:
    """What a config says of a model's size.

    Attributes:
        kind: Encoder, decoder or both.
        embedding: Parameters of token, position and type embeddings.
        blocks: Parameters of the transformer blocks.
        other: All other parameters (norms, projections, poolers).
        computed: Weights of the blocks that each token is multiplied with in a forward pass: shared
            blocks count as often as they run, of experts those that are chosen.
        layers: Transformer blocks, of encoder plus decoder.
        width: Hidden size.
        feed_forward: Inner width of the feed-forward blocks.
        heads: Attention heads a block.
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


class _Config:
    """A config's values, with the family's defaults for those that are not written."""

    def __init__(self, values: Mapping[str, Any], defaults: Mapping[str, Any]) -> None:
        self._values = values
        self._defaults = defaults

    def whole(self, name: str) -> int:
        value = self.value(name)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise ValueError(f"{name} of its config is {value!r}, should be a whole number")
        return value

    def value(self, name: str) -> Any:
        value = self._values.get(name)
        return self._defaults.get(name) if value is None else value


def _attention(h: int) -> int:
    """Query, key, value and output projections with bias."""
    return 4 * (h * h + h)


def _feed_forward(h: int, f: int) -> int:
    """Two projections with bias."""
    return 2 * h * f + h + f


def _norm(h: int) -> int:
    """Scale and shift of a layer norm."""
    return 2 * h


def _bert_block(h: int, f: int) -> int:
    return _attention(h) + _feed_forward(h, f) + 2 * _norm(h)


def _bert_like(
    c: _Config, *, pooler: bool, embedding_width: int | None = None, position_offset: int = 0
) -> Shape:
    h, f, n = c.whole("hidden_size"), c.whole("intermediate_size"), c.whole("num_hidden_layers")
    e = embedding_width or h
    vocabulary, positions = c.whole("vocab_size"), c.whole("max_position_embeddings")
    projection = e * h + h if e != h else 0
    return Shape(
        kind=ModelKind.ENCODER,
        embedding=(vocabulary + positions + c.whole("type_vocab_size")) * e,
        blocks=n * _bert_block(h, f),
        other=_norm(e) + projection + (h * h + h if pooler else 0),
        computed=n * (4 * h * h + 2 * h * f),
        layers=n,
        width=h,
        feed_forward=f,
        heads=c.whole("num_attention_heads"),
        vocabulary=vocabulary,
        max_length=positions - position_offset,
    )


def _bert(c: _Config) -> Shape:
    return _bert_like(c, pooler=True)


def _roberta(c: _Config) -> Shape:
    # Positions begin after the padding token's index.
    return _bert_like(c, pooler=True, position_offset=2)


def _electra(c: _Config) -> Shape:
    return _bert_like(c, pooler=False, embedding_width=c.whole("embedding_size"))


def _albert(c: _Config) -> Shape:
    h, f, n = c.whole("hidden_size"), c.whole("intermediate_size"), c.whole("num_hidden_layers")
    e, vocabulary = c.whole("embedding_size"), c.whole("vocab_size")
    positions = c.whole("max_position_embeddings")
    stored = c.whole("num_hidden_groups") * c.whole("inner_group_num")
    return Shape(
        kind=ModelKind.ENCODER,
        embedding=(vocabulary + positions + c.whole("type_vocab_size")) * e,
        blocks=stored * _bert_block(h, f),
        other=_norm(e) + e * h + h + h * h + h,
        computed=n * c.whole("inner_group_num") * (4 * h * h + 2 * h * f),
        layers=n,
        width=h,
        feed_forward=f,
        heads=c.whole("num_attention_heads"),
        vocabulary=vocabulary,
        max_length=positions,
    )


def _distilbert(c: _Config) -> Shape:
    h, f, n = c.whole("dim"), c.whole("hidden_dim"), c.whole("n_layers")
    vocabulary, positions = c.whole("vocab_size"), c.whole("max_position_embeddings")
    return Shape(
        kind=ModelKind.ENCODER,
        embedding=(vocabulary + positions) * h,
        blocks=n * _bert_block(h, f),
        other=_norm(h),
        computed=n * (4 * h * h + 2 * h * f),
        layers=n,
        width=h,
        feed_forward=f,
        heads=c.whole("n_heads"),
        vocabulary=vocabulary,
        max_length=positions,
    )


def _attention_types(c: _Config) -> set[str]:
    types = c.value("pos_att_type") or ()
    names = types.split("|") if isinstance(types, str) else types
    return {str(name).strip() for name in names} if c.value("relative_attention") else set()


def _deberta(c: _Config) -> Shape:
    h, f, n = c.whole("hidden_size"), c.whole("intermediate_size"), c.whole("num_hidden_layers")
    vocabulary, positions = c.whole("vocab_size"), c.whole("max_position_embeddings")
    types = _attention_types(c)
    attention = 3 * h * h + 2 * h + h * h + h
    if "c2p" in types:
        attention += h * h
    if "p2c" in types:
        attention += h * h + h
    return Shape(
        kind=ModelKind.ENCODER,
        embedding=_deberta_embedding(c, h),
        blocks=n * (attention + _feed_forward(h, f) + 2 * _norm(h)),
        other=_norm(h) + (2 * _relative_positions(c, positions) * h if types else 0),
        computed=n * (4 * h * h + 2 * h * f),
        layers=n,
        width=h,
        feed_forward=f,
        heads=c.whole("num_attention_heads"),
        vocabulary=vocabulary,
        max_length=positions,
    )


def _deberta_v2(c: _Config) -> Shape:
    h, f, n = c.whole("hidden_size"), c.whole("intermediate_size"), c.whole("num_hidden_layers")
    vocabulary, positions = c.whole("vocab_size"), c.whole("max_position_embeddings")
    types = _attention_types(c)
    attention = _attention(h)
    if not c.value("share_att_key"):
        attention += len(types & {"c2p", "p2c"}) * (h * h + h)
    other = _norm(h)
    if c.value("relative_attention"):
        buckets = c.value("position_buckets")
        span = buckets if buckets and buckets > 0 else _relative_positions(c, positions)
        other += 2 * span * h
        if "layer_norm" in str(c.value("norm_rel_ebd")):
            other += _norm(h)
    kernel = c.value("conv_kernel_size") or 0
    if kernel > 0:
        groups = c.value("conv_groups") or 1
        other += h * (h // groups) * kernel + h + _norm(h)
    return Shape(
        kind=ModelKind.ENCODER,
        embedding=_deberta_embedding(c, h),
        blocks=n * (attention + _feed_forward(h, f) + 2 * _norm(h)),
        other=other,
        computed=n * (4 * h * h + 2 * h * f),
        layers=n,
        width=h,
        feed_forward=f,
        heads=c.whole("num_attention_heads"),
        vocabulary=vocabulary,
        max_length=positions,
    )


def _deberta_embedding(c: _Config, h: int) -> int:
    e = c.value("embedding_size") or h
    rows = c.whole("vocab_size") + c.whole("type_vocab_size")
    if c.value("position_biased_input"):
        rows += c.whole("max_position_embeddings")
    return rows * e + (e * h if e != h else 0)


def _relative_positions(c: _Config, positions: int) -> int:
    span = c.value("max_relative_positions")
    return span if span and span > 0 else positions


def _gpt2(c: _Config) -> Shape:
    h, n = c.whole("n_embd"), c.whole("n_layer")
    f = c.value("n_inner") or 4 * h
    vocabulary, positions = c.whole("vocab_size"), c.whole("n_positions")
    return Shape(
        kind=ModelKind.DECODER,
        embedding=(vocabulary + positions) * h,
        blocks=n * _bert_block(h, f),
        other=_norm(h),
        computed=n * (4 * h * h + 2 * h * f),
        layers=n,
        width=h,
        feed_forward=f,
        heads=c.whole("n_head"),
        vocabulary=vocabulary,
        max_length=positions,
    )


def _t5(c: _Config) -> Shape:
    h, f, vocabulary = c.whole("d_model"), c.whole("d_ff"), c.whole("vocab_size")
    encoder = c.whole("num_layers")
    decoder = c.value("num_decoder_layers") or encoder
    heads = c.whole("num_heads")
    attention = 4 * h * heads * c.whole("d_kv")
    is_gated = "gated" in str(c.value("feed_forward_proj"))
    inner = (3 if is_gated else 2) * h * f
    # Norms have a scale alone; the first block of each stack holds the relative position biases.
    weights = encoder * (attention + inner) + decoder * (2 * attention + inner)
    biases = 2 * c.whole("relative_attention_num_buckets") * heads
    return Shape(
        kind=ModelKind.ENCODER_DECODER,
        embedding=vocabulary * h,
        blocks=weights + encoder * 2 * h + decoder * 3 * h + biases,
        other=2 * h,
        computed=weights,
        layers=encoder + decoder,
        width=h,
        feed_forward=f,
        heads=heads,
        vocabulary=vocabulary,
        max_length=c.whole("n_positions"),
    )


def _bart(c: _Config) -> Shape:
    h, vocabulary = c.whole("d_model"), c.whole("vocab_size")
    encoder, decoder = c.whole("encoder_layers"), c.whole("decoder_layers")
    f_encoder, f_decoder = c.whole("encoder_ffn_dim"), c.whole("decoder_ffn_dim")
    positions = c.whole("max_position_embeddings")
    blocks = encoder * _bert_block(h, f_encoder)
    blocks += decoder * (_bert_block(h, f_decoder) + _attention(h) + _norm(h))
    computed = encoder * (4 * h * h + 2 * h * f_encoder)
    computed += decoder * (8 * h * h + 2 * h * f_decoder)
    return Shape(
        kind=ModelKind.ENCODER_DECODER,
        # Both stacks have learnt positions, with two rows that are never used.
        embedding=(vocabulary + 2 * (positions + 2)) * h,
        blocks=blocks,
        other=2 * _norm(h),
        computed=computed,
        layers=encoder + decoder,
        width=h,
        feed_forward=max(f_encoder, f_decoder),
        heads=c.whole("encoder_attention_heads"),
        vocabulary=vocabulary,
        max_length=positions,
    )


def _phi(c: _Config) -> Shape:
    h, f, n = c.whole("hidden_size"), c.whole("intermediate_size"), c.whole("num_hidden_layers")
    heads, vocabulary = c.whole("num_attention_heads"), c.whole("vocab_size")
    key_value = h // heads * (c.value("num_key_value_heads") or heads)
    attention = 2 * (h * h + h) + 2 * (h * key_value + key_value)
    return Shape(
        kind=ModelKind.DECODER,
        embedding=vocabulary * h,
        blocks=n * (attention + _feed_forward(h, f) + _norm(h)),
        other=_norm(h),
        computed=n * (2 * h * h + 2 * h * key_value + 2 * h * f),
        layers=n,
        width=h,
        feed_forward=f,
        heads=heads,
        vocabulary=vocabulary,
        max_length=c.whole("max_position_embeddings"),
    )


def _llama_like(c: _Config, *, experts: int = 1, chosen: int = 1) -> Shape:
    """Gated feed-forward blocks, grouped keys and values, no biases, norms with a scale alone."""
    h, f, n = c.whole("hidden_size"), c.whole("intermediate_size"), c.whole("num_hidden_layers")
    heads, vocabulary = c.whole("num_attention_heads"), c.whole("vocab_size")
    head_width = c.value("head_dim") or h // heads
    key_value = head_width * (c.value("num_key_value_heads") or heads)
    attention = 2 * h * heads * head_width + 2 * h * key_value
    router = h * experts if experts > 1 else 0
    return Shape(
        kind=ModelKind.DECODER,
        embedding=vocabulary * h,
        blocks=n * (attention + experts * 3 * h * f + router + 2 * h),
        other=h,
        computed=n * (attention + chosen * 3 * h * f + router),
        layers=n,
        width=h,
        feed_forward=f,
        heads=heads,
        vocabulary=vocabulary,
        max_length=c.whole("max_position_embeddings"),
    )


def _mixtral(c: _Config) -> Shape:
    return _llama_like(
        c, experts=c.whole("num_local_experts"), chosen=c.whole("num_experts_per_tok")
    )


_READERS: Mapping[str, Callable[[_Config], Shape]] = {
    "bert": _bert,
    "roberta": _roberta,
    "xlm-roberta": _roberta,
    "camembert": _roberta,
    "electra": _electra,
    "distilbert": _distilbert,
    "albert": _albert,
    "deberta": _deberta,
    "deberta-v2": _deberta_v2,
    "gpt2": _gpt2,
    "t5": _t5,
    "bart": _bart,
    "phi": _phi,
    "phi3": _llama_like,
    "mistral": _llama_like,
    "mixtral": _mixtral,
}

FAMILIES = tuple(_READERS)
"""The values of ``model_type`` that ``shape_of`` knows."""


def shape_of(config: Mapping[str, Any]) -> Shape:
    """Return the shape that a ``transformers`` config describes.

    Raises:
        ValueError: The family is not known, or a value makes no sense; the message says which.
    """
    model_type = config.get("model_type")
    if not isinstance(model_type, str) or model_type not in _READERS:
        raise ValueError(f"its architecture {model_type!r} is not one of {', '.join(FAMILIES)}")
    return _READERS[model_type](_Config(config, FAMILY_DEFAULTS[model_type]))
