from __future__ import annotations

from pathlib import Path

import pytest

from xautolm_core.features.gpus import Gpu
from xautolm_core.features.gpus import parse_smi
from xautolm_core.features.gpus import select_visible
from xautolm_core.features.system_features import PAPER_FEATURES
from xautolm_core.features.system_features import extract_system_features

H100 = Gpu(0, "GPU-aa11", "NVIDIA H100 80GB HBM3", 80 << 30, (9, 0))
T4 = Gpu(1, "GPU-bb22", "Tesla T4", 15 << 30, (7, 5))


def machine(root: Path, *, flags: str = "sse avx2", threads: int = 16) -> Path:
    cpuinfo = "\n".join(
        f"processor\t: {i}\nmodel name\t: Test CPU\ncpu MHz\t\t: 2200.0\nphysical id\t: 0\n"
        f"core id\t\t: {i // 2}\nflags\t\t: {flags}\n"
        for i in range(threads)
    )
    files = {
        "proc/cpuinfo": cpuinfo,
        "proc/meminfo": "MemTotal: 131805184 kB\nMemAvailable: 1000 kB\n",
        "proc/self/cgroup": "0::/\n",
        "proc/self/mountinfo": "30 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
        "sys/fs/cgroup/memory.max": str(16 << 30),
        "sys/fs/cgroup/cpu.max": "400000 100000",
        "sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq": "5000000\n",
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_the_five_of_the_paper(tmp_path):
    vector = extract_system_features(root=machine(tmp_path), gpus=[])
    assert tuple(vector.values)[:5] == PAPER_FEATURES
    five = [vector.values[name] for name in PAPER_FEATURES]
    assert five == pytest.approx([8, 16, 5.0, 125.7, 0], abs=0.01)
    assert set(vector.units) == set(vector.values)
    assert vector.extractor == "system"


def test_what_the_control_group_allows(tmp_path):
    values = extract_system_features(root=machine(tmp_path), gpus=[]).values
    assert values["allowed_ram_gb"] == 16
    assert values["allowed_cpus"] <= 4


def test_gpus(tmp_path):
    vector = extract_system_features(root=machine(tmp_path), gpus=[H100, T4])
    assert vector.values["gpu_memory_gb"] == 80
    assert vector.values["gpu_count"] == 2
    assert vector.values["gpu_bf16"] == 1
    assert vector.facts["gpu_name"] == "NVIDIA H100 80GB HBM3"
    assert extract_system_features(root=tmp_path, gpus=[T4]).values["gpu_bf16"] == 0
    without = extract_system_features(root=tmp_path, gpus=[])
    assert without.values["gpu_bf16"] is None
    assert "gpu_name" not in without.facts


@pytest.mark.parametrize(
    ("flags", "expected"), [("sse avx2", 0), ("avx512_bf16", 1), ("amx_bf16 amx_tile", 1)]
)
def test_bf16_of_the_cpu(tmp_path, flags, expected):
    root = machine(tmp_path, flags=flags)
    assert extract_system_features(root=root, gpus=[]).values["cpu_bf16"] == expected


def test_an_unreadable_machine_gives_no_figures(tmp_path):
    values = extract_system_features(root=tmp_path, gpus=[]).values
    assert values["physical_cores"] is None
    assert values["max_cpu_ghz"] is None


def test_answer_of_nvidia_smi():
    answer = (
        "0, GPU-aa11, 81920, 9.0, NVIDIA H100, 80GB\n1, GPU-bb22, [N/A], [N/A], Something old\n\n"
    )
    first, second = parse_smi(answer)
    assert first == Gpu(0, "GPU-aa11", "NVIDIA H100, 80GB", 80 << 30, (9, 0))
    assert (second.memory_bytes, second.capability, second.supports_bf16) == (0, None, False)


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        (None, [H100, T4]),
        ("", []),
        ("-1", []),
        ("1", [T4]),
        ("1,0", [T4, H100]),
        ("GPU-bb", [T4]),
        ("0,7,1", [H100]),
    ],
)
def test_cuda_visible_devices(visible, expected):
    assert select_visible([H100, T4], visible) == expected


def test_this_machine():
    vector = extract_system_features()
    assert vector.values["logical_cores"] >= 1
    assert vector.values["total_ram_gb"] > 0.1
    assert vector.seconds < 5


@pytest.mark.gpu
def test_a_real_gpu_is_seen():
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    vector = extract_system_features()
    assert vector.values["gpu_count"] == torch.cuda.device_count()
    assert vector.facts["gpu_name"] == torch.cuda.get_device_name(0)
    assert vector.values["gpu_bf16"] == float(torch.cuda.get_device_capability(0) >= (8, 0))
