"""Runs a whole search: the controller of its trial Jobs."""

from kfp import dsl

from xautolm_components.images import RUNTIME_IMAGE


@dsl.component(base_image=RUNTIME_IMAGE, install_kfp_package=False)
def search(
    request: str,
    features: dsl.Input[dsl.Artifact],
    history: str,
    result: dsl.Output[dsl.Artifact],
):
    """Run a search, or go on with the one that this run's step has begun before.

    Args:
        request: The checked request.
        features: What extract_meta_features wrote.
        history: Digest of what to learn from, of warm_start.
        result: Summary, report, trials and the best model.
    """
    from xautolm_core.steps.search import search

    search(request, features.path, history, result.path)
