"""Notifies a webhook of the outcome of a run."""

from kfp import dsl

from xautolm_components.images import RUNTIME_IMAGE


@dsl.component(base_image=RUNTIME_IMAGE, install_kfp_package=False)
def notify(
    pipeline: str,
    workspace: str,
    run_id: str,
    status: dsl.PipelineTaskFinalStatus,
):
    """Notify a webhook of the outcome of a run, whether it succeeded or failed.

    Args:
        pipeline: Name of the pipeline.
        workspace: Address below which searches keep their objects.
        run_id: Id of the run.
        status: Final status of the run, filled in by KFP.
    """
    from xautolm_core.steps.notification import tell_end

    tell_end(pipeline, workspace, run_id, status)
