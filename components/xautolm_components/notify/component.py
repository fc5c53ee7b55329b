"""Tells how a run ended."""

from kfp import dsl

from xautolm_components.images import RUNTIME_IMAGE


@dsl.component(base_image=RUNTIME_IMAGE, install_kfp_package=False)
def notify(
    pipeline: str,
    workspace: str,
    run_id: str,
    status: dsl.PipelineTaskFinalStatus,
):
    """Tell a webhook how a run ended, whatever the end.

    Args:
        pipeline: Name of the pipeline.
        workspace: Address below which searches keep their objects.
        run_id: Id of the run.
        status: How the run ended; KFP fills it in.
    """
    from xautolm_core.steps.notification import tell_end

    tell_end(pipeline, workspace, run_id, status)
