"""Meta-features of the machine: the five of the paper, and what a container may use of it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from xautolm_core.features.cgroup import cpu_count
from xautolm_core.features.cgroup import total_memory_bytes
from xautolm_core.features.gpus import Gpu
from xautolm_core.features.gpus import list_gpus
from xautolm_core.records.features import FeatureVector

EXTRACTOR = "system"
VERSION = "1.0"
_GIB = 1 << 30
_ROOT = Path("/")

# The five of XAutoLM (arXiv 2508.00924, system meta-features), in its order.
PAPER_FEATURES = (
    "physical_cores",
    "logical_cores",
    "max_cpu_ghz",
    "total_ram_gb",
    "gpu_memory_gb",
)
UNITS = {
    "physical_cores": "cores",
    "logical_cores": "cores",
    "max_cpu_ghz": "GHz",
    "total_ram_gb": "GiB",
    "gpu_memory_gb": "GiB",
    "gpu_count": "GPUs",
    "gpu_bf16": "1",
    "cpu_bf16": "1",
    "allowed_cpus": "cores",
    "allowed_ram_gb": "GiB",
}


def extract_system_features(
    *, root: Path = _ROOT, gpus: Sequence[Gpu] | None = None
) -> FeatureVector:
    """Measure this machine.

    The GPU features are those of the first GPU that CUDA shows to this process; without one its
    memory is 0 and ``gpu_bf16`` None. ``allowed_cpus`` and ``allowed_ram_gb`` are what the control
    group lets this process have.

    Args:
        root: Stands for ``/``: where ``proc`` and ``sys`` are read (tests give their own).
        gpus: The GPUs; looked for if None.
    """
    started = time.perf_counter()
    cpu = _read_cpu(root)
    gpus = list_gpus() if gpus is None else gpus
    first = gpus[0] if gpus else None
    values: dict[str, float | None] = {
        "physical_cores": _physical_cores(cpu, root),
        "logical_cores": _logical_cores(cpu),
        "max_cpu_ghz": _max_ghz(cpu, root),
        "total_ram_gb": _machine_bytes(root) / _GIB,
        "gpu_memory_gb": first.memory_bytes / _GIB if first else 0.0,
        "gpu_count": float(len(gpus)),
        "gpu_bf16": float(first.supports_bf16) if first else None,
        "cpu_bf16": float(_cpu_bf16(cpu)),
        "allowed_cpus": float(cpu_count(root=root)),
        "allowed_ram_gb": total_memory_bytes(root=root) / _GIB,
    }
    facts = {}
    if first:
        facts["gpu_name"] = first.name
        if first.capability:
            facts["gpu_capability"] = f"{first.capability[0]}.{first.capability[1]}"
    if cpu and (model := cpu[0].get("model name")):
        facts["cpu_name"] = model
    return FeatureVector(
        extractor=EXTRACTOR,
        version=VERSION,
        values=values,
        units=UNITS,
        facts=facts,
        seconds=time.perf_counter() - started,
    )


def _read_cpu(root: Path) -> list[dict[str, str]]:
    """Return the entries of ``/proc/cpuinfo``, one for each logical core."""
    try:
        text = (root / "proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return []
    entries = []
    for block in text.strip().split("\n\n"):
        pairs = (line.partition(":") for line in block.splitlines())
        entry = {key.strip(): value.strip() for key, _, value in pairs}
        if "processor" in entry:
            entries.append(entry)
    return entries


def _logical_cores(cpu: Sequence[dict[str, str]]) -> float | None:
    """Return the number of logical cores; None if unknown."""
    return float(len(cpu)) if cpu else None


def _physical_cores(cpu: Sequence[dict[str, str]], root: Path) -> float | None:
    """Return the number of physical cores; None if unknown."""
    cores = {(e["physical id"], e["core id"]) for e in cpu if "physical id" in e and "core id" in e}
    if cores:
        return float(len(cores))
    siblings = {
        path.read_text(encoding="utf-8").strip()
        for path in (root / "sys/devices/system/cpu").glob(
            "cpu[0-9]*/topology/thread_siblings_list"
        )
    }
    return float(len(siblings)) if siblings else None


def _max_ghz(cpu: Sequence[dict[str, str]], root: Path) -> float | None:
    """Return the highest clock rate of any core; the present one where no maximum is known."""
    rates = [
        int(path.read_text(encoding="utf-8")) / 1e6
        for path in (root / "sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq/cpuinfo_max_freq")
    ]
    if not rates:
        rates = [float(e["cpu MHz"]) / 1e3 for e in cpu if "cpu MHz" in e]
    return max(rates, default=None)


def _cpu_bf16(cpu: Sequence[dict[str, str]]) -> bool:
    """Whether the CPU has instructions for bfloat16."""
    flags = set(cpu[0].get("flags", cpu[0].get("Features", "")).split()) if cpu else set()
    return bool(flags & {"avx512_bf16", "amx_bf16", "bf16"})


def _machine_bytes(root: Path) -> int:
    """Return the machine's own memory, regardless of the control group."""
    try:
        lines = (root / "proc/meminfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    for line in lines:
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) * 1024
    return 0
