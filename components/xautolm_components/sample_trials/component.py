"""Proposes the trials of a round."""

from typing import List

from kfp import dsl

from xautolm_components.images import RUNTIME_IMAGE


@dsl.component(base_image=RUNTIME_IMAGE, install_kfp_package=False)
def sample_trials(
    request: str,
    features: dsl.Input[dsl.Artifact],
    history: str,
    size: int,
) -> List[str]:
    """Propose the trials of the next round.

    Never cached: what it proposes depends on the rounds before.

    Args:
        request: The checked request.
        features: Output of extract_meta_features.
        history: Digest of what to learn from, of warm_start.
        size: Number of trials.

    Returns:
        Addresses of the trials; an empty one once the search is over.
    """
    from xautolm_core.steps.rounds import sample_trials

    return sample_trials(request, features.path, history, size)
