"""The GPUs of this machine, by NVML or ``nvidia-smi``, without importing torch."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from typing import Any

_SMI_SECONDS = 10
_MIB = 1 << 20
# The first compute capability whose tensor cores take bfloat16 (Ampere).
_BF16_CAPABILITY = (8, 0)


@dataclass(frozen=True)
class Gpu:
    """One GPU.

    Attributes:
        index: Number that the driver gives it.
        uuid: Its unique id.
        name: Product name.
        memory_bytes: Total memory.
        capability: CUDA compute capability, such as (9, 0); None if unknown.
    """

    index: int
    uuid: str
    name: str
    memory_bytes: int
    capability: tuple[int, int] | None

    @property
    def supports_bf16(self) -> bool:
        """Whether it computes in bfloat16."""
        return self.capability is not None and self.capability >= _BF16_CAPABILITY


def list_gpus(*, visible: str | None = None) -> list[Gpu]:
    """Return the GPUs that CUDA would show to this process; an empty list where there is none.

    Args:
        visible: What ``CUDA_VISIBLE_DEVICES`` says; read from the environment if None.
    """
    gpus = _by_nvml()
    if gpus is None:
        gpus = _by_smi()
    if visible is None:
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return select_visible(gpus, visible)


def select_visible(gpus: list[Gpu], visible: str | None) -> list[Gpu]:
    """Return the GPUs that ``CUDA_VISIBLE_DEVICES`` names, in its order.

    As CUDA does it, an entry that names no GPU hides itself and all after it.
    """
    if visible is None:
        return gpus
    chosen: list[Gpu] = []
    for entry in (part.strip() for part in visible.split(",")):
        found = [
            gpu
            for gpu in gpus
            if (entry.isdigit() and gpu.index == int(entry))
            or (entry.startswith("GPU-") and gpu.uuid.startswith(entry))
        ]
        if len(found) != 1 or found[0] in chosen:
            break
        chosen.append(found[0])
    return chosen


def _by_nvml() -> list[Gpu] | None:
    """Ask NVML; None if it cannot be asked."""
    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    try:
        return [_nvml_gpu(pynvml, index) for index in range(pynvml.nvmlDeviceGetCount())]
    except pynvml.NVMLError:
        return None
    finally:
        pynvml.nvmlShutdown()


def _nvml_gpu(pynvml: Any, index: int) -> Gpu:
    """Describe one GPU with NVML."""
    handle = pynvml.nvmlDeviceGetHandleByIndex(index)
    try:
        capability = tuple(pynvml.nvmlDeviceGetCudaComputeCapability(handle))
    except pynvml.NVMLError:
        capability = None
    name, uuid = pynvml.nvmlDeviceGetName(handle), pynvml.nvmlDeviceGetUUID(handle)
    return Gpu(
        index=index,
        uuid=uuid if isinstance(uuid, str) else uuid.decode(),
        name=name if isinstance(name, str) else name.decode(),
        memory_bytes=int(pynvml.nvmlDeviceGetMemoryInfo(handle).total),
        capability=capability,
    )


def _by_smi() -> list[Gpu]:
    """Ask the ``nvidia-smi`` command; an empty list if there is none or it fails."""
    command = shutil.which("nvidia-smi")
    if command is None:
        return []
    try:
        answer = subprocess.run(
            [
                command,
                "--query-gpu=index,uuid,memory.total,compute_cap,name",
                "--format=csv,noheader,nounits",
            ],
            capture_output=True,
            check=True,
            text=True,
            timeout=_SMI_SECONDS,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return parse_smi(answer)


def parse_smi(answer: str) -> list[Gpu]:
    """Read the lines ``index, uuid, memory in MiB, compute capability, name``."""
    gpus: list[Gpu] = []
    for line in answer.splitlines():
        fields = [field.strip() for field in line.split(",", 4)]
        if len(fields) < 5 or not fields[0].isdigit():
            continue
        major, _, minor = fields[3].partition(".")
        known = major.isdigit() and minor.isdigit()
        gpus.append(
            Gpu(
                index=int(fields[0]),
                uuid=fields[1],
                name=fields[4],
                memory_bytes=int(float(fields[2]) * _MIB) if fields[2][:1].isdigit() else 0,
                capability=(int(major), int(minor)) if known else None,
            )
        )
    return gpus
