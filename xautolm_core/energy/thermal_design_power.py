"""Power of processors and GPUs by their names, where no meter is available."""

from __future__ import annotations

import re
from dataclasses import dataclass

DEFAULT_WATTS = 3.5
"""Of one busy logical processor: Cloud Carbon Footprint's average maximum of servers in AWS (3.50 W
a vCPU; Azure 3.78, Google 4.26)."""

IDLE_SHARE = 0.21
"""Part of that power that an idle one draws too: Cloud Carbon Footprint's averages for AWS (0.74 of
3.50 W)."""

# Product names to thermal design power in watts and hardware threads of one package, from the
# makers' data sheets, and the watts as CodeCarbon 3.3.2 has them too. Of a virtual machine the
# package's threads are not known otherwise.
_PROCESSORS: dict[str, tuple[float, int]] = {
    "EPYC 7282": (120, 32), "EPYC 7302": (155, 32), "EPYC 7402": (180, 48),
    "EPYC 7452": (155, 64), "EPYC 7502": (180, 64), "EPYC 7542": (225, 64),
    "EPYC 7642": (225, 96), "EPYC 7702": (200, 128), "EPYC 7742": (225, 128),
    "EPYC 7313": (155, 32), "EPYC 7413": (180, 48), "EPYC 7443": (200, 48),
    "EPYC 7513": (200, 64), "EPYC 7543": (225, 64), "EPYC 7643": (225, 96),
    "EPYC 7713": (225, 128), "EPYC 7763": (280, 128), "EPYC 9124": (200, 32),
    "EPYC 9254": (200, 48), "EPYC 9354": (280, 64), "EPYC 9454": (290, 96),
    "EPYC 9534": (280, 128), "EPYC 9554": (360, 128), "EPYC 9654": (360, 192),
    "EPYC 9754": (360, 256), "EPYC 9755": (500, 256), "EPYC 9965": (500, 384),
    "Platinum 8168": (205, 48), "Platinum 8175": (240, 48), "Platinum 8180": (205, 56),
    "Platinum 8259": (210, 48), "Platinum 8260": (165, 48), "Platinum 8275": (240, 48),
    "Platinum 8280": (205, 56), "Platinum 8358": (250, 64), "Platinum 8360Y": (250, 72),
    "Platinum 8362": (265, 64), "Platinum 8375": (300, 64), "Platinum 8380": (270, 80),
    "Platinum 8468": (350, 96), "Platinum 8480": (350, 112),
    "Platinum 8490H": (350, 120), "Platinum 8558": (330, 96),
    "Platinum 8592": (350, 128), "Gold 6130": (125, 32), "Gold 6148": (150, 40),
    "Gold 6226": (125, 24), "Gold 6230": (125, 40), "Gold 6248": (150, 40),
    "Gold 6326": (185, 32), "Gold 6330": (205, 56), "Gold 6338": (205, 64),
    "Gold 6348": (235, 56), "Gold 6430": (270, 64), "Gold 6448Y": (225, 64),
    "Silver 4210": (85, 20), "Silver 4214": (85, 24), "Silver 4310": (120, 24),
    "Silver 4314": (135, 32), "E5-2670 v3": (120, 24), "E5-2680 v4": (120, 28),
    "E5-2686 v4": (145, 36), "E5-2690 v4": (135, 28), "E5-2699 v4": (145, 44),
    "Ryzen 5 5600X": (65, 12), "Ryzen 7 5800X": (105, 16), "Ryzen 9 5950X": (105, 32),
    "Ryzen 7 7700X": (105, 16), "Ryzen 9 7950X": (170, 32), "Ryzen 9 9950X": (170, 32),
    "i7-9700K": (95, 8), "i9-9900K": (95, 16), "i7-10700": (65, 16), "i9-10900": (65, 20),
    "Threadripper 3970X": (280, 64), "Threadripper 3990X": (280, 128),
}  # fmt: skip

# Board power in watts, from NVIDIA's and AMD's data sheets. The longest name that fits is taken.
_GPUS: dict[str, float] = {
    "H200": 700, "H200 NVL": 600, "H100": 700, "H100 PCIe": 350, "H100 NVL": 400, "H800": 700,
    "H20": 400, "B200": 1000, "GH200": 700, "A100": 400, "A100-PCIE-40GB": 250,
    "A100 80GB PCIe": 300, "A800": 400, "A40": 300, "A30": 165, "A16": 250, "A10": 150,
    "A10G": 300, "A2": 60, "L40S": 350, "L40": 300, "L4": 72, "V100": 300, "V100-PCIE": 250,
    "T4": 70, "P100": 250, "P40": 250, "P4": 75, "K80": 300, "RTX A6000": 300, "RTX A5000": 230,
    "RTX A4000": 140, "RTX 6000 Ada": 300, "RTX 5090": 575, "RTX 5080": 360, "RTX 4090": 450,
    "RTX 4080": 320, "RTX 4070": 200, "RTX 3090": 350, "RTX 3080": 320, "RTX 3070": 220,
    "RTX 3060": 170, "RTX 2080 Ti": 250, "RTX 2080": 215, "Quadro RTX 8000": 260,
    "MI300X": 750, "MI250": 560, "MI210": 300,
}  # fmt: skip


@dataclass(frozen=True)
class ProcessorPower:
    """Power of one busy logical processor.

    Attributes:
        watts: Power at full load.
        assumption: Origin of the figure, as a part of a reading's source.
    """

    watts: float
    assumption: str


def processor_power(name: str | None) -> ProcessorPower:
    """Return the power of one logical processor of a model: its share of the package's.

    Args:
        name: ``model name`` of ``/proc/cpuinfo``. For an unknown name an average server is
            assumed.
    """
    for known, (watts, threads) in _PROCESSORS.items():
        if _names(known, name or ""):
            return ProcessorPower(watts / threads, f"cpu-tdp-{watts:.0f}w-{threads}t")
    return ProcessorPower(DEFAULT_WATTS, f"cpu-default-{DEFAULT_WATTS * 1000:.0f}mw-1t")


def gpu_watts(name: str | None) -> float | None:
    """Return the board power of a GPU at full load; None if its name is not known."""
    # Chips of laptops have the names of larger ones, and less power.
    if re.search(r"Laptop|Max-Q|Mobile", name or ""):
        return None
    found = [known for known in _GPUS if re.search(rf"(?<![\w-]){known}(?![0-9])", name or "")]
    return _GPUS[max(found, key=len)] if found else None


def _names(known: str, name: str) -> bool:
    """Whether a name contains a processor's name.

    One socket only (``P``), more memory (``L``, ``M``) and a cloud's own (``C``, ``CL``) draw the
    same; other letters mean another power.
    """
    return re.search(rf"(?<![\w-]){re.escape(known)}(?:P|L|M|CL?|\+)?(?![\w+])", name) is not None
