"""Runs one trial."""

from kfp import dsl

from xautolm_components.images import TRIAL_IMAGE


@dsl.component(base_image=TRIAL_IMAGE, install_kfp_package=False)
def run_trial(trial: str) -> str:
    """Run a trial, and return how it ended; a trial that fails does not fail the step.

    Args:
        trial: One address that sample_trials returned.

    Returns:
        The outcome, such as ok, oom_host or timeout; none for an empty address.
    """
    from xautolm_core.steps.rounds import run_trial

    return run_trial(trial)
