"""Shows what earlier searches say about a task."""

from kfp import dsl

from xautolm_components.images import RUNTIME_IMAGE


@dsl.component(base_image=RUNTIME_IMAGE, install_kfp_package=False)
def warm_start(
    request: str,
    features: dsl.Input[dsl.Artifact],
    prior: dsl.Output[dsl.Artifact],
    view: dsl.Output[dsl.Markdown],
) -> str:
    """Read the history: which of it informs this search, and what it suggests to try first.

    Never cached: the store grows.

    Args:
        request: The checked request.
        features: Output of extract_meta_features.
        prior: Neighbours, counts, prior and first suggestions, as JSON.
        view: The same for people.

    Returns:
        The digest of what was read of the store.
    """
    from xautolm_core.steps.warm_start import show_warm_start

    return show_warm_start(request, features.path, prior.path, view.path)
