"""``xautolm-retrain``: for recurring runs, a search only where the model in use has degraded."""

from typing import Dict
from typing import List

from kfp import dsl

from xautolm_components.check_incumbent.component import check_incumbent
from xautolm_components.compare_models.component import compare_models
from xautolm_components.images import TRIAL_IMAGE
from xautolm_components.split_fresh.component import split_fresh
from xautolm_pipelines.backend import S3_SECRET
from xautolm_pipelines.backend import WEBHOOK_SECRET
from xautolm_pipelines.backend import pipeline
from xautolm_pipelines.setup import begin
from xautolm_pipelines.setup import conclude
from xautolm_pipelines.setup import equip
from xautolm_pipelines.setup import run_controller
from xautolm_pipelines.setup import tell


@pipeline(
    name="xautolm-retrain",
    description="For recurring runs: retrain only when needed, promote only what is better.",
)
def xautolm_retrain(
    task: str,
    store: str,
    workspace: str,
    registry: str,
    space: str = "starter",
    sampler: str = "guarded",
    methods: str = "",
    screening: bool = True,
    objectives: str = "f1,time",
    limits: Dict[str, float] = {"trials": 8.0},
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
    tolerance: float = 0.02,
    check_alpha: float = 0.05,
    check_min_rows: int = 100,
    fresh_fraction: float = 0.2,
    promote_alpha: float = 0.01,
    minimal_gain: float = 0.0,
):
    """Retrain the model of a task, if the one in use is no longer good enough on the current data.

    A small search, warm-started by all that came before, finds a challenger; it is put in use only
    if a paired test on rows that neither model was trained on says that it is better.

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
        tolerance: Acceptable drop of macro-F1 of the model in use.
        check_alpha: Probability of calling a model degraded at a true drop of the tolerance.
        check_min_rows: With fewer rows that are new to the model, there is no search.
        fresh_fraction: Share of the data that is set aside for the comparison.
        promote_alpha: Probability of promoting a challenger that is not better.
        minimal_gain: The observed gain of a challenger must be at least this.
    """
    parameters = dict(locals())
    with dsl.ExitHandler(tell("xautolm-retrain", parameters), name="retrain-and-tell"):
        checked = equip(
            check_incumbent(
                task=task,
                registry=registry,
                tolerance=tolerance,
                alpha=check_alpha,
                min_rows=check_min_rows,
            ),
            s3_secret,
            memory="8Gi",
        )
        # The return value of a step: kfp.local supports no other output in a condition.
        with dsl.If(checked.outputs["Output"] == True, name="degraded"):  # noqa: E712
            divided = equip(
                split_fresh(
                    task=task,
                    registry=registry,
                    workspace=workspace,
                    run_id=dsl.PIPELINE_JOB_ID_PLACEHOLDER,
                    fraction=fresh_fraction,
                ),
                s3_secret,
                memory="4Gi",
            )
            start = begin(parameters, task=divided.outputs["task"])
            result = run_controller(start, s3_secret)
            registered = conclude(start, result, registry, s3_secret)
            equip(
                compare_models(
                    registry=registry,
                    model=registered.outputs["model"],
                    fresh=divided.outputs["fresh"],
                    alpha=promote_alpha,
                    minimal_gain=minimal_gain,
                ),
                s3_secret,
                memory="8Gi",
            )
