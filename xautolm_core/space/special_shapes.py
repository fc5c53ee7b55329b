"""Families whose blocks are not all alike: shared, with relative positions, or in two stacks.

Each function follows the modules that the ``transformers`` library builds for ``AutoModel`` of the
family, so that the counts are exact. Names: ``h`` hidden size, ``f`` inner width of the
feed-forward block, ``e`` embedding size.
"""

from __future__ import annotations

from xautolm_core.space.model import ModelKind
from xautolm_core.space.shape import ConfigValues
from xautolm_core.space.shape import Shape


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


def albert(c: ConfigValues) -> Shape:
    """Return the shape of an ALBERT, whose blocks share their weights."""
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


def _attention_types(c: ConfigValues) -> set[str]:
    types = c.value("pos_att_type") or ()
    names = types.split("|") if isinstance(types, str) else types
    return {str(name).strip() for name in names} if c.value("relative_attention") else set()


def deberta(c: ConfigValues) -> Shape:
    """Return the shape of a DeBERTa."""
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


def deberta_v2(c: ConfigValues) -> Shape:
    """Return the shape of a DeBERTa of version 2 or 3."""
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


def _deberta_embedding(c: ConfigValues, h: int) -> int:
    e = c.value("embedding_size") or h
    rows = c.whole("vocab_size") + c.whole("type_vocab_size")
    if c.value("position_biased_input"):
        rows += c.whole("max_position_embeddings")
    return rows * e + (e * h if e != h else 0)


def _relative_positions(c: ConfigValues, positions: int) -> int:
    span = c.value("max_relative_positions")
    return span if span and span > 0 else positions


def t5(c: ConfigValues, *, biases_in_all_blocks: bool = False) -> Shape:
    """Return the shape of a T5.

    Args:
        c: Its config.
        biases_in_all_blocks: Whether each block has biases of relative positions of its own,
            instead of the first one of each stack.
    """
    h, f, vocabulary = c.whole("d_model"), c.whole("d_ff"), c.whole("vocab_size")
    encoder = c.whole("num_layers")
    decoder = c.value("num_decoder_layers") or encoder
    heads = c.whole("num_heads")
    attention = 4 * h * heads * c.whole("d_kv")
    is_gated = "gated" in str(c.value("feed_forward_proj"))
    inner = (3 if is_gated else 2) * h * f
    # Norms have only a scale.
    weights = encoder * (attention + inner) + decoder * (2 * attention + inner)
    biased = encoder + decoder if biases_in_all_blocks else 2
    biases = biased * c.whole("relative_attention_num_buckets") * heads
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


def bart(c: ConfigValues, *, final_norms: bool = False) -> Shape:
    """Return the shape of a BART.

    Args:
        c: Its config.
        final_norms: Whether the output of each stack is normalised.
    """
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
        other=(4 if final_norms else 2) * _norm(h),
        computed=computed,
        layers=encoder + decoder,
        width=h,
        feed_forward=max(f_encoder, f_decoder),
        heads=c.whole("encoder_attention_heads"),
        vocabulary=vocabulary,
        max_length=positions,
    )
