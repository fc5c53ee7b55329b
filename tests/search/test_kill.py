"""kill -9 of a search at any time, and what is left: real processes throughout."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from xautolm_core.experience.open import open_store
from xautolm_core.search.contract import SearchSpec
from xautolm_core.search.folders import read_attempts

ROOT = Path(__file__).resolve().parents[2]
MAX_KILLS = 6
TRIALS = 14


def start(spec_file: Path, out: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "XAUTOLM_TEST_TRIAL_SECONDS": "0.08"}
    return subprocess.Popen(
        [sys.executable, "-m", "tests.search.search_process", str(spec_file), str(out)],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str]) -> None:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert "finished" in out


def tried(out: Path) -> list:
    return [attempts[0].proposal.configuration for attempts in read_attempts(out).values()]


@pytest.mark.slow
@pytest.mark.parametrize(("workers", "sampler"), [(1, "xautolm"), (2, "zero_shot")])
def test_a_killed_search_goes_on_as_if_it_had_not_stopped(make_spec, tmp_path, workers, sampler):
    options = {"population": 5, "learning_factor": 0.3}
    spec: SearchSpec = make_spec(
        max_trials=TRIALS, workers=workers, sampler=sampler, sampler_options=options
    )
    spec_file = tmp_path / "spec.json"
    spec_file.write_text(spec.model_dump_json())
    out = tmp_path / "killed"
    generator = random.Random(workers)
    for _ in range(MAX_KILLS):
        process = start(spec_file, out)
        # Kill at a random moment after the first sign of life.
        deadline = time.monotonic() + 60
        known = len(list(out.glob("trials/*"))) if out.exists() else 0
        while time.monotonic() < deadline and process.poll() is None:
            if out.exists() and len(list(out.glob("trials/*"))) > known:
                break
            time.sleep(0.01)
        time.sleep(generator.uniform(0.0, 0.4))
        if process.poll() is not None:
            break
        os.kill(process.pid, signal.SIGKILL)
        process.communicate(timeout=60)
    finish(start(spec_file, out))

    attempts = read_attempts(out)
    assert list(attempts) == list(range(TRIALS))
    for number, found in attempts.items():
        with_result = [a for a in found if a.result is not None]
        # A trial that came to a result was not run again; one in flight was, unchanged.
        assert with_result == found[-1:], number
        assert len({a.proposal.configuration for a in found}) == 1
    kept = Counter(e.trial_number for e in open_store(spec.store).scan())
    assert kept == dict.fromkeys(range(TRIALS), 1)
    assert (out / "model" / "model.safetensors").exists()

    if workers == 1:
        whole_file = tmp_path / "whole.json"
        whole = spec.model_copy(update={"store": str(tmp_path / "other-store")})
        whole_file.write_text(whole.model_dump_json())
        finish(start(whole_file, tmp_path / "whole"))
        assert tried(out) == tried(tmp_path / "whole")
