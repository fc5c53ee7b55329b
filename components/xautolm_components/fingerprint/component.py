"""Checks all parameters of a run, and fingerprints its data."""

from typing import Dict
from typing import List
from typing import NamedTuple

from kfp import dsl

from xautolm_components.images import RUNTIME_IMAGE


@dsl.component(base_image=RUNTIME_IMAGE, install_kfp_package=False)
def fingerprint(
    run_id: str,
    task: str,
    space: str,
    store: str,
    workspace: str,
    registry: str,
    sampler: str,
    methods: str,
    screening: bool,
    objectives: str,
    limits: Dict[str, float],
    prices: dict,
    trials_in_flight: int,
    trial_timeout_minutes: float,
    seed: int,
    tenant: str,
    launcher: str,
    trial_image: str,
    gpu_count: int,
    gpu_resource: str,
    node_selector: Dict[str, str],
    tolerations: List[dict],
    queue: str,
    trial_service_account: str,
    s3_secret: str,
    model_cache_claim: str,
    cluster: str,
) -> NamedTuple("Fingerprinted", [("fingerprint", str), ("request", str), ("measurement", str)]):
    """Check a run's parameters, data, buckets and cluster before any trial starts.

    Never cached: the content behind an address may have changed.

    Args:
        run_id: Id of the run; it is the search's.
        task: The s3:// address of the data, or YAML of a task.
        space: Preset or YAML of the search space.
        store: Address of the experience store.
        workspace: Address below which searches keep their objects.
        registry: Address of the model registry; empty for none.
        sampler: Name of the sampler.
        methods: Methods of the space to use, such as tfidf,full,lora; empty for all.
        screening: Compare the space's models on a few rows first.
        objectives: Objectives, such as f1,time.
        limits: Some of trials, hours, gpu_hours, kwh, cost, carbon_grams.
        prices: Some of gpu_hour, trial_hour, kwh, currency, grams_per_kwh, pue.
        trials_in_flight: Trials at the same time.
        trial_timeout_minutes: Limit of one trial; 0 for a share of the budget.
        seed: Seed of splits, sampler and trials.
        tenant: Owner of the experiences.
        launcher: kubernetes, or local for trials in the step's own container.
        trial_image: Image of trial pods.
        gpu_count: GPUs of one trial.
        gpu_resource: Extended resource name of the GPU.
        node_selector: Labels of the nodes of trial pods.
        tolerations: Taints that trial pods tolerate.
        queue: Kueue's LocalQueue of trial Jobs.
        trial_service_account: Service account of trial pods.
        s3_secret: Secret with the S3 keys, for trial pods.
        model_cache_claim: PersistentVolumeClaim with models.
        cluster: YAML of further settings of trial pods.

    Returns:
        The data's fingerprint, the checked request for the other steps, and what of it the
        meta-features depend on.
    """
    parameters = dict(locals())
    from xautolm_core.steps.fingerprint import fingerprint_task

    return fingerprint_task(parameters)
