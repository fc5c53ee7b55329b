"""Checks whether the model in use is still good enough."""

from kfp import dsl

from xautolm_components.images import TRIAL_IMAGE


@dsl.component(base_image=TRIAL_IMAGE, install_kfp_package=False)
def check_incumbent(
    task: str,
    registry: str,
    tolerance: float,
    alpha: float,
    min_rows: int,
    verdict: dsl.Output[dsl.Artifact],
) -> bool:
    """Evaluate the model in use on rows of the current data that it was not trained on.

    Args:
        task: The s3:// address of the data, or YAML of a task.
        registry: Address of the model registry.
        tolerance: Drop of macro-F1 that is acceptable.
        alpha: Probability of calling a model degraded at a true drop of the tolerance.
        min_rows: With fewer rows that are new to the model, nothing is decided.
        verdict: The verdict with its test, as JSON.

    Returns:
        Whether a search is needed; the verdict gives the reason.
    """
    from xautolm_core.steps.retraining import check_champion

    limits = {"tolerance": tolerance, "alpha": alpha, "min_rows": min_rows}
    return check_champion(task, registry, verdict.path, **limits)
