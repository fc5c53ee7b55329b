"""Compares a challenger with the model in use."""

from kfp import dsl

from xautolm_components.images import TRIAL_IMAGE


@dsl.component(base_image=TRIAL_IMAGE, install_kfp_package=False)
def compare_models(
    registry: str,
    model: dsl.Input[dsl.Model],
    fresh: str,
    alpha: float,
    minimal_gain: float,
    decision: dsl.Output[dsl.Artifact],
) -> bool:
    """Compare champion and challenger by a paired test on rows that neither was trained on.

    Only a challenger that is significantly better is put in use.

    Args:
        registry: Address of the model registry.
        model: The challenger, as register_model gave it.
        fresh: Address of the rows set aside.
        alpha: Probability of promoting a challenger that is not better.
        minimal_gain: The observed gain must be at least this.
        decision: The decision with its test, as JSON.

    Returns:
        Whether the challenger is in use now.
    """
    from xautolm_core.steps.retraining import compare_challenger

    task, version = model.metadata["task"], model.metadata["version"]
    return compare_challenger(
        registry, task, version, fresh, decision.path, alpha=alpha, minimal_gain=minimal_gain
    )
