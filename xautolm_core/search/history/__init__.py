"""Earlier experiences as arrays: what the samplers learn from."""

from __future__ import annotations

from xautolm_core.search.history.arrays import History

__all__ = ["History"]
