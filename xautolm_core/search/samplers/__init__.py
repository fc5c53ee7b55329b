"""Samplers: propose the next trials, as plug-ins of Optuna's public ``BaseSampler``."""

from __future__ import annotations

from xautolm_core.search.samplers.factory import SAMPLER_NAMES
from xautolm_core.search.samplers.factory import make_sampler

__all__ = ["SAMPLER_NAMES", "make_sampler"]
