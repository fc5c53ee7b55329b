"""The first steps of every pipeline, and the settings of every step."""

from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from typing import Optional
from typing import Union

from kfp import dsl
from kfp import kubernetes

from xautolm_components.evaluate.component import evaluate
from xautolm_components.extract_meta_features.component import extract_meta_features
from xautolm_components.fingerprint.component import fingerprint
from xautolm_components.notify.component import notify
from xautolm_components.register_model.component import register_model
from xautolm_components.report.component import report
from xautolm_components.search.component import search
from xautolm_components.warm_start.component import warm_start
from xautolm_pipelines.backend import compiled_for

S3_KEYS = {"accesskey": "XAUTOLM_S3_ACCESS_KEY", "secretkey": "XAUTOLM_S3_SECRET_KEY"}
"""Keys of the secret that Kubeflow Pipelines itself uses, and the variables that we read."""
WEBHOOK_KEYS = {"url": "XAUTOLM_WEBHOOK_URL"}

Channel = Union[str, dsl.pipeline_channel.PipelineChannel]


@dataclass(frozen=True)
class Beginning:
    """What the first steps of every search return.

    Attributes:
        request: The checked request.
        features: Meta-features of the task and of a trial's machine.
        history: Digest of what the search learns from.
        last: The last of these steps.
    """

    request: Channel
    features: Any
    history: Channel
    last: dsl.PipelineTask


def begin(
    parameters: Mapping[str, Channel],
    *,
    as_trial: Optional[Callable[[dsl.PipelineTask], dsl.PipelineTask]] = None,
    **others: Channel,
) -> Beginning:
    """Check a run, measure its task and machine, and read the history.

    Args:
        parameters: Run parameters of the pipeline, those of the fingerprint step among them.
        as_trial: Gives the measuring step the image and the resources of a trial, where trials are
            steps themselves.
        **others: Replace run parameters.
    """
    wanted = fingerprint.component_spec.inputs
    given = {**parameters, "run_id": dsl.PIPELINE_JOB_ID_PLACEHOLDER, **others}
    secret = parameters["s3_secret"]
    checked = equip(
        fingerprint(**{name: value for name, value in given.items() if name in wanted}),
        secret,
        memory="4Gi",
        retries=0,
    )
    measured = equip(
        extract_meta_features(
            measurement=checked.outputs["measurement"],
            fingerprint=checked.outputs["fingerprint"],
        ),
        secret,
        memory="4Gi",
        cached=True,
    )
    if as_trial is not None:
        as_trial(measured)
    request, features = checked.outputs["request"], measured.outputs["features"]
    started = equip(warm_start(request=request, features=features), secret, memory="4Gi")
    return Beginning(request, features, started.outputs["Output"], started)


def conclude(
    start: Beginning, result: Any, registry: Channel, s3_secret: Channel
) -> dsl.PipelineTask:
    """Test, report and register the result of a search; return the step that registers it.

    Args:
        start: What the search began with.
        result: Its output.
        registry: Address of the model registry.
        s3_secret: Secret with the S3 keys.
    """
    tested = equip(evaluate(request=start.request, result=result), s3_secret, memory="8Gi")
    test = tested.outputs["test"]
    equip(report(result=result, test=test), s3_secret, memory="2Gi")
    return equip(
        register_model(request=start.request, result=result, test=test, registry=registry),
        s3_secret,
        memory="4Gi",
    )


def run_controller(start: Beginning, s3_secret: Channel) -> Any:
    """Add the step that runs a whole search; return its output.

    Args:
        start: What the search begins with.
        s3_secret: Secret with the S3 keys.
    """
    found = equip(
        search(request=start.request, features=start.features, history=start.history),
        s3_secret,
        memory="8Gi",
        retries=5,
    )
    # With it the controller finds the workflow that owns its Jobs.
    kubernetes.use_field_path_as_env(found, "POD_NAME", "metadata.name")
    return found.outputs["result"]


def equip(
    task: dsl.PipelineTask,
    s3_secret: Channel,
    *,
    memory: str,
    cached: bool = False,
    retries: int = 2,
) -> dsl.PipelineTask:
    """Set keys, limits and retries of a step.

    Args:
        task: The step.
        s3_secret: Secret with the S3 keys; it need not exist where pods have an identity.
        memory: Request and limit.
        cached: Whether an earlier answer to the same parameters is as good. KFP's cache does not
            see what lies behind an address.
        retries: Retries of a failed step, such as after the loss of a node.
    """
    kubernetes.use_secret_as_env(task, s3_secret, S3_KEYS, optional=True)
    if compiled_for().takes_security_context:
        kubernetes.set_security_context(task, run_as_non_root=True)
    task.set_caching_options(enable_caching=cached)
    task.set_cpu_request("500m")
    task.set_memory_request(memory)
    task.set_memory_limit(memory)
    if retries:
        task.set_retry(retries, backoff_duration="30s", backoff_factor=2.0)
    return task


def tell(
    pipeline: str, parameters: Mapping[str, Channel], component: Any = notify
) -> dsl.PipelineTask:
    """Return the step that notifies a webhook of the outcome of the run.

    Args:
        pipeline: Its name.
        parameters: Run parameters of the pipeline.
        component: Takes the end from KFP, or is the last step itself.
    """
    told: dsl.PipelineTask = component(
        pipeline=pipeline,
        workspace=parameters["workspace"],
        run_id=dsl.PIPELINE_JOB_ID_PLACEHOLDER,
    )
    equip(told, parameters["s3_secret"], memory="512Mi")
    kubernetes.use_secret_as_env(told, parameters["webhook_secret"], WEBHOOK_KEYS, optional=True)
    return told
