"""Puts a meter together from what can be read here."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xautolm_core.energy.meter import EnergyMeter
from xautolm_core.energy.model import CpuModel
from xautolm_core.energy.model import DramModel
from xautolm_core.energy.model import GpuModel
from xautolm_core.energy.nvml import nvml_provider
from xautolm_core.energy.nvml_device import NvmlDevice
from xautolm_core.energy.nvml_device import find_device
from xautolm_core.energy.process_tree import MachineTime
from xautolm_core.energy.process_tree import ProcessTree
from xautolm_core.energy.promql import PromqlProvider
from xautolm_core.energy.promql import dcgm_counter
from xautolm_core.energy.promql import kepler_counters
from xautolm_core.energy.provider import Provider
from xautolm_core.energy.rapl import RaplProvider
from xautolm_core.energy.rapl import find_zones
from xautolm_core.energy.thermal_design_power import gpu_watts
from xautolm_core.energy.thermal_design_power import processor_power

SWITCH_VARIABLE = "XAUTOLM_ENERGY"
"""``off`` meters nothing."""
PROMETHEUS_VARIABLE = "XAUTOLM_ENERGY_PROMETHEUS"
"""Address of a Prometheus server that scrapes Kepler or the DCGM exporter."""
POD_VARIABLE = "XAUTOLM_ENERGY_POD"
"""Name of this pod; without it Kepler is not asked."""
NAMESPACE_VARIABLE = "XAUTOLM_ENERGY_NAMESPACE"


@dataclass(frozen=True)
class UsedGpu:
    """The GPU that a trial computes on, as CUDA tells it.

    Attributes:
        name: Product name.
        uuid: With or without ``GPU-``; None if CUDA does not tell.
    """

    name: str
    uuid: str | None = None


def is_switched_off(environment: Mapping[str, str] | None = None) -> bool:
    """Whether the environment says that nothing is metered.

    Args:
        environment: Variables; those of this process if None.
    """
    variables = os.environ if environment is None else environment
    return variables.get(SWITCH_VARIABLE, "").strip().lower() == "off"


def meter_here(
    gpu: UsedGpu | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    root: Path = Path("/"),
    nvml: Any = None,
    tree: ProcessTree | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> EnergyMeter:
    """Return a meter of this process, all below it, and the GPU that it computes on.

    The providers, the best first. GPU: NVML's counter, NVML's power, the DCGM exporter, a model.
    Processor and memory: RAPL, Kepler, a model.

    Args:
        gpu: None for a trial that computes on the processor.
        environment: Variables; those of this process if None.
        root: Stands for ``/``.
        nvml: Stands for ``pynvml``, which is imported if None.
        tree: The processes to meter; this one and all below if None.
        clock: Monotonic seconds.
    """
    variables = os.environ if environment is None else environment
    if is_switched_off(variables):
        return EnergyMeter([], clock=clock)
    tree = tree or ProcessTree()
    providers: list[Provider] = []
    if gpu is not None:
        providers += _of_gpu(gpu, variables, nvml)
    if zones := find_zones(root / "sys/class/powercap"):
        providers.append(RaplProvider(zones, tree, MachineTime(proc=root / "proc")))
    address, pod = variables.get(PROMETHEUS_VARIABLE), variables.get(POD_VARIABLE)
    if address and pod:
        counters = kepler_counters(pod, variables.get(NAMESPACE_VARIABLE))
        providers += [PromqlProvider(address, counter) for counter in counters]
    providers += [CpuModel(tree, processor_power(_processor_name(root))), DramModel(tree)]
    return EnergyMeter(providers, clock=clock)


def _of_gpu(gpu: UsedGpu, variables: Mapping[str, str], nvml: Any) -> list[Provider]:
    device = _nvml_device(gpu, variables.get("CUDA_VISIBLE_DEVICES"), nvml)
    found: list[Provider] = []
    by_nvml = nvml_provider(device) if device is not None else None
    if by_nvml is not None:
        found.append(by_nvml)
    uuid = device.uuid if device is not None else _with_prefix(gpu.uuid)
    is_whole = device is None or not device.is_mig
    if (address := variables.get(PROMETHEUS_VARIABLE)) and uuid and is_whole:
        found.append(PromqlProvider(address, dcgm_counter(uuid)))
    watts = gpu_watts(gpu.name) or gpu_watts(device.name if device else None)
    # A model beside a counter would stand in for one that was lost, at full load.
    if watts is not None and by_nvml is None:
        found.append(GpuModel(watts, device=uuid, share=device.share if device else 1.0))
    return found


def _nvml_device(gpu: UsedGpu, visible: str | None, nvml: Any) -> NvmlDevice | None:
    if nvml is None:
        try:
            import pynvml
        except ImportError:
            return None
        nvml = pynvml
    try:
        nvml.nvmlInit()
    except nvml.NVMLError:
        return None
    return find_device(nvml, uuid=gpu.uuid, visible=visible)


def _with_prefix(uuid: str | None) -> str | None:
    return uuid if uuid is None or uuid.startswith(("GPU-", "MIG-")) else f"GPU-{uuid}"


def _processor_name(root: Path) -> str | None:
    try:
        text = (root / "proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return None
