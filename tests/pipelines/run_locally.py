"""``python -m tests.pipelines.run_locally PIPELINE PARAMETERS.json FOLDER``: one run by kfp.local.

A process of its own, as KFP keeps its local settings for good, and images are read at import.
With arguments of ``docker run`` as JSON in XAUTOLM_TEST_DOCKER_ARGUMENTS, steps are containers of
their images; else they are processes.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from pathlib import Path
from typing import Any


def main(name: str, parameters_file: str, folder: str) -> None:
    # KFP warns of what a local run cannot give: secrets, limits, display names.
    warnings.simplefilter("ignore")
    from kfp import local

    from xautolm_pipelines.compiling import pipeline_function

    arguments = os.environ.get("XAUTOLM_TEST_DOCKER_ARGUMENTS")
    runner: Any = local.SubprocessRunner(use_venv=False)
    if arguments is not None:
        runner = local.DockerRunner(**json.loads(arguments))
    local.init(runner, pipeline_root=str(Path(folder)), raise_on_error=True)
    pipeline_function(name)(**json.loads(Path(parameters_file).read_text()))


if __name__ == "__main__":
    main(*sys.argv[1:])
