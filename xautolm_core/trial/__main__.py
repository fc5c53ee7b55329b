"""``python -m xautolm_core.trial SPEC.json`` runs one trial."""

from __future__ import annotations

import sys
from pathlib import Path

from pydantic import ValidationError

from xautolm_core.outcomes import Outcome
from xautolm_core.trial.contract import RESULT_FILE
from xautolm_core.trial.contract import TrialResult
from xautolm_core.trial.contract import TrialSpec
from xautolm_core.trial.failures import describe
from xautolm_core.trial.files import write_json_atomic


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
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        print(f"xautolm: {path} is no trial spec: {place}: {first['msg']}", file=sys.stderr)
        return 2
    try:
        from xautolm_core.trial.run import preload
        from xautolm_core.trial.run import run_trial

        # Before the first heartbeat, from which on its time counts.
        preload(())
    except ImportError as error:
        result = TrialResult(
            search_id=spec.search_id,
            trial_number=spec.trial_number,
            attempt=spec.attempt,
            outcome=Outcome.INFRA,
            failure=describe(error),
        )
        write_json_atomic(spec.out_folder / RESULT_FILE, result)
        print(
            "xautolm: a trial needs packages that are not installed. "
            "Install them with: pip install 'xautolm[trial]'",
            file=sys.stderr,
        )
        return 0
    run_trial(spec)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
