"""Build a meter from the sources that can be read on this machine."""

from __future__ import annotations

import functools
import logging
import os
import time
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
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
from xautolm_core.energy.provider import check_provider
from xautolm_core.energy.rapl import RaplProvider
from xautolm_core.energy.rapl import find_zones
from xautolm_core.energy.thermal_design_power import gpu_watts
from xautolm_core.energy.thermal_design_power import processor_power
from xautolm_core.plugins import Registry

_log = logging.getLogger(__name__)

SWITCH_VARIABLE = "XAUTOLM_ENERGY"
"""``off`` meters nothing."""
PROMETHEUS_VARIABLE = "XAUTOLM_ENERGY_PROMETHEUS"
"""Address of a Prometheus server that scrapes Kepler or the DCGM exporter."""
POD_VARIABLE = "XAUTOLM_ENERGY_POD"
"""Name of this pod; without it Kepler is not queried."""
NAMESPACE_VARIABLE = "XAUTOLM_ENERGY_NAMESPACE"


@dataclass(frozen=True)
class UsedGpu:
    """The GPU that a trial computes on, as CUDA reports it.

    Attributes:
        name: Product name.
        uuid: With or without ``GPU-``; None if CUDA does not report it.
    """

    name: str
    uuid: str | None = None


def is_switched_off(environment: Mapping[str, str] | None = None) -> bool:
    """Whether the environment switches metering off.

    Args:
        environment: Variables; those of this process if None.
    """
    variables = os.environ if environment is None else environment
    return variables.get(SWITCH_VARIABLE, "").strip().lower() == "off"


@dataclass
class MeterInputs:
    """The inputs of a meter: a process tree, and the GPU that it computes on.

    Attributes:
        tree: The processes to meter.
        gpu: None for a trial that computes on the processor.
        environment: Variables.
        root: Stands for ``/``.
        nvml: Stands for ``pynvml``, which is imported if None.
    """

    tree: ProcessTree
    gpu: UsedGpu | None = None
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    root: Path = Path("/")
    nvml: Any = None

    @functools.cached_property
    def device(self) -> NvmlDevice | None:
        """The GPU in NVML; None if there is none, or NVML does not answer."""
        if self.gpu is None:
            return None
        return _nvml_device(self.gpu, self.environment.get("CUDA_VISIBLE_DEVICES"), self.nvml)

    @functools.cached_property
    def by_nvml(self) -> Provider | None:
        """The NVML provider of the GPU."""
        return None if self.device is None else nvml_provider(self.device)

    @property
    def gpu_uuid(self) -> str | None:
        """UUID of the GPU."""
        if self.device is not None:
            return self.device.uuid
        return None if self.gpu is None else _with_prefix(self.gpu.uuid)


MeterFactory = Callable[[MeterInputs], Sequence[Provider]]
"""A meter: returns its providers, none where it cannot read on this machine."""

METERS = Registry(
    "xautolm.energy",
    "meter",
    {name: f"{__name__}:{name}_meter" for name in ("nvml", "rapl", "prometheus", "model")},
)


def nvml_meter(inputs: MeterInputs) -> Sequence[Provider]:
    """Return the NVML provider of the GPU: by its energy counter, or its power."""
    return () if inputs.by_nvml is None else (inputs.by_nvml,)


def rapl_meter(inputs: MeterInputs) -> Sequence[Provider]:
    """Return the RAPL provider of processor and memory, if its counters are readable."""
    zones = find_zones(inputs.root / "sys/class/powercap")
    machine = MachineTime(proc=inputs.root / "proc")
    return (RaplProvider(zones, inputs.tree, machine),) if zones else ()


def prometheus_meter(inputs: MeterInputs) -> Sequence[Provider]:
    """Return the Prometheus providers: the GPU by the DCGM exporter, the pod by Kepler."""
    address = inputs.environment.get(PROMETHEUS_VARIABLE)
    if not address:
        return ()
    counters = []
    is_whole = inputs.device is None or not inputs.device.is_mig
    if inputs.gpu_uuid and is_whole:
        counters.append(dcgm_counter(inputs.gpu_uuid))
    if pod := inputs.environment.get(POD_VARIABLE):
        counters += kepler_counters(pod, inputs.environment.get(NAMESPACE_VARIABLE))
    return [PromqlProvider(address, counter) for counter in counters]


def model_meter(inputs: MeterInputs) -> Sequence[Provider]:
    """Return models of load and thermal design power."""
    found: list[Provider] = []
    if inputs.gpu is not None:
        device = inputs.device
        watts = gpu_watts(inputs.gpu.name) or gpu_watts(device.name if device else None)
        # A model beside a counter would replace a lost counter, at full load.
        if watts is not None and inputs.by_nvml is None:
            share = device.share if device else 1.0
            found.append(GpuModel(watts, device=inputs.gpu_uuid, share=share))
    power = processor_power(_processor_name(inputs.root))
    return [*found, CpuModel(inputs.tree, power), DramModel(inputs.tree)]


def meter_here(
    gpu: UsedGpu | None = None,
    *,
    meters: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    root: Path = Path("/"),
    nvml: Any = None,
    tree: ProcessTree | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> EnergyMeter:
    """Return a meter of this process, all below it, and the GPU that it computes on.

    Its sources, the best first: the named ones, then NVML, RAPL, Prometheus and models. One that is
    not available is left out with a warning in the log: no fault of a meter may end a trial.

    Args:
        gpu: None for a trial that computes on the processor.
        meters: Names of the meters to try first.
        environment: Variables; those of this process if None.
        root: Stands for ``/``.
        nvml: Stands for ``pynvml``, which is imported if None.
        tree: The processes to meter; this one and all below if None.
        clock: Monotonic seconds.
    """
    variables = os.environ if environment is None else environment
    if is_switched_off(variables):
        return EnergyMeter([], clock=clock)
    inputs = MeterInputs(tree or ProcessTree(), gpu, variables, root, nvml)
    providers: list[Provider] = []
    for name in dict.fromkeys((*meters, *METERS.built_in)):
        try:
            make: MeterFactory = METERS.load(name)
            providers += [check_provider(one) for one in make(inputs)]
        except Exception as error:
            if name in METERS.built_in:
                raise
            _log.warning("the meter %s is left out: %s: %s", name, type(error).__name__, error)
    return EnergyMeter(providers, clock=clock)


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
