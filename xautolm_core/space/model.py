"""Models of a search space: what they are like, and where their weights are."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from pydantic import BaseModel
from pydantic import ConfigDict


class ModelKind(StrEnum):
    """Layout of a transformer."""

    ENCODER = "encoder"
    DECODER = "decoder"
    ENCODER_DECODER = "encoder-decoder"


class ModelDescriptor(BaseModel):
    """What is known of a model from its config alone, without loading weights.

    Attributes:
        architecture: ``model_type`` of the config, such as ``bert``.
        kind: Encoder, decoder or both.
        parameters: Number of parameters of the backbone.
        embedding_parameters: Those of them in the token and position embeddings.
        layers: Number of transformer blocks (of encoder plus decoder).
        width: Hidden size.
        feed_forward_width: Inner width of the feed-forward blocks.
        heads: Attention heads a block.
        vocabulary: Number of tokens.
        max_length: Longest input in tokens.
        computed_parameters: Weights of the blocks that each token is multiplied with in a forward
            pass (shared blocks count as often as they run, of experts the chosen ones); 0 if not
            known.
        languages: ISO 639-1 codes; ``multilingual`` for many.
        pretrained: False for an architecture with random weights.
        base: Hub id of the model whose first blocks it is; empty for a whole one.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    architecture: str
    kind: ModelKind
    parameters: int
    embedding_parameters: int
    layers: int
    width: int
    feed_forward_width: int
    heads: int
    vocabulary: int
    max_length: int
    computed_parameters: int = 0
    languages: tuple[str, ...] = ()
    pretrained: bool = True
    base: str = ""


class ModelReference(BaseModel):
    """Where a trial finds a model.

    Exactly one of ``path`` (a local folder), ``untrained_config`` (an architecture to be built with
    random weights) and neither (load ``id`` at ``revision`` from the hub) applies.

    Attributes:
        id: Hub id, or the catalogue's name.
        revision: Commit or tag on the hub; None for a local model.
        path: Folder with config, tokenizer and safetensors weights.
        untrained_config: ``transformers`` config values including ``model_type``; the tokenizer is
            trained on the task, ``vocab_size`` is its upper limit.
        base: Hub id of the model whose first blocks it is; None for a whole one.
        blocks: How many of them it has; what lies in the folder or on the hub is whole.
        digest: SHA-256 over the tokenizer files (hex), so that tokenised data can be shared.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    revision: str | None = None
    path: str | None = None
    untrained_config: Mapping[str, Any] | None = None
    base: str | None = None
    blocks: int | None = None
    digest: str = ""

    @property
    def source(self) -> str:
        """Folder or hub id that config, tokenizer and weights are loaded from."""
        return self.path or self.base or self.id
