"""Notifies a webhook of the outcome of a run, as its last step."""

from kfp import dsl

from xautolm_components.images import RUNTIME_IMAGE


@dsl.component(base_image=RUNTIME_IMAGE, install_kfp_package=False)
def notify_last(pipeline: str, workspace: str, run_id: str):
    """Notify a webhook of the outcome of a run, where the pipeline can have no exit handler.

    Args:
        pipeline: Name of the pipeline.
        workspace: Address below which searches keep their objects.
        run_id: Id of the run: its objects in the workspace show how it ended.
    """
    from xautolm_core.steps.notification import tell_end

    tell_end(pipeline, workspace, run_id)
