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
    """Take the results of a round into the experience store and the search.

    Never cached: the results lie behind an address.

    Args:
        request: The checked request.
        features: What extract_meta_features wrote.
        history: Digest of what the search learnt from.
        outcomes: Of the round's trials; the results themselves are read from the workspace.
        result: Summary, report, trials and the best model so far.

    Returns:
        Trials that have ended so far.
    """
    from xautolm_core.steps.rounds import record_experiences

    return record_experiences(request, features.path, history, result.path)
