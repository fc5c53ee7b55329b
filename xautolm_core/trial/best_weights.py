"""Keeps the weights of the best evaluation."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import nn


class BestWeights:
    """A copy of the trainable parameters, on the CPU.

    Frozen parameters never change and are not copied; nothing is copied either where no training
    follows, because the model itself has the best weights then.
    """

    def __init__(self, model: nn.Module) -> None:
        self._parameters = [p for p in model.parameters() if p.requires_grad]
        self._copies: list[torch.Tensor] | None = None
        self._current = True

    def keep(self, *, last: bool) -> None:
        """The model is the best so far; ``last`` says that it will not be trained any further."""
        self._current = True
        if last:
            self._copies = None
        elif self._copies is None:
            self._copies = [
                p.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
                for p in self._parameters
            ]
        else:
            for copy, parameter in zip(self._copies, self._parameters, strict=True):
                copy.copy_(parameter.detach())

    def trained_on(self) -> None:
        """The model has changed since."""
        self._current = False

    def apart(self) -> list[torch.Tensor] | None:
        """Return the copies of the best weights, in the parameters' order; None if not needed."""
        return None if self._current else self._copies

    def take(self, copies: list[torch.Tensor]) -> None:
        """Take best weights, which are not the model's own, from a checkpoint."""
        self._copies = copies
        self._current = False

    def restore(self) -> None:
        """Put the best weights back into the model."""
        if self._current or self._copies is None:
            return
        with torch.no_grad():
            for copy, parameter in zip(self._copies, self._parameters, strict=True):
                parameter.copy_(copy)
        self._current = True

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """Let the model have its best weights within the block, and its latest again after it."""
        if self._current or self._copies is None:
            yield
            return
        self._exchange(self._copies)
        try:
            yield
        finally:
            self._exchange(self._copies)

    def _exchange(self, copies: list[torch.Tensor]) -> None:
        with torch.no_grad():
            for copy, parameter in zip(copies, self._parameters, strict=True):
                # One parameter after the other, so that little memory is needed.
                latest = parameter.detach().clone()
                parameter.copy_(copy)
                copy.copy_(latest)
