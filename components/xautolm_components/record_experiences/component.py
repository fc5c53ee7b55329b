"""Records how the trials of a round ended."""

from typing import List

from kfp import dsl

from xautolm_components.images import RUNTIME_IMAGE


@dsl.component(base_image=RUNTIME_IMAGE, install_kfp_package=False)
def record_experiences(
    request: str,
    features: dsl.Input[dsl.Artifact],
    history: str,
    outcomes: List[str],
    result: dsl.Output[dsl.Artifact],
) -> int:
    """Add the results of a round to the experience store and the search.

    Never cached: the results lie behind an address.

    Args:
        request: The checked request.
        features: Output of extract_meta_features.
        history: Digest of what the search learnt from.
        outcomes: Outcomes of the round's trials; their results are read from the workspace.
        result: Summary, report, trials and the best model so far.

    Returns:
        Number of trials that have ended so far.
    """
    from xautolm_core.steps.rounds import record_experiences

    return record_experiences(request, features.path, history, result.path)
