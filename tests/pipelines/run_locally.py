"""``python -m tests.pipelines.run_locally PIPELINE PARAMETERS.json FOLDER``: one run by kfp.local.

A process of its own, as KFP keeps its local settings for good, and images are read at import.
Prints, as its last line, where each step left its outputs.
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path


def main(name: str, parameters_file: str, folder: str) -> None:
    # KFP warns of what a local run cannot give: secrets, limits, display names.
    warnings.simplefilter("ignore")
    from kfp import local

    from pipelines.compiling import pipeline_function

    root = Path(folder)
    local.init(local.SubprocessRunner(use_venv=False), pipeline_root=str(root), raise_on_error=True)
    pipeline_function(name)(**json.loads(Path(parameters_file).read_text()))


if __name__ == "__main__":
    main(*sys.argv[1:])
