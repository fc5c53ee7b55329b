"""For which version of Kubeflow Pipelines the pipelines are compiled, and what it does not know.

The definitions are written for the newest version. An older backend cannot take the name of a
secret from a parameter where a step is not at the top of its pipeline (kubeflow/pipelines#13128):
there the names are fixed when it is compiled, and are no parameters of a run.
"""

import functools
import inspect
import re
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any
from typing import Optional

from xautolm_core.errors import ConfigError

VERSIONS = ("2.15", "2.16", "2.17")
"""Backends that the pipelines compile for, the oldest first."""
S3_SECRET = "mlpipeline-minio-artifact"  # noqa: S105 - a name
WEBHOOK_SECRET = "xautolm-webhook"  # noqa: S105 - a name


@dataclass(frozen=True)
class Backend:
    """A backend that pipelines are compiled for.

    Attributes:
        version: One of ``VERSIONS``.
        s3_secret: Secret with the S3 keys: the default of the run parameter, or what stands in its
            place.
        webhook_secret: Secret with the address of the webhook; likewise.
    """

    version: str = VERSIONS[-1]
    s3_secret: str = S3_SECRET
    webhook_secret: str = WEBHOOK_SECRET

    @property
    def takes_secret_parameters(self) -> bool:
        """Whether a parameter may name the secret of any step."""
        return _number(self.version) >= (2, 17)

    @property
    def takes_security_context(self) -> bool:
        """Whether a step may say that it runs without root; the images do in any case."""
        return _number(self.version) >= (2, 16)

    @property
    def secrets(self) -> dict[str, str]:
        """Names of secrets by run parameter."""
        return {"s3_secret": self.s3_secret, "webhook_secret": self.webhook_secret}


_COMPILED_FOR: ContextVar[Backend] = ContextVar("compiled for", default=Backend())  # noqa: B039 - it is frozen


def compiled_for() -> Backend:
    """Return the backend that is being compiled for."""
    return _COMPILED_FOR.get()


def backend_of(
    wanted: Optional[str] = None,
    *,
    s3_secret: Optional[str] = None,
    webhook_secret: Optional[str] = None,
) -> Backend:
    """Return the backend that a user names.

    Args:
        wanted: Its version, such as ``2.16`` or ``2.16.0``; that of the installed kfp if None.
        s3_secret: Secret with the S3 keys; Kubeflow's own if None.
        webhook_secret: Secret with the address of the webhook.

    Raises:
        ConfigError: The version is not known, or newer than the installed kfp.
    """
    installed = version("kfp")
    given = wanted or installed
    if not re.fullmatch(r"[0-9]+\.[0-9]+(\.[0-9a-z]+)*", given):
        raise ConfigError(
            f"--kfp-version: {given!r} is no version", hint=f"Give one of {', '.join(VERSIONS)}"
        )
    number = _number(given)
    if wanted is None:
        number = min(number, _number(VERSIONS[-1]))
    name = ".".join(map(str, number))
    if name not in VERSIONS:
        raise ConfigError(
            f"the pipelines do not compile for Kubeflow Pipelines {given}",
            hint=f"Give --kfp-version one of {', '.join(VERSIONS)}",
        )
    if number > _number(installed):
        raise ConfigError(
            f"kfp {installed} is installed, which does not know what {name} takes",
            hint=f"Install it: pip install 'kfp=={name}.*' 'kfp-kubernetes=={name}.*'",
        )
    return Backend(name, s3_secret or S3_SECRET, webhook_secret or WEBHOOK_SECRET)


@dataclass(frozen=True)
class PipelineDefinition:
    """A pipeline, before it is known which backend it is for.

    Attributes:
        name: Its name.
        description: What it does.
        function: Its steps, as ``dsl.pipeline`` takes it. Its secrets are parameters.
    """

    name: str
    description: str
    function: Callable[..., Any]

    def for_backend(self, backend: Backend) -> Any:
        """Return the pipeline as kfp compiles and runs it."""
        from kfp import dsl

        with _compiling_for(backend):
            pipeline = dsl.pipeline(name=self.name, description=self.description)
            return pipeline(_with_secrets(self.function, backend))


def pipeline(*, name: str, description: str) -> Callable[[Callable[..., Any]], PipelineDefinition]:
    """Define a pipeline.

    Args:
        name: Its name.
        description: What it does.
    """
    return functools.partial(PipelineDefinition, name, description)


def _with_secrets(function: Callable[..., Any], backend: Backend) -> Callable[..., Any]:
    """Return a pipeline's function with the names of secrets as a backend takes them."""
    secrets = {} if backend.takes_secret_parameters else backend.secrets
    signature = inspect.signature(function)
    kept = [
        one.replace(default=backend.secrets[name]) if name in backend.secrets else one
        for name, one in signature.parameters.items()
        if name not in secrets
    ]

    def fixed(*given: Any) -> Any:
        # kfp hands parameters on by their place.
        named = dict(zip((one.name for one in kept), given, strict=True))
        return function(**named, **secrets)

    fixed.__name__, fixed.__doc__ = function.__name__, _without(function.__doc__ or "", secrets)
    fixed.__annotations__ = {one.name: one.annotation for one in kept}
    fixed.__signature__ = signature.replace(parameters=kept)  # type: ignore[attr-defined]
    return fixed


def _without(docstring: str, names: dict[str, str]) -> str:
    """Return a docstring without the lines of some arguments."""
    lines = inspect.cleandoc(docstring).splitlines()
    return "\n".join(line for line in lines if line.strip().partition(":")[0] not in names)


@contextmanager
def _compiling_for(backend: Backend) -> Iterator[None]:
    token = _COMPILED_FOR.set(backend)
    try:
        yield
    finally:
        _COMPILED_FOR.reset(token)


def _number(text: str) -> tuple[int, int]:
    major, minor = text.split(".")[:2]
    return int(major), int(minor)
