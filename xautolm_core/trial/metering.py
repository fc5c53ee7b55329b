"""The meter of a trial's training and evaluation."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from xautolm_core.energy.meter import EnergyMeter
from xautolm_core.energy.surroundings import UsedGpu
from xautolm_core.energy.surroundings import meter_here


def meter_of(device: torch.device, meters: Sequence[str]) -> EnergyMeter:
    """Return a meter of this process and of the device that it trains on.

    Args:
        device: The trial's.
        meters: As in its spec.
    """
    if device.type != "cuda":
        return meter_here(meters=meters)
    properties = torch.cuda.get_device_properties(device)
    uuid = getattr(properties, "uuid", None)
    gpu = UsedGpu(properties.name, None if uuid is None else str(uuid))
    return meter_here(gpu, meters=meters)
