"""Measures a task, and the machine of a trial."""

from kfp import dsl

from xautolm_components.images import RUNTIME_IMAGE


@dsl.component(base_image=RUNTIME_IMAGE, install_kfp_package=False)
def extract_meta_features(
    measurement: str,
    fingerprint: str,
    features: dsl.Output[dsl.Artifact],
):
    """Measure a task's meta-features, and those of the machine that a trial gets.

    On a cluster a small Job with a trial's resources measures the machine.

    Args:
        measurement: What to measure; with the fingerprint, the key of a cached answer.
        fingerprint: Expected fingerprint of the data.
        features: The meta-features, as JSON.
    """
    from xautolm_core.steps.meta_features import extract_meta_features

    extract_meta_features(measurement, fingerprint, features.path)
