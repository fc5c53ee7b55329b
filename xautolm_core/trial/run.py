"""Runs one trial in the process that calls it, with a thread that writes its heartbeat."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import threading
import time
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version
from importlib.util import find_spec
from types import TracebackType

from xautolm_core.records.attempt import TrialResult
from xautolm_core.records.outcome import Failure
from xautolm_core.records.outcome import Outcome
from xautolm_core.trial.contract import HEARTBEAT_FILE
from xautolm_core.trial.contract import RESULT_FILE
from xautolm_core.trial.sigterm import TERMINATED_EXIT_CODE
from xautolm_core.trial.sigterm import Interruption
from xautolm_core.trial.state import TrialState
from xautolm_core.whole_files import write_json

# The progress bars and advice of libraries have no place in a trial's log.
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")

from xautolm_core import __version__
from xautolm_core.records.methods import LEXICAL_SPAN
from xautolm_core.records.methods import TFIDF
from xautolm_core.records.methods import UNTUNED
from xautolm_core.records.methods import UNTUNED_FEW_SHOT
from xautolm_core.records.methods import is_cheap
from xautolm_core.trial.contract import TrialSpec
from xautolm_core.trial.failures import describe
from xautolm_core.trial.failures import outcome_of
from xautolm_core.trial.saved_state import claim_saved

_VERSIONED = ("torch", "transformers", "peft", "tokenizers", "numpy", "scikit-learn")
# transformers imports the code of an architecture when it is first asked for. These are imported
# beforehand by a fork server; each one costs it little beside the first.
PRELOADED_ARCHITECTURES = (
    "bert",
    "distilbert",
    "electra",
    "roberta",
    "xlm_roberta",
    "albert",
    "deberta_v2",
    "modernbert",
    "gpt2",
    "t5",
    "bart",
)


# SIGTERM is noticed between two steps. A single long call (one huge step, a large file) must not
# make the launcher wait: after this many seconds the thread writes the result and ends the process.
CANCEL_GRACE_SECONDS = 1.5
_LOOK_SECONDS = 0.2


class ResultWriter:
    """Writes the result exactly once, whichever thread comes first."""

    def __init__(self, state: TrialState) -> None:
        self._path = state.spec.out_folder / RESULT_FILE
        self._lock = threading.Lock()
        self._written: TrialResult | None = None

    def write(self, result: TrialResult) -> TrialResult:
        """Write the result, unless there is one already; return the one that stands."""
        with self._lock:
            if self._written is None:
                write_json(self._path, result)
                self._written = result
            return self._written


class Heartbeat:
    """Writes ``heartbeat.json`` while it is entered.

    Every ``spec.heartbeat_seconds``, and right after an evaluation.
    """

    def __init__(self, state: TrialState, interruption: Interruption, writer: ResultWriter) -> None:
        self._state = state
        self._interruption = interruption
        self._writer = writer
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def __enter__(self) -> Heartbeat:
        """Start."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop, with one last heartbeat."""
        self._stop.set()
        self._thread.join(timeout=5)
        self._beat()

    def _run(self) -> None:
        next_beat, told_evaluations = 0.0, 0
        while True:
            now, evaluations = time.monotonic(), len(self._state.evaluations)
            if now >= next_beat or evaluations > told_evaluations:
                self._beat()
                next_beat = now + self._state.spec.heartbeat_seconds
                told_evaluations = evaluations
            if self._stop.wait(min(_LOOK_SECONDS, self._state.spec.heartbeat_seconds)):
                return
            asked_at = self._interruption.asked_at
            if asked_at is not None and time.monotonic() - asked_at > CANCEL_GRACE_SECONDS:
                self._end_process()

    def _beat(self) -> None:
        # A full disk must not end a trial; its result reports it.
        with contextlib.suppress(OSError):
            path = self._state.spec.out_folder / HEARTBEAT_FILE
            write_json(path, self._state.heartbeat(), durable=False)

    def _end_process(self) -> None:
        failure = Failure(kind="Cancelled", message="Ended by SIGTERM within a long operation")
        with contextlib.suppress(OSError):
            self._writer.write(self._state.result(Outcome.CANCELLED, failure))
        os._exit(TERMINATED_EXIT_CODE)


