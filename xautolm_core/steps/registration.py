"""The step that makes a search's winner a registered model and a pipeline's artifact."""

from __future__ import annotations

import shutil
from typing import Any

from xautolm_core.steps.entry import step
from xautolm_core.steps.finished import finished_folder
from xautolm_core.steps.notification import REGISTERED_KEY
from xautolm_core.steps.notification import keep_for_the_end
from xautolm_core.steps.register import register_model
from xautolm_core.steps.request import read_request


@step
def register_winner(
    request: str,
    result_folder: str,
    test_file: str,
    registry: str,
    model_folder: str,
    *,
    promote_first: bool = True,
) -> dict[str, Any]:
    """Register the chosen model with its card, and copy it to the pipeline's artifact.

    Args:
        request: The checked request.
        result_folder: Result folder of the search step.
        test_file: Output of the evaluation step.
        registry: Address of the model registry.
        model_folder: Target folder of the model's files.
        promote_first: Promote the first model of a task; later ones have to be compared.

    Returns:
        Metadata of the model, for the artifact: address, version, digests, scores, seconds, joules.

    Raises:
        ConfigError: The search has no model.
        StoreError: The registry cannot be used.
    """
    from xautolm_core.registry.registry import ModelRegistry
    from xautolm_core.search.result_file import read_result

    with finished_folder(result_folder, test_file) as folder:
        task = str(read_result(folder).task["name"])
        first = ModelRegistry.open(registry).champion(task) is None
        found = register_model(
            run_folder=str(folder), registry=registry, promote=promote_first and first
        )
        shutil.copytree(folder / "model", model_folder, dirs_exist_ok=True)
    keep_for_the_end(read_request(request), REGISTERED_KEY, found)
    print(f"registered {found['task']} version {found['version']} in {registry}")
    return {name: value for name, value in found.items() if value is not None}
