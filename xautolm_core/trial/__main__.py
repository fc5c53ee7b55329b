"""``python -m xautolm_core.trial SPEC.json`` runs one trial."""

from __future__ import annotations

import sys
from pathlib import Path

from pydantic import ValidationError

from xautolm_core.records.methods import has_model
from xautolm_core.trial.contract import TrialSpec
from xautolm_core.trial.run import preload
from xautolm_core.trial.run import run_trial
from xautolm_core.validation import first_problem


def main(arguments: list[str]) -> int:
    """Run the trial of a spec file; return the exit code: 0 if there is a result, else 2."""
    if len(arguments) != 1:
        print("usage: python -m xautolm_core.trial SPEC.json", file=sys.stderr)
        return 2
    path = Path(arguments[0])
    try:
        spec = TrialSpec.model_validate_json(path.read_bytes())
    except OSError as error:
        print(f"xautolm: {path} cannot be read: {error.strerror}", file=sys.stderr)
        return 2
    except ValidationError as error:
        print(f"xautolm: {path} is not a trial spec: {first_problem(error)}", file=sys.stderr)
        return 2
    # Before the first heartbeat, from which on its time counts.
    if has_model(spec.configuration.method):
        preload(())
    run_trial(spec)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
