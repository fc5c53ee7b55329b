"""``xautolm-search``: one controller, one Kubernetes Job per trial."""

from typing import Dict
from typing import List

from kfp import dsl

from xautolm_components.images import TRIAL_IMAGE
from xautolm_pipelines.backend import S3_SECRET
from xautolm_pipelines.backend import WEBHOOK_SECRET
from xautolm_pipelines.backend import pipeline
from xautolm_pipelines.setup import begin
from xautolm_pipelines.setup import conclude
from xautolm_pipelines.setup import run_controller
from xautolm_pipelines.setup import tell


@pipeline(
    name="xautolm-search",
    description="Search for the best fine-tuned text classifier, warm-started by experience.",
)
def xautolm_search(
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
    trials_in_flight: int = 2,
    trial_timeout_minutes: float = 0.0,
    seed: int = 0,
    tenant: str = "default",
    launcher: str = "kubernetes",
    trial_image: str = TRIAL_IMAGE,
    gpu_count: int = 0,
    gpu_resource: str = "nvidia.com/gpu",
    node_selector: Dict[str, str] = {},
    tolerations: List[dict] = [],
    queue: str = "",
    trial_service_account: str = "",
    s3_secret: str = S3_SECRET,
    model_cache_claim: str = "",
    cluster: str = "",
    webhook_secret: str = WEBHOOK_SECRET,
):
    """Search for the best fine-tuned text classifier, and register it.

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
        trials_in_flight: Trials at the same time.
        trial_timeout_minutes: Limit of one trial; 0 for a share of the budget.
        seed: Seed of splits, sampler and trials.
        tenant: Owner of the experiences.
        launcher: kubernetes, or local for trials in the step's own container.
        trial_image: Image of trial pods, pinned by its digest.
        gpu_count: GPUs of one trial.
        gpu_resource: Extended resource name of the GPU.
        node_selector: Labels of the nodes of trial pods.
        tolerations: Taints that trial pods tolerate.
        queue: Kueue's LocalQueue of trial Jobs.
        trial_service_account: Service account of trial pods.
        s3_secret: Secret with the S3 keys (accesskey, secretkey).
        model_cache_claim: PersistentVolumeClaim with models, shared by trials.
        cluster: YAML of further settings of trial pods (docs/launching.md).
        webhook_secret: Secret whose key url is notified of the outcome; it may be absent.
    """
    parameters = dict(locals())
    with dsl.ExitHandler(tell("xautolm-search", parameters), name="search-and-tell"):
        start = begin(parameters)
        conclude(start, run_controller(start, s3_secret), registry, s3_secret)
