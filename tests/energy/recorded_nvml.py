"""Sequences of NVML's answers, call after call; stands for the module ``pynvml``.

They are written down by the documentation of NVML, not taken from a machine: there was none with
a GPU. Names, errors and units are those of ``pynvml``: millijoules, milliwatts, its own exceptions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from types import SimpleNamespace
from typing import Any

import pynvml

NOT_SUPPORTED = pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
LOST = pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)
TIMEOUT = pynvml.NVMLError(pynvml.NVML_ERROR_TIMEOUT)


@dataclass
class RecordedGpu:
    """One GPU. Of each sequence the last entry is repeated; an exception is raised."""

    uuid: str = "GPU-11111111-2222-3333-4444-555555555555"
    name: str = "NVIDIA H100 80GB HBM3"
    energy: Sequence[Any] = (NOT_SUPPORTED,)
    power: Sequence[Any] = (NOT_SUPPORTED,)
    processes: Sequence[int] = (1,)
    mig_slices: dict[str, int] = field(default_factory=dict)
    max_mig: int = 7
    calls: dict[str, int] = field(default_factory=dict)

    def next(self, name: str) -> Any:
        sequence = getattr(self, name)
        at = self.calls.get(name, 0)
        self.calls[name] = at + 1
        answer = sequence[min(at, len(sequence) - 1)]
        if isinstance(answer, Exception):
            raise answer
        return answer


@dataclass(frozen=True)
class Handle:
    gpu: RecordedGpu
    mig: str | None = None


class RecordedNvml:
    """The calls that the meter makes, answered from a record."""

    NVMLError = pynvml.NVMLError
    NVMLError_GpuIsLost = pynvml.NVMLError_GpuIsLost

    def __init__(self, *gpus: RecordedGpu) -> None:
        self._gpus = gpus
        self._handles = [Handle(gpu) for gpu in gpus]
        self._migs = {uuid: Handle(gpu, uuid) for gpu in gpus for uuid in gpu.mig_slices}
        self.users = 0

    def nvmlInit(self) -> None:
        self.users += 1

    def nvmlShutdown(self) -> None:
        self.users -= 1

    def nvmlDeviceGetHandleByIndex(self, index: int) -> Handle:
        if index >= len(self._handles):
            raise pynvml.NVMLError(pynvml.NVML_ERROR_INVALID_ARGUMENT)
        return self._handles[index]

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> Handle:
        for handle in self._handles:
            if handle.gpu.uuid == uuid:
                return handle
        if uuid in self._migs:
            return self._migs[uuid]
        raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)

    def nvmlDeviceIsMigDeviceHandle(self, handle: Handle) -> int:
        return int(handle.mig is not None)

    def nvmlDeviceGetDeviceHandleFromMigDeviceHandle(self, handle: Handle) -> Handle:
        return next(h for h in self._handles if h.gpu is handle.gpu)

    def nvmlDeviceGetMigMode(self, handle: Handle) -> list[int]:
        if "H100" not in handle.gpu.name:
            raise NOT_SUPPORTED
        mode = int(bool(handle.gpu.mig_slices))
        return [mode, mode]

    def nvmlDeviceGetMigDeviceHandleByIndex(self, handle: Handle, index: int) -> Handle:
        return self._migs[list(handle.gpu.mig_slices)[index]]

    def nvmlDeviceGetAttributes(self, handle: Handle) -> Any:
        assert handle.mig is not None
        return SimpleNamespace(computeInstanceSliceCount=handle.gpu.mig_slices[handle.mig])

    def nvmlDeviceGetMaxMigDeviceCount(self, handle: Handle) -> int:
        return handle.gpu.max_mig

    def nvmlDeviceGetUUID(self, handle: Handle) -> str:
        return handle.mig or handle.gpu.uuid

    def nvmlDeviceGetName(self, handle: Handle) -> bytes:
        return handle.gpu.name.encode()

    def nvmlDeviceGetComputeRunningProcesses(self, handle: Handle) -> list[object]:
        return [object()] * handle.gpu.next("processes")

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: Handle) -> int:
        if handle.mig is not None:
            raise NOT_SUPPORTED
        return int(handle.gpu.next("energy"))

    def nvmlDeviceGetPowerUsage(self, handle: Handle) -> int:
        if handle.mig is not None:
            raise NOT_SUPPORTED
        return int(handle.gpu.next("power"))
