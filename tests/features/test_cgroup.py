from __future__ import annotations

from pathlib import Path

import pytest

from xautolm_core.features import cgroup

GIB = 1 << 30
V2_MOUNT = "30 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n"
V1_MOUNTS = (
    "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
    "34 31 0:31 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
    "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
)


def machine(root: Path, files: dict[str, str], *, own: str, mounts: str) -> Path:
    everything = {
        "proc/meminfo": "MemTotal: 67108864 kB\nMemFree: 1 kB\nMemAvailable: 33554432 kB\n",
        "proc/self/cgroup": own,
        "proc/self/mountinfo": mounts,
        **files,
    }
    for name, text in everything.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.fixture
def many_cpus(monkeypatch):
    monkeypatch.setattr(cgroup.os, "cpu_count", lambda: 64)


def test_no_group_means_the_whole_machine(tmp_path, many_cpus):
    root = machine(tmp_path, {}, own="", mounts="")
    assert cgroup.memory_limit_bytes(root=root) is None
    assert cgroup.total_memory_bytes(root=root) == 64 * GIB
    assert cgroup.available_memory_bytes(root=root) == 32 * GIB
    assert cgroup.cpu_count(root=root) == 64


def test_v2_takes_the_smallest_limit_on_the_way_up(tmp_path, many_cpus):
    group = "sys/fs/cgroup/kubepods/pod1"
    root = machine(
        tmp_path,
        {
            f"{group}/box/memory.max": "max\n",
            f"{group}/box/cpu.max": "max 100000\n",
            f"{group}/box/cpuset.cpus.effective": "0-7,16\n",
            f"{group}/memory.max": str(8 * GIB),
            f"{group}/memory.current": str(5 * GIB),
            f"{group}/memory.stat": f"anon 1\ninactive_file {2 * GIB}\n",
            f"{group}/cpu.max": "250000 100000\n",
            "sys/fs/cgroup/kubepods/memory.max": str(20 * GIB),
            "sys/fs/cgroup/kubepods/memory.current": str(19 * GIB),
            "sys/fs/cgroup/kubepods/memory.stat": "anon 1\n",
            "sys/fs/cgroup/kubepods/cpu.max": "3200000 100000\n",
        },
        own="0::/kubepods/pod1/box\n",
        mounts=V2_MOUNT,
    )
    assert cgroup.memory_limit_bytes(root=root) == 8 * GIB
    # The pod has 8 - (5 - 2) = 5 GiB left, but the group above it only 20 - 19 = 1.
    assert cgroup.available_memory_bytes(root=root) == 1 * GIB
    assert cgroup.cpu_quota(root=root) == 2.5
    assert cgroup.cpu_count(root=root) == 3


def test_v1_limits(tmp_path, many_cpus):
    root = machine(
        tmp_path,
        {
            "sys/fs/cgroup/memory/docker/a/memory.limit_in_bytes": str(4 * GIB),
            "sys/fs/cgroup/memory/docker/a/memory.usage_in_bytes": str(3 * GIB),
            "sys/fs/cgroup/memory/docker/a/memory.stat": f"total_inactive_file {GIB}\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
            "sys/fs/cgroup/memory/memory.usage_in_bytes": str(60 * GIB),
            "sys/fs/cgroup/cpu/docker/a/cpu.cfs_quota_us": "-1\n",
            "sys/fs/cgroup/cpu/docker/a/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup/cpuset/docker/a/cpuset.cpus": "2,4-5\n",
        },
        own="3:cpuset:/docker/a\n2:cpu,cpuacct:/docker/a\n1:memory:/docker/a\n",
        mounts=V1_MOUNTS,
    )
    assert cgroup.memory_limit_bytes(root=root) == 4 * GIB
    assert cgroup.available_memory_bytes(root=root) == 2 * GIB
    assert cgroup.cpu_quota(root=root) is None
    assert cgroup.cpu_count(root=root) == 3


@pytest.mark.parametrize(
    ("own", "inside"),
    [
        ("0::/docker/a\n", "/docker/a"),  # the own group is what is mounted
        ("0::/../../docker/a\n", "/"),  # outside of the namespace
        ("0::/docker/gone\n", "/"),  # not visible here
    ],
)
def test_in_a_container_the_mount_is_the_own_group(tmp_path, own, inside):
    root = machine(
        tmp_path,
        {"sys/fs/cgroup/memory.max": str(GIB)},
        own=own,
        mounts=V2_MOUNT.replace(" / /sys", f" {inside} /sys"),
    )
    assert cgroup.memory_limit_bytes(root=root) == GIB


def test_cpu_lists():
    assert cgroup.parse_cpu_list("0-3,8\n") == {0, 1, 2, 3, 8}
    assert cgroup.parse_cpu_list("\n") == set()


def test_this_machine_has_memory_and_cpus():
    assert cgroup.cpu_count() >= 1
    assert 0 < cgroup.available_memory_bytes() <= cgroup.total_memory_bytes()


def test_the_share_in_use_is_that_of_the_nearest_limit(tmp_path):
    group = "sys/fs/cgroup/pod"
    root = machine(
        tmp_path,
        {
            f"{group}/box/memory.max": str(4 * GIB),
            f"{group}/box/memory.current": str(3 * GIB),
            f"{group}/box/memory.stat": f"inactive_file {GIB}\n",
            f"{group}/memory.max": str(8 * GIB),
            f"{group}/memory.current": str(6 * GIB),
            f"{group}/memory.stat": "inactive_file 0\n",
        },
        own="0::/pod/box\n",
        mounts=V2_MOUNT,
    )
    assert cgroup.used_memory_share(root=root) == 0.75
    (root / group / "memory.max").write_text("max\n")
    assert cgroup.used_memory_share(root=root) == 0.5
    (root / group / "box/memory.max").write_text("max\n")
    assert cgroup.used_memory_share(root=root) is None
