"""``xautolm-search-rounds``: rounds of trials, each trial a task of the pipeline."""

import os
from typing import Dict

from kfp import dsl
from kfp import kubernetes

from xautolm_components.images import TRIAL_IMAGE
from xautolm_components.notify_last.component import notify_last
from xautolm_components.record_experiences.component import record_experiences
from xautolm_components.run_trial.component import run_trial
from xautolm_components.sample_trials.component import sample_trials
from xautolm_pipelines.backend import S3_SECRET
from xautolm_pipelines.backend import WEBHOOK_SECRET
from xautolm_pipelines.backend import pipeline
from xautolm_pipelines.setup import begin
from xautolm_pipelines.setup import conclude
from xautolm_pipelines.setup import equip
from xautolm_pipelines.setup import tell

ROUNDS = int(os.environ.get("XAUTOLM_ROUNDS", "4"))
TRIALS_PER_ROUND = int(os.environ.get("XAUTOLM_TRIALS_PER_ROUND", "4"))
TRIAL_MEMORY = os.environ.get("XAUTOLM_TRIAL_MEMORY", "16Gi")
TRIAL_GPUS = int(os.environ.get("XAUTOLM_TRIAL_GPUS", "0"))
GPU_RESOURCE = os.environ.get("XAUTOLM_GPU_RESOURCE", "nvidia.com/gpu")


def _as_trial(task: dsl.PipelineTask) -> dsl.PipelineTask:
    """Give a step the image and the resources of a trial."""
    task.set_container_image(TRIAL_IMAGE)
    task.set_memory_request(TRIAL_MEMORY)
    task.set_memory_limit(TRIAL_MEMORY)
    if TRIAL_GPUS:
        task.set_accelerator_type(GPU_RESOURCE)
        task.set_accelerator_limit(TRIAL_GPUS)
    kubernetes.empty_dir_mount(task, "shared-memory", "/dev/shm", medium="Memory")  # noqa: S108
    return task


@pipeline(
    name="xautolm-search-rounds",
    description="The search without a controller: rounds of trials, each a task of the pipeline.",
)
def xautolm_search_rounds(
    task: str,
    store: str,
    workspace: str,
    registry: str,
    space: str = "starter",
    sampler: str = "guarded",
    methods: str = "",
    screening: bool = True,
    objectives: str = "f1,time",
    limits: Dict[str, float] = {"trials": 20.0},
    prices: dict = {},
    trial_timeout_minutes: float = 0.0,
    seed: int = 0,
    tenant: str = "default",
    s3_secret: str = S3_SECRET,
    model_cache_claim: str = "",
    webhook_secret: str = WEBHOOK_SECRET,
):
    """Search in rounds for the best fine-tuned text classifier, and register it.

    The number of rounds, the trials of a round and what a trial gets are fixed when the pipeline is
    compiled; a trial that its own supervisor ends (memory, time) is an experience like any other,
    but one that the kernel kills together with its pod fails the loop.

    Args:
        task: The s3:// address of the data, or YAML of a task.
        store: Address of the experience store, such as s3://bucket/experiences.
        workspace: Address below which searches keep their objects.
        registry: Address of the model registry.
        space: Preset or YAML of the search space.
        sampler: Name of the sampler.
        methods: Methods of the space to use, such as tfidf,full,lora; empty for all.
        screening: Compare the space's models on a few rows first.
        objectives: Objectives, such as f1,time.
        limits: Some of trials, hours, gpu_hours, kwh, cost, carbon_grams; others are not limited.
        prices: Some of gpu_hour, trial_hour, kwh, currency, grams_per_kwh, pue.
        trial_timeout_minutes: Limit of one trial; 0 for a share of the budget.
        seed: Seed of splits, sampler and trials.
        tenant: Owner of the experiences.
        s3_secret: Secret with the S3 keys (accesskey, secretkey).
        model_cache_claim: PersistentVolumeClaim with models, shared by trials.
        webhook_secret: Secret whose key url is notified of the outcome; it may be absent.
    """
    parameters = dict(locals())
    start = begin(
        parameters,
        trials_in_flight=TRIALS_PER_ROUND,
        as_trial=_as_trial,
        launcher="rounds",
        trial_image="",
        gpu_count=0,
        gpu_resource="",
        node_selector={},
        tolerations=[],
        queue="",
        trial_service_account="",
        cluster="",
    )
    before = start.last
    for _ in range(ROUNDS):
        sampled = equip(
            sample_trials(
                request=start.request,
                features=start.features,
                history=start.history,
                size=TRIALS_PER_ROUND,
            ).after(before),
            s3_secret,
            memory="4Gi",
        )
        with dsl.ParallelFor(sampled.output, parallelism=TRIALS_PER_ROUND) as trial:
            ran = _as_trial(
                equip(run_trial(trial=trial), s3_secret, memory=TRIAL_MEMORY, retries=0)
            )
        before = equip(
            record_experiences(
                request=start.request,
                features=start.features,
                history=start.history,
                outcomes=dsl.Collected(ran.output),
            ),
            s3_secret,
            memory="4Gi",
        )
    registered = conclude(start, before.outputs["result"], registry, s3_secret)
    # No exit handler: a loop inside one is not reliable on every backend.
    tell("xautolm-search-rounds", parameters, notify_last).after(
        registered
    ).ignore_upstream_failure()
