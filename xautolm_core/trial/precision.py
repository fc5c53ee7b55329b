"""Device and numerical precision of a trial."""

from __future__ import annotations

import contextlib
from typing import Any
from typing import Literal

import torch

from xautolm_core.trial.failures import InvalidConfiguration

Precision = Literal["float32", "bfloat16", "float16"]


def choose_device(asked: str) -> torch.device:
    """Return the device: ``auto`` takes a GPU where there is one.

    Raises:
        InvalidConfiguration: A GPU was asked for and there is none.
    """
    available = asked != "cpu" and torch.cuda.is_available()
    if asked == "cuda" and not available:
        raise InvalidConfiguration("A CUDA device was asked for and there is none")
    return torch.device("cuda" if available else "cpu")


def choose_precision(device: torch.device, mixed: bool | None) -> Precision:
    """Return the precision of the matrix products; weights stay in float32.

    On a CPU bfloat16 is taken where the instruction set multiplies it (AVX-512 BF16, AMX): there a
    training step takes about 0.4 times as long as in float32 (see docs/trials.md); where it is
    emulated it would be slower. The choice depends on the machine alone, never on a measurement, so
    that a trial is repeatable.

    Args:
        device: Where the trial runs.
        mixed: Whether mixed precision is wanted; None means where it helps.
    """
    if mixed is False:
        return "float32"
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float16"
    return "bfloat16" if cpu_multiplies_bfloat16() else "float32"


def cpu_multiplies_bfloat16() -> bool:
    """Whether this CPU has instructions for products of bfloat16."""
    # Both are private in PyTorch; without them the answer is no.
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    found = (getattr(torch.cpu, name, None) for name in checks)
    return any(check() for check in found if check is not None)


def autocast(device: torch.device, precision: Precision) -> contextlib.AbstractContextManager[Any]:
    """Return the context in which a forward pass runs."""
    if precision == "float32":
        return contextlib.nullcontext()
    return torch.autocast(device.type, dtype=getattr(torch, precision))
