"""Sets rows aside for a comparison of models."""

from typing import NamedTuple

from kfp import dsl

from xautolm_components.images import RUNTIME_IMAGE


@dsl.component(base_image=RUNTIME_IMAGE, install_kfp_package=False)
def split_fresh(
    task: str,
    registry: str,
    workspace: str,
    run_id: str,
    fraction: float,
) -> NamedTuple("Divided", [("task", str), ("fresh", str)]):
    """Divide the current data into rows for the search and rows set aside.

    Args:
        task: The s3:// address of the data, or YAML of a task.
        registry: Address of the model registry.
        workspace: Address below which both parts are kept.
        run_id: Id of the run.
        fraction: Share of rows to set aside.

    Returns:
        YAML of the task to search, and the address of the rows set aside.
    """
    from xautolm_core.steps.retraining import divide_data

    return divide_data(task, registry, workspace, run_id, fraction=fraction)
