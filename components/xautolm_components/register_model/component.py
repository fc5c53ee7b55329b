"""Registers the winner of a search."""

from kfp import dsl

from xautolm_components.images import RUNTIME_IMAGE


@dsl.component(base_image=RUNTIME_IMAGE, install_kfp_package=False)
def register_model(
    request: str,
    result: dsl.Input[dsl.Artifact],
    test: dsl.Input[dsl.Artifact],
    registry: str,
    model: dsl.Output[dsl.Model],
):
    """Register the model that a search chose, with its card.

    The first model of a task is put in use; for a later one, that is decided by a
    comparison.

    Args:
        request: The checked request.
        result: Output of search or record_experiences.
        test: Output of evaluate.
        registry: Address of the model registry.
        model: The model, with address, version, scores, seconds and energy as metadata.
    """
    from xautolm_core.steps.registration import register_winner

    found = register_winner(request, result.path, test.path, registry, model.path)
    model.metadata.update(found)
