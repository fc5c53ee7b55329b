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
    """Run a search, or continue the one that an earlier attempt of this step has begun.

    Args:
        request: The checked request.
        features: Output of extract_meta_features.
        history: Digest of what to learn from, of warm_start.
        result: Summary, report, trials and the best model.
    """
    from xautolm_core.steps.search import search

    search(request, features.path, history, result.path)
