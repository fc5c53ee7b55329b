"""The interface of plug-ins: four protocols, and the types in them.

A package registers its plug-in by a line in its ``pyproject.toml``, and users name it:

=====================  ==================  =====================================================
Entry points           Named by            Stands for
=====================  ==================  =====================================================
``xautolm.samplers``   ``sampler=``        a subclass of ``Sampler`` (or a ``SamplerKind``)
``xautolm.launchers``  ``launcher=``       a function from ``LauncherInputs`` to a ``Launcher``
``xautolm.energy``     ``meters=``         a function from ``MeterInputs`` to ``EnergyProvider``s
``xautolm.storages``   scheme of an        a function from the address to an ``ObjectStorage``
                       address
=====================  ==================  =====================================================

``docs/extending.md`` has an example of each; the suites in ``xautolm.testing`` say what each has to
do. ``SearchObserver`` needs no entry point: an object is given as ``progress``.
"""

from __future__ import annotations

from xautolm_core.energy.provider import Provider as EnergyProvider
from xautolm_core.energy.surroundings import MeterInputs
from xautolm_core.launch.choice import LauncherInputs
from xautolm_core.launch.command import CommandLauncher
from xautolm_core.launch.contract import Launcher
from xautolm_core.launch.contract import TrialHandle
from xautolm_core.objects.contract import ObjectInfo
from xautolm_core.objects.contract import ObjectStorage
from xautolm_core.objects.contract import StorageUnavailableError
from xautolm_core.objects.contract import read_each
from xautolm_core.objects.keys import check_key
from xautolm_core.objects.keys import check_prefix
from xautolm_core.records.attempt import TrialResult
from xautolm_core.records.configuration import Configuration
from xautolm_core.records.energy import EnergyReading
from xautolm_core.records.energy import make_reading
from xautolm_core.records.outcome import Outcome
from xautolm_core.search.contract import SearchObserver
from xautolm_core.search.contract import TrialRecord
from xautolm_core.search.samplers.base import SpaceSampler as Sampler
from xautolm_core.search.samplers.contract import SamplerInputs
from xautolm_core.search.samplers.contract import SamplerKind
from xautolm_core.search.samplers.options import RandomOptions as SamplerOptions
from xautolm_core.search.samplers.probabilistic_model import UniformChooser
from xautolm_core.space.draw import Chooser
from xautolm_core.trial.contract import SPEC_FILE
from xautolm_core.trial.contract import TrialSpec
from xautolm_core.trial.endings import result_of_process
from xautolm_core.trial.files import delete_checkpoint
from xautolm_core.trial.files import prepare_folder

__all__ = [
    "SPEC_FILE",
    "Chooser",
    "CommandLauncher",
    "Configuration",
    "EnergyProvider",
    "EnergyReading",
    "Launcher",
    "LauncherInputs",
    "MeterInputs",
    "ObjectInfo",
    "ObjectStorage",
    "Outcome",
    "Sampler",
    "SamplerInputs",
    "SamplerKind",
    "SamplerOptions",
    "SearchObserver",
    "StorageUnavailableError",
    "TrialHandle",
    "TrialRecord",
    "TrialResult",
    "TrialSpec",
    "UniformChooser",
    "check_key",
    "check_prefix",
    "delete_checkpoint",
    "make_reading",
    "prepare_folder",
    "read_each",
    "result_of_process",
]
