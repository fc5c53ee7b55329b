"""Conformance suites of plug-ins for pytest: a plug-in's test subclasses one.

For example::

    from xautolm.testing import ObjectStorageContract

    class TestMyStorage(ObjectStorageContract):
        @pytest.fixture
        def storage(self, tmp_path):
            return MyStorage(tmp_path)

The built-in samplers, launchers, meters and storages pass them, too. They need pytest (extra
``testing``).
"""

from __future__ import annotations

import pytest

# Failures of a suite show their values, as those of a test module do.
pytest.register_assert_rewrite(
    *(f"{__name__}.{name}" for name in ("energy_meter", "launcher", "object_storage", "sampler"))
)

from xautolm.testing.energy_meter import EnergyMeterContract  # noqa: E402
from xautolm.testing.launcher import LauncherContract  # noqa: E402
from xautolm.testing.object_storage import ObjectStorageContract  # noqa: E402
from xautolm.testing.sampler import SamplerContract  # noqa: E402

__all__ = ["EnergyMeterContract", "LauncherContract", "ObjectStorageContract", "SamplerContract"]
