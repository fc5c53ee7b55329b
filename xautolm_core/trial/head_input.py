"""A classifier's head run alone, on the one vector a row that it reads of the backbone's answer.

The model's own ``forward`` runs, with a stand-in for the backbone that answers with kept vectors:
each row is a text of one token whose hidden state is the vector. Nothing of the head is rewritten
here, so any architecture whose head reads one vector a row can do without its backbone.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any
from typing import Literal

import torch
from torch import nn
from transformers.utils import ModelOutput

from xautolm_core.trial.architectures import backbone
from xautolm_core.trial.architectures import pooler_of

Position = Literal["first", "last", "eos", "mean"]
"""Input of the head: the hidden state of the first token, of the last token that is not padding,
of the last end-of-sequence token, or the mean of all but padding."""

POSITIONS: tuple[Position, ...] = ("first", "last", "eos", "mean")


@dataclass
class _Answer(ModelOutput):
    """What a backbone answers; heads look at these and pass on the others."""

    last_hidden_state: Any = None
    pooler_output: Any = None
    past_key_values: Any = None
    hidden_states: Any = None
    attentions: Any = None
    cross_attentions: Any = None
    decoder_hidden_states: Any = None
    decoder_attentions: Any = None
    encoder_last_hidden_state: Any = None
    encoder_hidden_states: Any = None
    encoder_attentions: Any = None


class _StandIn(nn.Module):
    """Answers in the place of a backbone with the vectors that it was given."""

    def __init__(self, pooler: nn.Module | None, activation: nn.Module | None) -> None:
        super().__init__()
        self.pooler = pooler
        self.activation = activation
        self.vectors: torch.Tensor | None = None

    def forward(self, *_: Any, **__: Any) -> _Answer:
        assert self.vectors is not None
        hidden = self.vectors.unsqueeze(1)
        return _Answer(last_hidden_state=hidden, pooler_output=self._pooled(hidden))

    def _pooled(self, hidden: torch.Tensor) -> Any:
        if self.pooler is None:
            return None
        if isinstance(self.pooler, nn.Linear):
            pooled = self.pooler(hidden[:, 0])
            return pooled if self.activation is None else self.activation(pooled)
        return self.pooler(hidden)


class Head:
    """The head of a classifier, whose weights are the classifier's own.

    Args:
        model: The whole classifier, on its device.
    """

    def __init__(self, model: Any) -> None:
        inner = backbone(model)
        names = [name for name, module in model.named_children() if module is inner]
        if len(names) != 1:
            raise ValueError("the classifier's backbone is none of its own modules")
        activation = getattr(inner, "pooler_activation", None)
        self._stand_in = _StandIn(
            pooler_of(model), activation if isinstance(activation, nn.Module) else None
        )
        # A shallow copy: all other modules, and whether they train, are the model's own.
        self._head = copy.copy(model)
        self._head._modules = {**model._modules, names[0]: self._stand_in}
        end = model.config.get_text_config().eos_token_id
        self._token = end if isinstance(end, int) else 0

    def logits(self, vectors: torch.Tensor) -> torch.Tensor:
        """Return logits (rows, classes) for vectors (rows, width)."""
        self._stand_in.vectors = vectors
        shape = (len(vectors), 1)
        ids = torch.full(shape, self._token, device=vectors.device)
        mask = torch.ones(shape, dtype=torch.long, device=vectors.device)
        found: torch.Tensor = self._head(input_ids=ids, attention_mask=mask).logits
        return found


def read_vectors(
    hidden: torch.Tensor,
    ids: torch.Tensor,
    mask: torch.Tensor,
    position: Position,
    end: int | None,
) -> torch.Tensor:
    """Return the one vector of each row, (rows, width).

    Args:
        hidden: Hidden states, (rows, tokens, width).
        ids: Token ids, (rows, tokens).
        mask: 1 where a token is, 0 where padding is, (rows, tokens).
        position: Which vector.
        end: The end-of-sequence token; without one the last token is taken for it.
    """
    places = torch.arange(ids.shape[1], device=ids.device)
    match position:
        case "mean":
            kept = mask.unsqueeze(-1)
            return (hidden * kept).sum(1) / kept.sum(1)
        case "first":
            chosen = torch.zeros(len(ids), dtype=torch.long, device=ids.device)
        case "eos" if end is not None:
            chosen = (places * (ids == end)).argmax(1)
        case _:
            chosen = (places * mask).argmax(1)
    return hidden[torch.arange(len(ids), device=ids.device), chosen]
