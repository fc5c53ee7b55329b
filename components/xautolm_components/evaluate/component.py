"""Evaluates the chosen model on the test split."""

from kfp import dsl

from xautolm_components.images import TRIAL_IMAGE


@dsl.component(base_image=TRIAL_IMAGE, install_kfp_package=False)
def evaluate(
    request: str,
    result: dsl.Input[dsl.Artifact],
    test: dsl.Output[dsl.Artifact],
):
    """Evaluate the chosen model on the test split, once.

    Args:
        request: The checked request.
        result: Output of search or record_experiences.
        test: Scores, scores by class and confusion matrix, as JSON.
    """
    from xautolm_core.steps.evaluate import evaluate

    evaluate(request, result.path, test.path)
