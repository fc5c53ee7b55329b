"""Runs a search in a process of its own, so that a test can kill it."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.search.instant import Silent
from xautolm_core.launch.local import LocalLauncher
from xautolm_core.search.contract import SearchSpec
from xautolm_core.search.runner import run_search


def main() -> None:
    """Run or resume the search of a spec file in a folder."""
    spec_file, out_folder = Path(sys.argv[1]), Path(sys.argv[2])
    resume = (out_folder / "search.json").exists()
    spec = SearchSpec.model_validate_json(spec_file.read_bytes())
    target = "tests.search.analytic_trial:run"
    with LocalLauncher(target=target, preload=("tests.search.analytic_trial",)) as launcher:
        run_search(
            spec,
            out_folder,
            launcher=launcher,
            observer=Silent(),
            resume=resume,
            with_test=False,
        )
    print("finished")


if __name__ == "__main__":
    main()
