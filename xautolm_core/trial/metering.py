"""The meter of a trial's training and evaluation."""

from __future__ import annotations

import torch

from xautolm_core.energy.meter import EnergyMeter
from xautolm_core.energy.surroundings import UsedGpu
from xautolm_core.energy.surroundings import meter_here


def meter_of(device: torch.device) -> EnergyMeter:
    """Return a meter of this process and of the device that it trains on.

    Args:
        device: The trial's.
    """
    if device.type != "cuda":
        return meter_here()
    properties = torch.cuda.get_device_properties(device)
    uuid = getattr(properties, "uuid", None)
    return meter_here(UsedGpu(properties.name, None if uuid is None else str(uuid)))
