"""Time as the storage tells it: the clocks of writers are not to be trusted."""

from __future__ import annotations

import os
from datetime import datetime
from datetime import timedelta

from xautolm_core.errors import ConfigError
from xautolm_core.experience.keys import CLOCK
from xautolm_core.objects.contract import ObjectStorage

GRACE = timedelta(hours=1)
GRACE_VARIABLE = "XAUTOLM_STORE_GRACE_SECONDS"


def storage_now(storage: ObjectStorage) -> datetime:
    """Return the present time by the storage's clock (UTC). It writes a small object.

    Raises:
        StoreError: It cannot be written.
    """
    storage.put(CLOCK, b"{}\n")
    return max(info.modified_at for info in storage.list(CLOCK))


def grace_period() -> timedelta:
    """Return how long retired files stay for those who are still at work with them.

    One hour, or what ``XAUTOLM_STORE_GRACE_SECONDS`` says.

    Raises:
        ConfigError: The variable holds no number of seconds.
    """
    text = os.environ.get(GRACE_VARIABLE)
    if not text:
        return GRACE
    try:
        grace = timedelta(seconds=float(text))
        if grace < timedelta(0):
            raise ValueError
    except (ValueError, OverflowError):
        raise ConfigError(
            f"{GRACE_VARIABLE} is {text[:40]!r}, no number of seconds",
            hint="Give 0 or more, such as 3600",
        ) from None
    return grace
