"""The memory of this process's container, watched by a trial's supervisor."""

from __future__ import annotations

from xautolm_core.errors import ConfigError
from xautolm_core.features.cgroup import used_memory_share
from xautolm_core.launch.memory_groups import find_own_group


class ContainerMemory:
    """Implements ``MemoryWatch`` by the control group of this process.

    Args:
        limit_fraction: Share of the container's memory limit, in (0, 1], at which a trial is ended,
            before the kernel kills the whole container; None to leave that to the kernel.

    Raises:
        ConfigError: The container has no memory limit.
    """

    def __init__(self, limit_fraction: float | None = None) -> None:
        if limit_fraction is not None and used_memory_share() is None:
            raise ConfigError(
                "This container has no memory limit, so a share of it cannot be enforced",
                hint="Set a memory limit on the container, or leave --memory-limit-fraction out",
            )
        self._limit_fraction = limit_fraction
        self._group = find_own_group()

    @classmethod
    def within(cls, limit_fraction: float) -> ContainerMemory:
        """Return a watch that enforces a share of the container's limit, if it has one."""
        return cls(limit_fraction if used_memory_share() is not None else None)

    def is_beyond_limit(self) -> bool:
        """Whether the share is in use. Page cache that can be dropped does not count."""
        if self._limit_fraction is None:
            return False
        share = used_memory_share()
        return share is not None and share >= self._limit_fraction

    def oom_kills(self) -> int:
        """Return how many processes of the group the kernel's OOM killer has killed."""
        return self._group.oom_kills() if self._group is not None else 0