def preload(architectures: Sequence[str] = PRELOADED_ARCHITECTURES) -> None:
    """Import what a trial imports, so that processes forked from this one have it already.

    No thread is started, no tensor is computed and CUDA is not touched, so a fork is safe. Where a
    package is missing nothing is imported: one method does without, a trial of the others says so.

    Args:
        architectures: Names of the packages in ``transformers.models`` to import.
    """
    if any(find_spec(name) is None for name in ("torch", "transformers", "peft")):
        return
    for name in (
        "pyarrow.ipc",
        "safetensors.torch",
        "tokenizers",
        "torch.optim.lr_scheduler",
        "transformers.models.auto.modeling_auto",
        "transformers.models.auto.tokenization_auto",
        "transformers.optimization",
        "peft",
        *(f"transformers.models.{name}.modeling_{name}" for name in architectures),
    ):
        importlib.import_module(name)
    # Attributes of lazy modules are resolved on first use.
    import transformers

    for name in (
        "AutoConfig",
        "AutoModelForSequenceClassification",
        "AutoModelForQuestionAnswering",
        "AutoModelForCausalLM",
        "AutoModelForSeq2SeqLM",
        "AutoTokenizer",
    ):
        getattr(transformers, name)


def run_trial(spec: TrialSpec) -> TrialResult:
    """Run one trial; its result is in ``spec.out_folder`` when this returns.

    Threads, seeds and the handling of SIGTERM are set for the whole process, so a trial wants one
    of its own.

    Args:
        spec: What to run.

    Returns:
        The result, whatever the outcome: no failure of a trial is raised.
    """
    state = TrialState(spec, versions=_versions())
    writer = ResultWriter(state)
    interruption = Interruption()
    interruption.install()
    try:
        spec.out_folder.mkdir(parents=True, exist_ok=True)
        with Heartbeat(state, interruption, writer):
            return writer.write(_attempt(spec, state, interruption))
    except OSError as error:
        # The disk is full or gone: the launcher sees that there is no result.
        _log(f"the result cannot be written: {error.strerror}")
        return state.result(Outcome.INFRA, describe(error))
    finally:
        interruption.restore()


def _attempt(spec: TrialSpec, state: TrialState, interruption: Interruption) -> TrialResult:
    try:
        _run(spec, state, interruption)
    except BaseException as error:  # noqa: BLE001  (every end of a trial is a result)
        failure = describe(error)
        _log(f"{failure.kind}: {failure.message}")
        if isinstance(error, ImportError):
            _log(
                "this trial needs packages that are not installed. "
                "Install them with: pip install 'xautolm[trial]'"
            )
        claim_saved(spec)
        return state.result(outcome_of(error), failure)
    return state.result(Outcome.OK)


def _log(text: str) -> None:
    # The log may lie on the very disk that is full.
    with contextlib.suppress(OSError):
        print(f"xautolm: {text}", file=sys.stderr, flush=True)


def _run(spec: TrialSpec, state: TrialState, interruption: Interruption) -> None:
    """Run what the method of a spec asks for; a method imports no more than it needs."""
    if spec.configuration.method == TFIDF:
        from xautolm_core.trial.linear.run import TfidfRun

        TfidfRun(spec, state, interruption).run()
    elif spec.configuration.method == LEXICAL_SPAN:
        from xautolm_core.trial.lexical.run import LexicalRun

        LexicalRun(spec, state, interruption).run()
    elif spec.configuration.method in (UNTUNED, UNTUNED_FEW_SHOT):
        from xautolm_core.trial.generation.untuned import UntunedRun

        UntunedRun(spec, state, interruption).run()
    elif is_cheap(spec.configuration.method):
        from xautolm_core.trial.linear.probe_run import ProbeRun

        ProbeRun(spec, state, interruption).run()
    else:
        from xautolm_core.trial.fine_tune import FineTuneRun

        FineTuneRun(spec, state, interruption).run()


def _versions() -> dict[str, str]:
    found = {"xautolm": __version__, "python": sys.version.split()[0]}
    for name in _VERSIONED:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
