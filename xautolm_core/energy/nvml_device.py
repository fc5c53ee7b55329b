"""Find the GPU of a trial in NVML, and the trial's part of it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class NvmlDevice:
    """A GPU, or a part of one.

    Attributes:
        nvml: The module ``pynvml``, or a substitute.
        board: Handle of the whole GPU, the only one with energy and power.
        part: Handle of the MIG device; the same as ``board`` if it is none.
        uuid: UUID of the part.
        name: Product name.
        share: The part's compute slices of all, in (0, 1].
    """

    nvml: Any
    board: Any
    part: Any
    uuid: str
    name: str
    share: float = 1.0

    @property
    def is_mig(self) -> bool:
        """Whether it is a MIG device."""
        return self.share < 1 or self.part is not self.board

    def users(self) -> int:
        """Return how many processes compute on the part, at least 1.

        Raises:
            nvml.NVMLError: The GPU does not answer.
        """
        return max(1, len(self.nvml.nvmlDeviceGetComputeRunningProcesses(self.part)))


def find_device(nvml: Any, *, uuid: str | None, visible: str | None) -> NvmlDevice | None:
    """Return the GPU that a process computes on; None if NVML knows none.

    Args:
        nvml: The module ``pynvml``, initialised.
        uuid: UUID from CUDA, with or without ``GPU-``; None if unknown.
        visible: ``CUDA_VISIBLE_DEVICES``; its first entry is used if there is no ``uuid``.
    """
    for handle in _handles(nvml, uuid, visible):
        try:
            return _described(nvml, handle)
        except nvml.NVMLError:
            continue
    return None


def _handles(nvml: Any, uuid: str | None, visible: str | None) -> Iterator[Any]:
    first = (visible or "").split(",")[0].strip()
    names = [f"GPU-{uuid}", f"MIG-{uuid}"] if uuid and "-" in uuid else []
    if uuid and uuid.startswith(("GPU-", "MIG-")):
        names = [uuid]
    # A named MIG device is used, whatever UUID CUDA reports.
    names = [first, *names] if first.startswith("MIG-") else [*names, first]
    for name in names:
        if name.startswith(("GPU-", "MIG-")):
            with contextlib.suppress(nvml.NVMLError):
                yield nvml.nvmlDeviceGetHandleByUUID(name)
    with contextlib.suppress(nvml.NVMLError):
        yield nvml.nvmlDeviceGetHandleByIndex(int(first) if first.isdigit() else 0)


def _described(nvml: Any, handle: Any) -> NvmlDevice:
    """Describe a GPU or MIG device; of a GPU in MIG mode its first MIG device."""
    board, part = handle, handle
    if _asks(nvml, "nvmlDeviceIsMigDeviceHandle", handle):
        board = nvml.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(handle)
    elif (mode := _asks(nvml, "nvmlDeviceGetMigMode", handle)) and mode[0]:
        part = _asks(nvml, "nvmlDeviceGetMigDeviceHandleByIndex", handle, 0) or handle
    share = 1.0
    if part is not board:
        slices = nvml.nvmlDeviceGetAttributes(part).computeInstanceSliceCount
        share = min(1.0, slices / max(1, nvml.nvmlDeviceGetMaxMigDeviceCount(board)))
    uuid, name = nvml.nvmlDeviceGetUUID(part), nvml.nvmlDeviceGetName(board)
    return NvmlDevice(
        nvml=nvml,
        board=board,
        part=part,
        uuid=uuid if isinstance(uuid, str) else uuid.decode(),
        name=name if isinstance(name, str) else name.decode(),
        share=share,
    )


def _asks(nvml: Any, name: str, *arguments: Any) -> Any:
    """Call a function that older GPUs and drivers lack; return None there."""
    try:
        return getattr(nvml, name)(*arguments)
    except (AttributeError, nvml.NVMLError):
        return None
