"""Input and output of a trial on another machine, as objects below the prefix of its search.

tasks/<name>-<digest>/        a bundle: the prepared task
models/model-<digest>/        a bundle: a model that no pod could find elsewhere
trials/0003-0/spec.json       RemoteTrial, there before the trial is started
trials/0003-0/heartbeat.json  replaced while the trial runs
trials/0003-0/model-<digest>/ a bundle: the fine-tuned model
trials/0003-0/checkpoint-<digest>/ a bundle: the checkpoint of a continuation
trials/0003-0/result.json     RemoteResult, written last by the trial's machine
trials/0003-0/verdict.json    TrialResult, written by the launcher for a trial that gave none
run/...                       small files of the run folder
"""

from __future__ import annotations

import re
from typing import Literal

from pydantic import BaseModel
from pydantic import ConfigDict
from pydantic import Field

from xautolm_core.errors import ConfigError
from xautolm_core.objects.bundle import BundleReference
from xautolm_core.objects.bundle import PlainPath
from xautolm_core.records.attempt import TrialResult
from xautolm_core.trial.contract import HEARTBEAT_FILE
from xautolm_core.trial.contract import RESULT_FILE
from xautolm_core.trial.contract import SPEC_FILE
from xautolm_core.trial.contract import TRIALS_FOLDER
from xautolm_core.trial.contract import TrialSpec
from xautolm_core.trial.contract import attempt_name

VERDICT_FILE = "verdict.json"
_ADDRESS = re.compile(rf"(.*?)/?(trials/\d{{4,}}-\d+/{re.escape(SPEC_FILE)})")


class PackagedModel(BaseModel):
    """A model that an installed package brings, on the trial's machine as on the launcher's.

    Attributes:
        package: The package, as it is imported.
        path: The model's folder below the package's; empty for that itself.
        digest: Of the manifest of its files: another version of the package has another.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    package: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    path: PlainPath | Literal[""] = ""
    digest: str


class RemoteTrial(BaseModel):
    """A trial's spec, and where on another machine its task and its model come from.

    Attributes:
        spec: The spec; its folders are those of the launcher's machine.
        task: The prepared task.
        task_name: Name of its folder.
        model: Where the model comes from, if its reference names a folder; else None.
        checkpoint: The checkpoint of a continuation; None for any other trial.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: Literal[1] = 1
    spec: TrialSpec
    task: BundleReference
    task_name: str = Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,199}$")
    model: BundleReference | PackagedModel | None = None
    checkpoint: BundleReference | None = None


class RemoteResult(TrialResult):
    """A result, and where its model and its checkpoint are.

    Attributes:
        model_bundle: The model's files; None if no model was saved.
        checkpoint_bundle: The checkpoint's files; None if none was kept.
    """

    model_bundle: BundleReference | None = None
    checkpoint_bundle: BundleReference | None = None

    def plain(self) -> TrialResult:
        """Return the result alone."""
        return TrialResult.model_validate(
            self.model_dump(exclude={"model_bundle", "checkpoint_bundle"})
        )


def attempt_prefix(spec: TrialSpec) -> str:
    """Return what the keys of an attempt begin with, without the slash."""
    return f"{TRIALS_FOLDER}/{attempt_name(spec.trial_number, spec.attempt)}"


def spec_key(spec: TrialSpec) -> str:
    """Return the key of the ``RemoteTrial``."""
    return f"{attempt_prefix(spec)}/{SPEC_FILE}"


def heartbeat_key(spec: TrialSpec) -> str:
    """Return the key of the last heartbeat."""
    return f"{attempt_prefix(spec)}/{HEARTBEAT_FILE}"


def result_key(spec: TrialSpec) -> str:
    """Return the key of the result that the trial's machine wrote."""
    return f"{attempt_prefix(spec)}/{RESULT_FILE}"


def verdict_key(spec: TrialSpec) -> str:
    """Return the key of the result that the launcher wrote."""
    return f"{attempt_prefix(spec)}/{VERDICT_FILE}"


def is_settled(result: TrialResult) -> bool:
    """Whether an attempt is over with this result, so that it is not run once more.

    Any other result says only that this run of the attempt was broken off.
    """
    return result.outcome.says_something_about_configuration


def split_address(address: str) -> tuple[str, str]:
    """Return the address of a trial's search, and the key of its spec.

    Raises:
        ConfigError: It is not an address of a trial.
    """
    place, mark, query = address.partition("?")
    match = _ADDRESS.fullmatch(place)
    if match is None or not match[1]:
        raise ConfigError(
            "That is not an address of a trial",
            hint="Give what the launcher names: s3://bucket/prefix/trials/0000-0/spec.json",
        )
    return f"{match[1]}{mark}{query}", match[2]
